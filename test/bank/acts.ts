/** What accounts and vendors tell the bank, as the bytes that they send. */

import type * as Schnorr from '../../src/crypto/Schnorr.ts'
import type { CommandAnswer } from '../../src/http/bank.ts'
import { Client, Vendor } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Command from '../../src/wire/Command.ts'
import { fork } from '../protocol/adversary.ts'
import { account, bankKey, bytesOf, must, now, vendorKey, type World } from '../protocol/world.ts'
import { network } from './channels.ts'

export interface CommandChange {
  readonly key?: Schnorr.KeyPair
  readonly id?: string
  readonly validUntil?: bigint
  readonly bank?: Uint8Array
  readonly network?: string
}

/** A command to the bank of the tests, valid for an hour. */
export function commandOf(action: Command.Action, change: CommandChange = {}): Uint8Array {
  const { key = account, id = action.kind, validUntil = now + 3600n } = change
  const { bank = bankKey.publicKey, network: where = network } = change
  const until = unixSeconds(validUntil)
  return Command.encode(Command.sign(key, { bank, network: where, id: bytesOf(id, 16), validUntil: until, action }))
}

/** What the vendor states at last, over another sum if one is given. The world does not go on. */
export function closingOf(world: World, spent?: bigint): Uint8Array {
  const { closing } = must(Vendor.createClosing(fork(world).vendor, vendorKey))
  return Closing.encode(spent === undefined ? closing : Closing.sign(vendorKey, { ...closing, spent: amount(spent) }))
}

/** The client's answer to the vendor's closing. The world does not go on. */
export function releaseOf(world: World): Uint8Array {
  const closing = Closing.parse(closingOf(world))
  if (!closing.ok) throw new Error(closing.detail)
  return must(Client.release(fork(world).client, closing.value)).release
}

/** The answer to a command of one kind. */
export function answered<K extends CommandAnswer['action']>(
  kind: K,
  { answer }: { readonly answer: CommandAnswer },
): Extract<CommandAnswer, { readonly action: K }> {
  if (answer.action !== kind) throw new Error(`answered ${answer.action}, not ${kind}`)
  return answer as Extract<CommandAnswer, { readonly action: K }>
}
