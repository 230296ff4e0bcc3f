/** Channels opened at a bank and paid through the real machines of client and vendor. */

import type { Bank } from '../../src/bank/service.ts'
import type * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Client, Bank as Decide, Vendor } from '../../src/protocol/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Open from '../../src/wire/Open.ts'
import * as Terms from '../../src/wire/Terms.ts'
import {
  account,
  bankKey,
  bytesOf,
  coresOf,
  deliver,
  frameKey,
  must,
  now,
  payClient,
  serve,
  vendorKey,
  type World,
} from '../protocol/world.ts'

export const asset = 'USD/6'
export const network = 'lockstep:test'
export const rules: Decide.Rules = { ...Decide.defaultRules, assets: [asset, 'EUR/2'], network }

/** What a client may propose otherwise than the default. */
export type ProposalChange = Partial<Client.Proposal> & {
  readonly client?: Schnorr.KeyPair
  readonly commandId?: Uint8Array
  /** Of the channel key and all other secrets. */
  readonly secretsOf?: string
}

export interface Command {
  /** What goes to the bank. */
  readonly bytes: Uint8Array
  readonly terms: Uint8Array
  readonly channelId: Uint8Array
  readonly secrets: Client.Entropy
}

export function propose(label: string, change: ProposalChange = {}): Command {
  const { client = account, commandId = bytesOf(`${label} command`, 16), secretsOf = label, ...proposal } = change
  const secrets: Client.Entropy = {
    channelKey: bytesOf(`${secretsOf} key`),
    channelSeed: bytesOf(`${secretsOf} seed`),
    coinSalt: bytesOf(`${secretsOf} salt`, 16),
    commandId,
  }
  const { terms, open } = Client.propose(
    client,
    {
      lockScheme: 'schnorr',
      funds: amount(100_000n),
      unitPrice: amount(10n),
      segmentLength: 64,
      openedAt: now,
      expiresAt: unixSeconds(now + 3600n),
      graceSeconds: 600,
      network,
      asset,
      bank: bankKey.publicKey,
      vendor: vendorKey.publicKey,
      vendorFrameKey: frameKey.publicKey,
      clientIdentity: bytesOf('client identity'),
      vendorIdentity: bytesOf('vendor identity'),
      validUntil: unixSeconds(now + 60n),
      ...proposal,
    },
    secrets,
  )
  return { bytes: Open.encode(open), terms, channelId: Terms.channelId(terms), secrets }
}

/** The machines of client and vendor around the channel that the bank has opened. */
export function worldOf({ terms, secrets }: Command, answer: Uint8Array): World {
  const opened = Open.parseOpened(answer)
  if (!opened.ok) throw new Error(opened.detail)
  const client = must(Client.create(secrets, terms, opened.value)).channel
  const attachment = Attachment.parse(Attachment.encode(client.attachment))
  if (!attachment.ok) throw new Error(attachment.detail)
  const bank = { channelId: client.channelId, terms: client.terms, ...opened.value }
  const vendor = Vendor.create(attachment.value, frameKey.secret)
  return { client, vendor, opened: opened.value, secrets, terms, bank, cores: [] }
}

export async function openWorld(bank: Bank, label: string, change: ProposalChange = {}): Promise<World> {
  const command = propose(label, change)
  return worldOf(command, must(await bank.open(command.bytes)).opened)
}

/** Pays `price` for each of `count` requests, served and charged in full. */
export function buy(world: World, count: number, price = 20n): void {
  for (let number = 0; number < count; number++) {
    const payment = payClient(world, price, `goods ${number}`)
    must(deliver(world, payment))
    serve(world, payment.index, price)
    must(Client.acknowledge(world.client, Vendor.statement(world.vendor, payment.index, price)))
  }
}

/** The vendor's claim: for what it charged, with the coins it has. */
export function claimOf(world: World, change: Partial<Close.Close> = {}): Uint8Array {
  return Close.encode(Close.sign(vendorKey, { ...closeOf(world), ...change }))
}

export function closeOf(world: World): Close.SignedClose {
  const chain = Vendor.chainOf(world.vendor, coresOf(world))
  must(Vendor.createClosing(world.vendor, vendorKey))
  return Vendor.createClose({
    channel: world.vendor,
    vendor: vendorKey,
    last: Vendor.lastOf(chain),
    release: undefined,
  })
}
