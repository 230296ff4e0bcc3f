import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equal } from '../../src/crypto/bytes.ts'
import * as LockPrefix from '../../src/crypto/LockPrefix.ts'
import { type LockLink, type LockSchemeName, lockSchemes } from '../../src/crypto/locks.ts'
import { type Chain, Client, openFromFirst, openFromLast, signed, Vendor } from '../../src/protocol/index.ts'
import { amount } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { forgeCheckpoint, fork, snapshot } from './adversary.ts'
import {
  account,
  bytesOf,
  coresOf,
  createWorld,
  deliver,
  must,
  payClient,
  read,
  vendorKey,
  type World,
} from './world.ts'

const lockSchemeNames: readonly LockSchemeName[] = ['schnorr', 'ecdsa-xor']
const length = 6

interface Paid {
  readonly world: World
  readonly chain: Chain
  /** σ_0 … σ_n, as bank and client made them. */
  readonly receipts: readonly Uint8Array[]
}

function pay(lockScheme: LockSchemeName, count = length): Paid {
  const world = createWorld({ lockScheme, label: 'receipts' })
  const receipts = [world.opened.receipt]
  for (let index = 1; index <= count; index++) {
    const payment = payClient(world, 10n)
    receipts.push(payment.receipt)
    must(deliver(world, payment))
  }
  return { world, chain: Vendor.chainOf(world.vendor, coresOf(world)), receipts }
}

/** The chain with payment `index` changed. */
function spoil(chain: Chain, index: number, change: (core: Transcript.Core) => Partial<Transcript.Core>): Chain {
  return { ...chain, cores: chain.cores.map((core, at) => (at === index - 1 ? { ...core, ...change(core) } : core)) }
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const flipped = new Uint8Array(bytes)
  flipped[at]! ^= 1
  return flipped
}

function link(chain: Chain, index: number): LockLink {
  return { lock: chain.cores[index - 1]!.lock, previous: signed(chain, index - 1), current: signed(chain, index) }
}

/** Locks that hold without a gap from the first, checked one by one before anything opens. */
function verifiedPrefix(chain: Chain): number {
  const scheme = lockSchemes[chain.terms.lockScheme]
  const wrong = chain.cores.findIndex((_, at) => !scheme.check!(link(chain, at + 1)))
  return wrong < 0 ? chain.cores.length : wrong
}

/** The same, in constant space. */
function walkedPrefix(chain: Chain): number {
  let prefix = LockPrefix.start(signed(chain, 0))
  for (let index = 1; prefix !== undefined && index <= chain.cores.length; index++) {
    const next = LockPrefix.step(prefix, { ...signed(chain, index), lock: chain.cores[index - 1]!.lock })
    if (next === undefined) return prefix.index
    prefix = next
  }
  return prefix?.index ?? 0
}

const spoilings = [
  { part: 'lock', change: (core: Transcript.Core) => ({ lock: flip(core.lock, 31) }) },
  { part: 'commitment', change: (core: Transcript.Core) => ({ commitment: flip(core.commitment, 31) }) },
  { part: 'transaction', change: (core: Transcript.Core) => ({ transaction: flip(core.transaction, 83) }) },
] as const

describe.each(lockSchemeNames)('receipts with %s locks', (lockScheme) => {
  const { world, chain, receipts } = pay(lockScheme)
  const last = receipts.at(-1)!

  it.each([0, 1, 2, length])('open from the last of %i, all of them', (count) => {
    const paid = pay(lockScheme, count)
    expect(openFromLast(paid.chain, paid.receipts.at(-1)!)).toEqual({ ok: true, receipts: paid.receipts })
  })

  it('do not open from anything but the last one', () => {
    for (const wrong of [receipts[0]!, receipts.at(-2)!, flip(last, 0), flip(last, 63), new Uint8Array(64)]) {
      expect(openFromLast(chain, wrong)).toMatchObject({ ok: false, index: length })
    }
    expect(openFromLast(chain, new Uint8Array(64).fill(0xff))).toMatchObject({ ok: false, index: length })
  })

  it('stop opening at a bad lock, which is named by the receipt it fails to open', () => {
    for (let index = 1; index <= length; index++) {
      const opened = openFromLast(spoil(chain, index, spoilings[0].change), last)
      expect(opened).toMatchObject({ ok: false, index: index - 1 })
      expect(opened.receipts.slice(index)).toEqual(receipts.slice(index))
      expect(opened.receipts.slice(0, index).every((receipt) => receipt === undefined)).toBe(true)
    }
  })

  it('stop opening at a receipt that is not the one committed to', () => {
    for (const { change } of spoilings.slice(1)) {
      for (let index = 1; index <= length; index++) {
        const opened = openFromLast(spoil(chain, index, change), last)
        expect(opened).toMatchObject({ ok: false, index })
        expect(opened.receipts.slice(index + 1)).toEqual(receipts.slice(index + 1))
      }
    }
  })

  it('never crash on cores with any bytes in them', () => {
    const bytes = (size: number): fc.Arbitrary<Uint8Array> =>
      fc.oneof(fc.uint8Array({ minLength: size, maxLength: size }), fc.constant(new Uint8Array(size).fill(0xff)))
    const { lockSize } = world.vendor.scheme
    const core = fc.record(
      { lock: bytes(lockSize), commitment: bytes(32), transaction: bytes(84) },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: length }), core, (index, change) => {
        const broken = spoil(chain, index, () => change)
        const different = Object.entries(change).some(
          ([part, value]) => !equal(value, chain.cores[index - 1]![part as keyof typeof change]),
        )
        expect(openFromLast(broken, last).ok).toBe(!different)
        if (lockScheme === 'schnorr') expect(openFromFirst(broken, receipts[0]!).ok).toBe(!different)
      }),
      { numRuns: 60 },
    )
  })
})

describe('receipts with schnorr locks', () => {
  const { chain, receipts } = pay('schnorr')
  const [first, last] = [receipts[0]!, receipts.at(-1)!]

  it('open from the first one too, with nobody’s help', () => {
    expect(openFromFirst(chain, first)).toEqual({ ok: true, receipts })
    expect(openFromFirst(chain, last)).toMatchObject({ ok: false, index: 0, receipts: [] })
  })

  it.each(spoilings)('with a bad $part are found out before the release, at the very payment', ({ part, change }) => {
    for (let index = 1; index <= length; index++) {
      const broken = spoil(chain, index, change)
      expect(verifiedPrefix(broken)).toBe(index - 1)
      expect(walkedPrefix(broken)).toBe(index - 1)
      const wrong = chain.cores.flatMap((_, at) => (chainCheck(broken, at + 1) ? [] : [at + 1]))
      expect(wrong).toEqual(part === 'lock' || index === length ? [index] : [index, index + 1])
    }
  })

  it('open from both ends, all but what is around a bad one', () => {
    for (let index = 1; index <= length; index++) {
      for (const { part, change } of spoilings) {
        const broken = spoil(chain, index, change)
        const [down, up] = [openFromLast(broken, last), openFromFirst(broken, first)]
        expect([down.ok, up.ok]).toEqual([false, false])
        const both = receipts.map((_, at) => down.receipts[at] ?? up.receipts[at])
        // A bad lock loses no receipt at all; a receipt that was never made is lost alone.
        expect(both).toEqual(receipts.map((receipt, at) => (part !== 'lock' && at === index ? undefined : receipt)))
      }
    }
  })

  it('open from σ_0 as far as the locks were verified, whatever the client sent', () => {
    const wrongs = fc.array(fc.tuple(fc.integer({ min: 1, max: length }), fc.constantFrom(...spoilings)), {
      maxLength: 4,
    })
    fc.assert(
      fc.property(wrongs, (list) => {
        const broken = list.reduce((so, [index, { change }]) => spoil(so, index, change), chain)
        const verified = verifiedPrefix(broken)
        expect(walkedPrefix(broken)).toBe(verified)
        const prefix = { ...broken, cores: broken.cores.slice(0, verified) }
        expect(openFromFirst(prefix, first)).toEqual({ ok: true, receipts: receipts.slice(0, verified + 1) })
      }),
      { numRuns: 60 },
    )
  })
})

describe('receipts with ecdsa-xor locks', () => {
  const { world, chain, receipts } = pay('ecdsa-xor')

  it('open from the last one only', () => {
    expect(() => openFromFirst(chain, receipts[0]!)).toThrow(/from the last one only/)
  })

  it('that fail to open prove it: the one above is right and committed to, what it opens is not', () => {
    const { scheme, channelId } = world.vendor
    const index = 4
    const broken = spoil(chain, index, spoilings[0].change)
    const opened = openFromLast(broken, receipts.at(-1)!)
    expect(opened).toMatchObject({ ok: false, index: index - 1 })
    const receipt = opened.receipts[index]!
    const { publicKey, digest, commitment } = signed(broken, index)
    expect(scheme.verify({ publicKey, digest, receipt }) && equal(scheme.commit(receipt), commitment)).toBe(true)
    const { lock } = broken.cores[index - 1]!
    const previous = signed(broken, index - 1)
    const wrong = scheme.unlock({ channelId, index, lock, receipt, previousCommitment: previous.commitment })
    expect(scheme.verify({ ...previous, receipt: wrong })).toBe(false)
    // The checkpoint over the transcript binds the client to that very lock.
    expect(transcriptOf(broken)).not.toEqual(transcriptOf(chain))
    expect(transcriptOf(chain)).toEqual(world.client.transcript)
  })
})

describe.each(lockSchemeNames)('a release to the vendor with %s locks', (lockScheme) => {
  const { world, chain, receipts } = pay(lockScheme)
  const { closing } = must(Vendor.createClosing(world.vendor, vendorKey))
  const release = read(Closing.parseRelease(must(Client.release(fork(world).client, closing)).release))
  const { index, transcript, paid, segment } = world.client
  const right = { segment: segment.number + 1, index, transcript, amount: paid, nextLength: 0 }
  const withCheckpoint = (change: object): Closing.Release => {
    return { ...release, checkpoint: Checkpoint.encode(forgeCheckpoint(world, { ...right, ...change })) }
  }

  it('opens every receipt, and changes nothing but what the vendor then knows', () => {
    const before = snapshot(world.vendor)
    const verdict = must(Vendor.acceptRelease(world.vendor, release, chain))
    expect(verdict.receipts).toEqual(receipts)
    expect(verdict.checkpoint).toMatchObject({ index, transcript, amount: paid })
    expect(snapshot(world.vendor)).toEqual(before)
  })

  it('may say that more was paid than the vendor knows of: ticks that were lost', () => {
    expect(Vendor.acceptRelease(world.vendor, withCheckpoint({ amount: paid + 500n }), chain)).toMatchObject({
      ok: true,
    })
  })

  it.each([
    { wrong: 'of another channel', reason: 'ChannelUnknown', sent: { ...release, channelId: bytesOf('another') } },
    { wrong: 'with another receipt', reason: 'ReleaseInvalid', sent: { ...release, receipt: receipts.at(-2)! } },
    { wrong: 'without a checkpoint', reason: 'Malformed', sent: { ...release, checkpoint: new Uint8Array(171) } },
    { wrong: 'at an earlier payment', reason: 'ReleaseInvalid', sent: withCheckpoint({ index: index - 1 }) },
    { wrong: 'at a later payment', reason: 'ReleaseInvalid', sent: withCheckpoint({ index: index + 1 }) },
    { wrong: 'over another transcript', reason: 'ReleaseInvalid', sent: withCheckpoint({ transcript: bytesOf('no') }) },
    { wrong: 'over less than was paid', reason: 'CheckpointAmount', sent: withCheckpoint({ amount: paid - 1n }) },
    {
      wrong: 'over more than the funds',
      reason: 'SegmentTooLarge',
      sent: withCheckpoint({ amount: world.client.terms.funds + 1n }),
    },
    {
      wrong: 'that the channel key did not sign',
      reason: 'CheckpointSignature',
      sent: { ...release, checkpoint: Checkpoint.encode(forgeCheckpoint(world, right, account)) },
    },
  ])('$wrong is refused for $reason', ({ sent, reason }) => {
    const before = snapshot(world.vendor)
    expect(Vendor.acceptRelease(world.vendor, sent, chain)).toMatchObject({ ok: false, reason })
    expect(snapshot(world.vendor)).toEqual(before)
  })

  it('is refused before the vendor has stated its last', () => {
    const open = pay(lockScheme)
    expect(Vendor.acceptRelease(open.world.vendor, release, open.chain)).toMatchObject({ reason: 'ReleaseInvalid' })
  })

  it('is refused with any one of its bytes changed', () => {
    const bytes = Closing.encodeRelease(release)
    for (let at = 0; at < bytes.length; at++) {
      const wrong = new Uint8Array(bytes)
      wrong[at]! ^= 1 << (at & 7)
      const parsed = Closing.parseRelease(wrong)
      if (parsed.ok) expect(Vendor.acceptRelease(world.vendor, parsed.value, chain).ok).toBe(false)
    }
  })

  it('may bring the checkpoint that the vendor has, and no other of its number', () => {
    const known = pay(lockScheme)
    const { vendor } = known.world
    const fields = { ...right, transcript: vendor.window.transcript, nextUnitPrice: amount(10n) }
    const checkpoint = forgeCheckpoint(known.world, fields)
    vendor.segments.push(Vendor.segmentOf(checkpoint))
    vendor.phase = 'closing'
    const same = { ...release, channelId: vendor.channelId, checkpoint: Checkpoint.encode(checkpoint) }
    expect(Vendor.acceptRelease(vendor, same, known.chain)).toMatchObject({ ok: true })
    const other = forgeCheckpoint(known.world, { ...fields, amount: paid + 1n })
    const conflict = { ...same, checkpoint: Checkpoint.encode(other) }
    expect(Vendor.acceptRelease(vendor, conflict, known.chain)).toMatchObject({ reason: 'CheckpointConflict' })
    vendor.paid += 10n
    expect(Vendor.acceptRelease(vendor, same, known.chain)).toMatchObject({ reason: 'CheckpointAmount' })
  })
})

function chainCheck(chain: Chain, index: number): boolean {
  return lockSchemes[chain.terms.lockScheme].check!(link(chain, index))
}

function transcriptOf(chain: Chain): Uint8Array {
  return chain.cores.reduce<Uint8Array>(
    (transcript, core) => Transcript.next(transcript, Transcript.encode(core)),
    Transcript.first(chain.channelId, chain.commitment),
  )
}
