import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../../src/crypto/bytes.ts'
import type { LockSchemeName } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Client, type Refusal, Vendor } from '../../src/protocol/index.ts'
import { amount, type UnixSeconds } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { isSealed } from '../../src/wire/mac.ts'
import * as Terms from '../../src/wire/Terms.ts'
import {
  clone,
  coinOf,
  type Fault,
  forgeCheckpoint,
  forgePayment,
  forgeTick,
  fork,
  later,
  pairs,
  segmentZero,
  snapshot,
} from './adversary.ts'
import { planOne, planTwo, prepare } from './prepared.ts'
import {
  bytesOf,
  createWorld,
  deliver,
  deliverBytes,
  deliverCheckpoint,
  deliverTick,
  must,
  now,
  payClient,
  vendorKey,
  type World,
} from './world.ts'

const lockSchemeNames: readonly LockSchemeName[] = ['schnorr', 'ecdsa-xor']
const channelLife = 3600n
const otherReference = bytesOf('another channel', 16)
const groupOrder = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')

interface Attempt {
  now: UnixSeconds
  phase: Vendor.VendorChannel['phase']
  suspended: string | undefined
  cut: number
  reference: Uint8Array
  index: number
  segment: number
  step: number
  coin: 'right' | 'wrong'
  lock: Uint8Array
  sealed: boolean
  checkpoint: Pick<Checkpoint.Checkpoint, 'segment' | 'index' | 'nextLength'> & {
    reference: Uint8Array
    amount: bigint
    nextUnitPrice: bigint
    signed: boolean
  }
}

/** Payment 4, which opens segment 1 and reaches 260 there. Nothing is wrong with it. */
function rightAttempt(world: World): Attempt {
  const { channelId, scheme } = world.vendor
  const reference = Terms.reference(channelId)
  return {
    now,
    phase: 'open',
    suspended: undefined,
    cut: 0,
    reference,
    index: 4,
    segment: 1,
    step: 1,
    coin: 'right',
    lock: new Uint8Array(scheme.lockSize).fill(7),
    sealed: true,
    checkpoint: { segment: 1, index: 3, amount: 200n, nextUnitPrice: 60n, nextLength: 8, reference, signed: true },
  }
}

/** A copy of the prepared channel as the attempt meets it, and what it says. */
function meet(world: World, attempt: Attempt): { vendor: Vendor.VendorChannel; send: () => Vendor.PaymentVerdict } {
  const { vendor } = fork(world)
  vendor.phase = attempt.phase
  vendor.suspended = attempt.suspended
  const checkpoint = makeCheckpoint(world, attempt)
  const frame = makePayment(world, attempt)
  const send = (): Vendor.PaymentVerdict => {
    const parsed = Frame.parsePayment(frame)
    if (!parsed.ok) return parsed
    return Vendor.acceptPayment(vendor, { bytes: frame, value: parsed.value }, checkpoint, attempt.now)
  }
  return { vendor, send }
}

function makePayment(world: World, attempt: Attempt): Uint8Array {
  const { reference, index, segment, step, lock, cut } = attempt
  const plans = [segmentZero(world), planOne, planTwo]
  const plan = plans[segment]
  const known = attempt.coin === 'right' && plan !== undefined && step <= plan.length
  const coin = known ? coinOf(world, plan, step) : bytesOf('no coin')
  const frame = forgePayment(world, { reference, index, segment, step, coin, lock })
  if (!attempt.sealed) frame[frame.length - 1]! ^= 1
  return frame.subarray(0, frame.length - cut)
}

function makeCheckpoint(world: World, attempt: Attempt): Checkpoint.SignedCheckpoint {
  const { reference, signed, ...fields } = attempt.checkpoint
  const { segment: number, amount: base, nextUnitPrice: unitPrice, nextLength: length } = fields
  const nextAnchor = coinOf(world, { number, base, unitPrice, length }, 0)
  const made = { ...fields, nextAnchor, amount: amount(base), nextUnitPrice: amount(unitPrice) }
  const checkpoint = forgeCheckpoint(world, made)
  const signature = signed ? checkpoint.signature : new Uint8Array(64)
  return { ...checkpoint, reference, signature }
}

/** In the order of Design 3.5. */
const faults: readonly Fault<Attempt>[] = [
  { reason: 'Malformed', detail: /bytes/, fields: ['cut'], apply: (attempt) => (attempt.cut = 1) },
  {
    reason: 'ChannelUnknown',
    detail: /frame/,
    fields: ['reference'],
    apply: (attempt) => (attempt.reference = otherReference),
  },
  { reason: 'ChannelClosed', detail: /last/, fields: ['phase'], apply: (attempt) => (attempt.phase = 'closing') },
  {
    reason: 'ChannelSuspended',
    detail: /because/,
    fields: ['suspended'],
    apply: (attempt) => (attempt.suspended = 'because'),
  },
  { reason: 'MacMismatch', detail: /MAC/, fields: ['sealed'], apply: (attempt) => (attempt.sealed = false) },
  { reason: 'ChannelExpired', detail: /expired/, fields: ['now'], apply: (at) => (at.now = later(channelLife)) },
  { reason: 'IndexSeen', detail: /before/, fields: ['index'], apply: (attempt) => (attempt.index = 2) },
  { reason: 'IndexSeen', detail: /before/, fields: ['index'], apply: (attempt) => (attempt.index = 6) },
  { reason: 'IndexOutsideWindow', detail: /1024/, fields: ['index'], apply: (attempt) => (attempt.index = 3 + 1025) },
  {
    reason: 'LockMalformed',
    detail: /lock/,
    fields: ['lock'],
    apply: (attempt) => (attempt.lock = attempt.lock.length === 32 ? groupOrder : new Uint8Array(32)),
  },
  {
    reason: 'ChannelUnknown',
    detail: /checkpoint/,
    fields: ['checkpoint.reference'],
    apply: ({ checkpoint }) => (checkpoint.reference = otherReference),
  },
  {
    reason: 'CheckpointConflict',
    detail: /another/,
    fields: ['checkpoint.segment'],
    apply: (attempt) => (attempt.checkpoint = { ...attempt.checkpoint, segment: 2 }),
  },
  {
    reason: 'IndexOutsideWindow',
    detail: /checkpoint/,
    fields: ['checkpoint.index'],
    apply: (attempt) => (attempt.checkpoint = { ...attempt.checkpoint, index: 3 + 1025 }),
  },
  {
    reason: 'CheckpointAmount',
    detail: /below/,
    fields: ['checkpoint.amount'],
    apply: ({ checkpoint }) => (checkpoint.amount = 49n),
  },
  {
    reason: 'SegmentTooLarge',
    detail: /1000/,
    fields: ['checkpoint.price'],
    apply: ({ checkpoint }) => (checkpoint.nextUnitPrice = 1_000n),
  },
  {
    reason: 'CheckpointAmount',
    detail: /above/,
    fields: ['checkpoint.amount'],
    apply: ({ checkpoint }) => (checkpoint.amount = 501n),
  },
  {
    reason: 'CheckpointSignature',
    detail: /signed/,
    fields: ['checkpoint.signed'],
    apply: ({ checkpoint }) => (checkpoint.signed = false),
  },
  { reason: 'SegmentUnknown', detail: /7/, fields: ['segment'], apply: (attempt) => (attempt.segment = 7) },
  { reason: 'StepOutOfRange', detail: /9/, fields: ['step'], apply: (attempt) => (attempt.step = 9) },
  { reason: 'CoinMismatch', detail: /anchor/, fields: ['coin'], apply: (attempt) => (attempt.coin = 'wrong') },
  { reason: 'AmountInconsistent', detail: /later base/, fields: ['step'], apply: (attempt) => (attempt.step = 6) },
  {
    reason: 'AmountInconsistent',
    detail: /payment 3 had reached 50/,
    fields: ['segment', 'step'],
    apply: (attempt) => {
      attempt.segment = 0
      attempt.step = 3
    },
  },
]

/** A tick or lone checkpoint is refused for as many of the same reasons as it can meet, in the same order. */
const tickFaults: readonly Fault<Attempt>[] = faults.filter(
  ({ fields, detail }) =>
    !['index', 'lock'].some((field) => fields.includes(field)) &&
    !fields.some((field) => field.startsWith('checkpoint')) &&
    !/payment 3/.test(detail.source),
)
const checkpointFaults: readonly Fault<Attempt>[] = [
  ...faults.filter(({ fields }) => fields[0] === 'checkpoint.reference'),
  ...faults.filter(({ fields }) => ['phase', 'suspended', 'now'].includes(fields[0]!)),
  ...faults.filter(({ fields }) => fields[0]!.startsWith('checkpoint') && fields[0] !== 'checkpoint.reference'),
]

describe.each(lockSchemeNames)('the verdict on a payment with a %s lock', (lockScheme) => {
  const world = prepare(lockScheme)

  it('accepts what nothing is wrong with', () => {
    const { vendor, send } = meet(world, rightAttempt(world))
    expect(send()).toMatchObject({ ok: true, accepted: { index: 4, amount: 260n } })
    expect(vendor.paid).toBe(520n)
    expect(vendor.window.contiguous).toBe(4)
  })

  it.each(faults.map((fault, at) => ({ ...fault, at })))('refuses for $reason and keeps nothing of it', (fault) => {
    const attempt = rightAttempt(world)
    fault.apply(attempt)
    expectRefused(meet(world, attempt), fault)
  })

  it('finds the fault that comes first, of any two', () => {
    const met = pairs(faults)
    expect(met.length).toBeGreaterThan(150)
    for (const { first, second } of met) {
      const attempt = rightAttempt(world)
      second.apply(attempt)
      first.apply(attempt)
      expectRefused(meet(world, attempt), first)
    }
  })
})

describe('the verdict on a tick', () => {
  const world = prepare('schnorr')
  must(Vendor.acceptCheckpoint(world.vendor, makeCheckpoint(world, rightAttempt(world)), now))

  function meetTick(attempt: Attempt): { vendor: Vendor.VendorChannel; send: () => Refusal | { ok: true } } {
    const { vendor } = fork(world)
    vendor.phase = attempt.phase
    vendor.suspended = attempt.suspended
    const { reference, segment, step, sealed, cut } = attempt
    const known = attempt.coin === 'right' && segment === 1 && step <= planOne.length
    const coin = known ? coinOf(world, planOne, step) : bytesOf('no coin')
    const frame = forgeTick(world, { reference, segment, step, coin })
    if (!sealed) frame[frame.length - 1]! ^= 1
    const bytes = frame.subarray(0, frame.length - cut)
    const send = (): Refusal | { ok: true } => {
      const parsed = Frame.parseTick(bytes)
      return parsed.ok ? Vendor.acceptTick(vendor, { bytes, value: parsed.value }, attempt.now) : parsed
    }
    return { vendor, send }
  }

  it('finds the fault that comes first, of any two, and keeps nothing of it', () => {
    expect(meetTick(rightAttempt(world)).send()).toEqual({ ok: true })
    for (const { first, second } of pairs(tickFaults)) {
      const attempt = rightAttempt(world)
      second.apply(attempt)
      first.apply(attempt)
      expectRefused(meetTick(attempt), first)
    }
  })

  it('refuses every tick before the first payment', () => {
    const fresh = createWorld()
    const before = snapshot(fresh.vendor)
    const tick = forgeTick(fresh, { segment: 0, step: 1, coin: coinOf(fresh, segmentZero(fresh), 1) })
    expect(deliverTick(fresh, tick)).toMatchObject({ ok: false, reason: 'PaymentMissing' })
    expect(snapshot(fresh.vendor)).toEqual(before)
  })

  it('takes one again without effect, and one that comes late', () => {
    const fresh = createWorld({ segmentLength: 8 })
    must(deliver(fresh, payClient(fresh, 10n)))
    const early = must(Client.tick(fresh.client, { index: 1, units: 3, now }))
    const late = must(Client.tick(fresh.client, { index: 1, units: 3, now }))
    const opening = must(Client.checkpoint(fresh.client)).checkpoint
    must(deliverTick(fresh, late.frame))
    const before = snapshot(fresh.vendor)
    for (const { frame } of [late, early, late]) expect(deliverTick(fresh, frame)).toEqual({ ok: true })
    expect(snapshot(fresh.vendor)).toEqual(before)
    must(deliverCheckpoint(fresh, opening))
    expect(fresh.vendor.segments.map(({ number }) => number)).toEqual([1])
    for (const { frame } of [early, late]) expect(deliverTick(fresh, frame)).toEqual({ ok: true })
    expect(fresh.vendor.paid).toBe(70n)
  })
})

describe('the verdict on a checkpoint alone', () => {
  const world = prepare('schnorr')

  function meetCheckpoint(attempt: Attempt): { vendor: Vendor.VendorChannel; send: () => Refusal | { ok: true } } {
    const { vendor } = fork(world)
    vendor.phase = attempt.phase
    vendor.suspended = attempt.suspended
    const checkpoint = makeCheckpoint(world, attempt)
    return { vendor, send: () => Vendor.acceptCheckpoint(vendor, checkpoint, attempt.now) }
  }

  it('finds the fault that comes first, of any two, and keeps nothing of it', () => {
    const { vendor, send } = meetCheckpoint(rightAttempt(world))
    expect(send()).toEqual({ ok: true })
    expect(vendor.segments.map(({ number }) => number)).toEqual([1, 2])
    for (const { first, second } of pairs(checkpointFaults)) {
      const attempt = rightAttempt(world)
      second.apply(attempt)
      first.apply(attempt)
      expectRefused(meetCheckpoint(attempt), first)
    }
  })

  it('pays at once what it says, before any payment too', () => {
    const fresh = createWorld({ funds: 1_000n, segmentLength: 16 })
    const checkpoint = forgeCheckpoint(fresh, { segment: 3, amount: 700n })
    expect(Vendor.acceptCheckpoint(fresh.vendor, checkpoint, now)).toEqual({ ok: true })
    expect(fresh.vendor).toMatchObject({ paid: 700n, suspended: undefined })
    const again = snapshot(fresh.vendor)
    expect(Vendor.acceptCheckpoint(fresh.vendor, checkpoint, now)).toEqual({ ok: true })
    expect(snapshot(fresh.vendor)).toEqual(again)
  })

  it('pays up to the funds and not one unit more', () => {
    const fresh = createWorld({ funds: 1_000n, segmentLength: 16 })
    for (const [base, nextLength] of [
      [1_001n, 0],
      [921n, 8],
    ] as const) {
      const above = forgeCheckpoint(fresh, { segment: 1, amount: base, nextLength })
      expect(Vendor.acceptCheckpoint(fresh.vendor, above, now)).toMatchObject({ ok: false, reason: 'SegmentTooLarge' })
    }
    must(Vendor.acceptCheckpoint(fresh.vendor, forgeCheckpoint(fresh, { segment: 1, amount: 920n }), now))
    must(
      Vendor.acceptCheckpoint(fresh.vendor, forgeCheckpoint(fresh, { segment: 2, amount: 1_000n, nextLength: 0 }), now),
    )
    expect(fresh.vendor.paid).toBe(1_000n)
  })

  it('survives the largest numbers there are', () => {
    const largest = (1n << 63n) - 1n
    const fresh = createWorld({ funds: largest, unitPrice: 1n, segmentLength: 1 })
    const over = forgeCheckpoint(fresh, {
      segment: 1,
      amount: largest,
      nextUnitPrice: amount(largest),
      nextLength: 1024,
      nextAnchor: bytesOf('anchor'),
    })
    expect(Vendor.acceptCheckpoint(fresh.vendor, over, now)).toMatchObject({ ok: false, reason: 'SegmentTooLarge' })
    const checkpoint = forgeCheckpoint(fresh, { segment: 0xffffffff, amount: largest, nextLength: 0 })
    const frame = forgePayment(fresh, { index: 1, segment: 0xffffffff, step: 0, coin: new Uint8Array(32) })
    must(deliverBytes(fresh, frame, Checkpoint.encode(checkpoint)))
    expect(fresh.vendor.paid).toBe(largest)
    expect(Vendor.statement(fresh.vendor, 1, 0n).credit).toBe(largest)
  })

  it('believes nothing of one that is not signed, whatever its number', () => {
    const fresh = createWorld({ funds: 1_000n, segmentLength: 16 })
    const first = forgeCheckpoint(fresh, { segment: 3, amount: 100n })
    const frame = forgePayment(fresh, { index: 1, segment: 3, step: 0, coin: new Uint8Array(32) })
    must(deliverBytes(fresh, frame, Checkpoint.encode(first)))
    expect(fresh.vendor.segments.map(({ number }) => number)).toEqual([3])
    const before = snapshot(fresh.vendor)
    const stranger = Schnorr.keyPair(bytesOf('a stranger'))
    for (const segment of [1, 2, 3, 4]) {
      for (const index of [0, 1, 2, 500, 1025, 0xffffffff]) {
        const transcript = bytesOf('another transcript')
        const wrong = forgeCheckpoint(fresh, { segment, index, amount: 200n, transcript }, stranger)
        Vendor.acceptCheckpoint(fresh.vendor, wrong, now)
        expect(snapshot(fresh.vendor)).toEqual(before)
      }
    }
  })
})

describe('a frame that was right', () => {
  describe.each(lockSchemeNames)('with a %s lock', (lockScheme) => {
    const world = createWorld({ lockScheme, funds: 1_000n, segmentLength: 16, label: 'tampered' })
    const { vendor } = world
    const payment = payClient(world, 10n)

    it('is refused with any one of its bits changed, and nothing is kept', () => {
      const before = snapshot(vendor)
      for (let at = 0; at < payment.frame.length * 8; at++) {
        const wrong = new Uint8Array(payment.frame)
        wrong[at >> 3]! ^= 1 << (at & 7)
        const verdict = deliverBytes(world, wrong)
        expect(verdict.ok).toBe(false)
        if (!verdict.ok) expect(['Malformed', 'ChannelUnknown', 'MacMismatch']).toContain(verdict.reason)
      }
      expect(snapshot(vendor)).toEqual(before)
    })

    it('pays with other words behind the client’s own MAC, but then its client releases nothing', () => {
      const parsed = Frame.parsePayment(payment.frame)
      if (!parsed.ok) throw new Error(parsed.detail)
      for (const change of [
        { paidAt: later(1n) },
        { digest: bytesOf('other goods') },
        { commitment: bytesOf('another receipt') },
        { lock: new Uint8Array(parsed.value.lock.length).fill(1) },
      ]) {
        const other = fork(world)
        must(deliverBytes(other, forgePayment(world, { ...parsed.value, ...change })))
        expect(other.vendor.paid).toBe(10n)
        const { closing } = must(Vendor.createClosing(other.vendor, vendorKey))
        expect(Client.release(other.client, closing)).toMatchObject({ ok: false, reason: 'ClosingDisputed' })
      }
    })
  })

  it('is refused by every other channel', () => {
    const [one, other] = [createWorld({ label: 'one' }), createWorld({ label: 'other' })]
    const { frame } = payClient(one, 10n)
    expect(deliverBytes(other, frame)).toMatchObject({ ok: false, reason: 'ChannelUnknown' })
    const moved = new Uint8Array(frame)
    moved.set(Terms.reference(other.vendor.channelId), 1)
    expect(deliverBytes(other, moved)).toMatchObject({ ok: false, reason: 'MacMismatch' })
    const checkpoint = must(Client.checkpoint(one.client)).checkpoint
    expect(deliverCheckpoint(other, checkpoint)).toMatchObject({ ok: false, reason: 'ChannelUnknown' })
    const renamed = new Uint8Array(checkpoint)
    renamed.set(Terms.reference(other.vendor.channelId), 1)
    expect(deliverCheckpoint(other, renamed)).toMatchObject({ ok: false, reason: 'CheckpointSignature' })
  })

  it('is not what the vendor’s own MAC makes: the two directions have two keys', () => {
    const world = createWorld()
    const { frame } = payClient(world, 10n)
    expect(isSealed(frame, world.vendor.macs.frame)).toBe(true)
    expect(isSealed(frame, world.vendor.macs.statement)).toBe(false)
  })

  it('is refused at the second in which the channel expires, and accepted the second before', () => {
    const world = createWorld()
    const { frame } = payClient(world, 10n)
    const parsed = Frame.parsePayment(frame)
    if (!parsed.ok) throw new Error(parsed.detail)
    const at = (time: UnixSeconds): Vendor.PaymentVerdict =>
      Vendor.acceptPayment(clone(world.vendor), { bytes: frame, value: parsed.value }, undefined, time)
    expect(at(later(channelLife))).toMatchObject({ ok: false, reason: 'ChannelExpired' })
    expect(at(later(channelLife - 1n))).toMatchObject({ ok: true })
  })
})

describe('any bytes at all', () => {
  const world = prepare('schnorr')

  it('behind a valid MAC get a verdict, never a crash, and a refusal keeps nothing', () => {
    const field = fc.record({
      index: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 0xffffffff })),
      segment: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 0xffffffff })),
      step: fc.integer({ min: 0, max: 1024 }),
      coin: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      commitment: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      lock: fc.oneof(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ minLength: 64, maxLength: 64 })),
    })
    fc.assert(
      fc.property(field, (fields) => {
        const { vendor } = fork(world)
        const before = snapshot(vendor)
        const verdict = deliverBytes({ ...world, vendor, cores: [] }, forgePayment(world, fields))
        if (!verdict.ok) expect(snapshot(vendor)).toEqual({ ...before, strikes: vendor.strikes })
      }),
      { numRuns: 300 },
    )
  })
})

function expectRefused(
  { vendor, send }: { readonly vendor: Vendor.VendorChannel; readonly send: () => Refusal | { readonly ok: true } },
  { reason, detail }: Pick<Fault<Attempt>, 'reason' | 'detail'>,
): void {
  const before = snapshot(vendor)
  expect(send()).toEqual({ ok: false, reason, detail: expect.stringMatching(detail) })
  const strikes = reason === 'CoinMismatch' ? 1 : 0
  expect(snapshot(vendor)).toEqual({ ...before, strikes })
}
