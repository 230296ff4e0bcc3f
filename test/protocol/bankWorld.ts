/** Books of a bank around the channels of a world. */

import type * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, Client, Vendor } from '../../src/protocol/index.ts'
import { amount, type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Command from '../../src/wire/Command.ts'
import { fork } from './adversary.ts'
import { account, bankKey, bytesOf, coresOf, must, now, read, vendorKey, type World } from './world.ts'

/** The channel as the bank has it, open unless it is said otherwise. */
export function booked(world: World, change: Partial<Bank.BookedChannel> = {}): Bank.BookedChannel {
  return {
    ...world.bank,
    account: account.publicKey,
    graceFrom: undefined,
    standing: { status: 'open' },
    ...change,
  }
}

/** The channel after the vendor's claim. */
export function settledChannel(world: World, close: Close.SignedClose): Bank.BookedChannel {
  const { settled } = must(Bank.assessClose(close, world.bank, now))
  return booked(world, { standing: { status: 'closed', close, settled } })
}

/** What the vendor would claim now; by another amount, signed all the same. */
export function claimOf(world: World, change: Partial<Close.Close> = {}): Close.SignedClose {
  const { vendor } = fork(world)
  const chain = Vendor.chainOf(vendor, coresOf(world).slice(0, vendor.window.contiguous))
  const close = Vendor.createClose({
    channel: vendor,
    vendor: vendorKey,
    last: Vendor.lastOf(chain),
    release: undefined,
  })
  return Close.sign(vendorKey, { ...close, ...change })
}

/** What the vendor states at last, without the world going on. */
export function closingOf(world: World): Closing.Closing {
  return must(Vendor.createClosing(fork(world).vendor, vendorKey)).closing
}

/** The same by another sum, which the vendor's key signs all the same. */
export function closingOver(world: World, spent: bigint): Closing.Closing {
  return Closing.sign(vendorKey, { ...closingOf(world), spent: amount(spent) })
}

/** The client's answer, without the world going on. */
export function releaseOf(world: World): Closing.Release {
  return read(Closing.parseRelease(must(Client.release(fork(world).client, closingOf(world))).release))
}

/** A command to this bank, valid for a minute. */
export function command(
  action: Command.Action,
  change: { readonly key?: Schnorr.KeyPair; readonly id?: string; readonly validUntil?: UnixSeconds } = {},
): Command.SignedCommand {
  const { key = account, id = action.kind, validUntil = unixSeconds(now + 60n) } = change
  const bank = bankKey.publicKey
  return Command.sign(key, { bank, network: 'lockstep:test', id: bytesOf(id, 16), validUntil, action })
}

/** A clock that has run without a fault from the channels' opening until then. */
export function clockAt(wall: bigint): Bank.BankClock.BankClock {
  const time = unixSeconds(wall)
  return { wall: time, uptime: time - now, held: undefined, expected: time, expectedSince: 0n }
}

/** What the books hold after entries, from what they held before. Refuses what goes below zero, anywhere but outside. */
export function post(
  balances: Map<string, bigint>,
  entries: readonly Bank.Entry[],
  posted: Set<string> = new Set(),
): void {
  for (const { kind, reference, transfers } of entries) {
    const key = `${kind} ${Buffer.from(reference).toString('hex')}`
    if (posted.has(key)) throw new Error(`posted twice: ${key}`)
    posted.add(key)
    for (const { asset, amount: moved, from, to } of transfers) {
      if (moved <= 0n) throw new Error(`moves ${moved}`)
      add(balances, `${asset} ${nameOf(from)}`, -moved)
      add(balances, `${asset} ${nameOf(to)}`, moved)
    }
  }
}

export function nameOf({ place, owner }: Bank.Holding): string {
  return `${place} ${Buffer.from(owner).toString('hex')}`
}

function add(balances: Map<string, bigint>, key: string, by: bigint): void {
  const balance = (balances.get(key) ?? 0n) + by
  if (balance < 0n && !key.includes(' outside ')) throw new Error(`below zero: ${key}`)
  balances.set(key, balance)
}
