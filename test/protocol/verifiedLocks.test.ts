import { describe, expect, it } from 'vitest'
import * as LockPrefix from '../../src/crypto/LockPrefix.ts'
import { Bank, Client, Vendor } from '../../src/protocol/index.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import * as Closing from '../../src/wire/Closing.ts'
import { fork, snapshot } from './adversary.ts'
import {
  accuse,
  cheat,
  lockOfAnother,
  noCommitment,
  oddNonce,
  rogueNonce,
  wrongCommitment,
  wrongLock,
} from './cheats.ts'
import {
  coresOf,
  createWorld,
  deliver,
  deliverCheckpoint,
  must,
  payClient,
  read,
  vendorKey,
  type World,
} from './world.ts'

const payments = 6

/** Verifies all that is due, and gives what came of each. */
function verify(world: World): boolean[] {
  const found: boolean[] = []
  const cores = coresOf(world)
  for (let due = Vendor.lockDue(world.vendor); due !== undefined; due = Vendor.lockDue(world.vendor)) {
    found.push(Vendor.verifyLock(world.vendor, cores[due - 1]!))
  }
  return found
}

function releaseOf(world: World): Closing.Release {
  const { closing } = must(Vendor.createClosing(world.vendor, vendorKey))
  return read(Closing.parseRelease(must(Client.release(world.client, closing)).release))
}

describe('the locks of an honest client', () => {
  it('are due in order as far as the prefix goes, whatever came ahead of it', () => {
    const world = createWorld({ label: 'due' })
    const sent = Array.from({ length: 4 }, () => payClient(world, 10n))
    for (const at of [1, 3]) must(deliver(world, sent[at]!))
    expect(Vendor.lockDue(world.vendor)).toBeUndefined()
    must(deliver(world, sent[0]!))
    expect(verify(world)).toEqual([true, true])
    must(deliver(world, sent[2]!))
    expect(Vendor.lockDue(world.vendor)).toBe(3)
    expect(verify(world)).toEqual([true, true])
    expect(world.vendor).toMatchObject({ locks: { index: 4 }, wrongLock: undefined, suspended: undefined })
  })

  it('give the same receipts in the release, verified before or not, as far as they were', () => {
    const world = createWorld({ label: 'same receipts' })
    const receipts = cheat(world, { payments })
    const chain = Vendor.chainOf(world.vendor, coresOf(world))
    const release = releaseOf(world)
    for (let verified = 0; verified <= payments; verified++) {
      expect(must(Vendor.acceptRelease(world.vendor, release, chain)).receipts).toEqual(receipts)
      if (verified < payments) Vendor.verifyLock(world.vendor, chain.cores[verified]!)
    }
    expect(world.vendor.locks?.index).toBe(payments)
    for (const receipt of [receipts[0]!, receipts[payments - 1]!, new Uint8Array(64)]) {
      const verdict = Vendor.acceptRelease(world.vendor, { ...release, receipt }, chain)
      expect(verdict).toMatchObject({ ok: false, reason: 'ReleaseInvalid' })
    }
  })

  it('are verified from where a store left off', () => {
    const world = createWorld({ label: 'stored' })
    cheat(world, { payments: 3 })
    verify(world)
    const stored = LockPrefix.encode(world.vendor.locks!)
    expect(stored).toHaveLength(69)
    world.vendor.locks = LockPrefix.decode(stored)
    cheat(world, { payments: 3 })
    expect(verify(world)).toEqual([true, true, true])
  })

  it('are never verified out of order, nor where the scheme cannot', () => {
    const world = createWorld({ label: 'order' })
    cheat(world, { payments: 2 })
    expect(() => Vendor.verifyLock(world.vendor, coresOf(world)[1]!)).toThrow(/in order/)
    const xor = createWorld({ label: 'order', lockScheme: 'ecdsa-xor' })
    cheat(xor, { payments: 2 })
    expect(Vendor.lockDue(xor.vendor)).toBeUndefined()
  })
})

describe.each([
  { how: 'a wrong lock', trick: wrongLock, places: [1, 3, payments] },
  { how: 'the lock of another receipt', trick: lockOfAnother, places: [1, 3, payments] },
  { how: 'another commitment', trick: wrongCommitment, places: [1, 3, payments] },
  { how: 'a commitment that is no x-coordinate', trick: noCommitment, places: [1, 3, payments] },
  { how: 'a nonce of odd y', trick: oddNonce, places: [1, 3, payments] },
  { how: 'a rogue nonce', trick: rogueNonce, places: [1] },
])('a payment with $how', ({ trick, places }) => {
  it('pays like any other, and is found out at its own lock', () => {
    for (const at of places) {
      const world = createWorld({ label: 'found out' })
      cheat(world, { payments, at, trick })
      const before = snapshot(world.vendor)
      expect(verify(world)).toEqual([...Array<boolean>(at - 1).fill(true), false])
      const { locks } = world.vendor
      expect(locks?.index).toBe(at === 1 ? undefined : at - 1)
      // Nothing of the money, and nothing else, is another.
      expect(snapshot(world.vendor)).toEqual({ ...before, locks, wrongLock: at })
      expect(Vendor.lockDue(world.vendor)).toBeUndefined()
    }
  })

  it('suspends the channel once a checkpoint signs it, whichever is known first, and is proven then', () => {
    for (const at of places) {
      const world = createWorld({ label: 'signed' })
      cheat(world, { payments, at, trick })
      const { checkpoint } = must(Client.checkpoint(world.client))
      const [lockFirst, checkpointFirst] = [fork(world), fork(world)]
      verify(lockFirst)
      // As long as nothing proves it, payments are taken.
      expect(lockFirst.vendor.suspended).toBeUndefined()
      must(deliverCheckpoint(lockFirst, checkpoint))
      must(deliverCheckpoint(checkpointFirst, checkpoint))
      expect(checkpointFirst.vendor.suspended).toBeUndefined()
      verify(checkpointFirst)
      for (const one of [lockFirst, checkpointFirst]) {
        expect(one.vendor.suspended).toBe(`lock ${at} does not hold, and a checkpoint signs it`)
        expect(one.vendor.paid).toBe(world.client.paid)
        const late = payClient(fork({ ...world, vendor: one.vendor }), 10n)
        expect(deliver(one, late)).toMatchObject({ ok: false, reason: 'ChannelSuspended' })
        const evidence = read(BadOpening.parse(BadOpening.encode(accuse(one, { index: at, checkpoint }))))
        expect(Bank.assessBadOpening(evidence, world.bank)).toMatchObject({ ok: true, cause: 'badOpening' })
      }
    }
  })

  it('neither closes the channel nor keeps its vendor from what was charged', () => {
    const at = places[0]!
    const world = createWorld({ label: 'claimed' })
    cheat(world, { payments, at, trick })
    verify(world)
    const { reservation } = must(Vendor.reserve(world.vendor, 1, 60n))
    Vendor.charge(world.vendor, reservation, 60n)
    Vendor.settle(world.vendor, reservation)
    const { vendor } = world
    expect(must(Vendor.createClosing(vendor, vendorKey)).closing).toMatchObject({ index: payments, spent: 60n })
    const last = Vendor.lastOf(Vendor.chainOf(vendor, coresOf(world)))
    const close = Vendor.createClose({ channel: vendor, vendor: vendorKey, last, release: undefined })
    expect(Bank.assessClose(close, world.bank, world.client.terms.openedAt)).toMatchObject({ ok: true, settled: 60n })
  })
})

describe('a checkpoint before the wrong lock', () => {
  it('does not sign it: the channel goes on until the next one', () => {
    const world = createWorld({ label: 'before' })
    cheat(world, { payments: 2 })
    must(deliverCheckpoint(world, must(Client.checkpoint(world.client)).checkpoint))
    cheat(world, { payments: 2, at: 1, trick: wrongLock })
    verify(world)
    expect(world.vendor).toMatchObject({ wrongLock: 3, suspended: undefined })
    cheat(world, { payments: 2 })
    must(deliverCheckpoint(world, must(Client.checkpoint(world.client)).checkpoint))
    expect(world.vendor.suspended).toMatch(/lock 3 does not hold/)
  })
})
