import fc from 'fast-check'
import { type Refusal, Vendor } from '../../src/protocol/index.ts'
import { amount } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import { coinOf, forgeCheckpoint, forgePayment, forgeTick, type SegmentPlan } from './adversary.ts'
import { account, bytesOf, deliverBytes, deliverTick, now, type World } from './world.ts'

/** What a client without scruples sends: things valid, nearly valid and invalid, by where the vendor stands. */
export type Attack =
  | (Aim & { readonly kind: 'payment'; readonly ahead: number; readonly riding: Opening | undefined })
  | (Aim & { readonly kind: 'tick' })
  | { readonly kind: 'checkpoint'; readonly opening: Opening }
  /** Not the client's: the vendor charges this part of the credit, in 1/8. */
  | { readonly kind: 'serve'; readonly eighths: number }

/** A coin: of which of the segments the vendor knows, and whether it is the right one. */
interface Aim {
  readonly which: number
  readonly step: number
  readonly right: boolean
}

interface Opening {
  /** Over the highest segment known. */
  readonly skip: number
  /** Over what is paid. */
  readonly extra: number
  readonly unitPrice: number
  readonly length: number
  /** Past the prefix. */
  readonly ahead: number
  readonly rightTranscript: boolean
  readonly rightSigner: boolean
}

/** Mostly this, so that histories get somewhere, and now and then something else. */
function often<T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 20, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other })
}

const opening: fc.Arbitrary<Opening> = fc.record({
  skip: often(1, fc.integer({ min: -3, max: 3 })),
  extra: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: -40, max: 160 })),
  unitPrice: fc.integer({ min: 1, max: 40 }),
  length: fc.integer({ min: 0, max: 12 }),
  ahead: fc.oneof(fc.integer({ min: -1, max: 3 }), often(0, fc.constantFrom(1024, 1025))),
  rightTranscript: often(true, fc.constant(false)),
  rightSigner: often(true, fc.constant(false)),
})
const aim = {
  which: fc.nat(5),
  step: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 13 })),
  right: often(true, fc.constant(false)),
}

const attack: fc.Arbitrary<Attack> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('payment' as const),
      ...aim,
      ahead: fc.oneof(often(1, fc.constantFrom(1024, 1025)), fc.integer({ min: 0, max: 4 })),
      riding: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: opening }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('tick' as const), ...aim }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('checkpoint' as const), opening }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('serve' as const), eighths: fc.integer({ min: 0, max: 8 }) }) },
)

export const attacks: fc.Arbitrary<Attack[]> = fc.array(attack, { maxLength: 50, size: 'max' })

/** Carries an attack out. Whatever it is, the vendor says yes or no. */
export function attempt(world: World, one: Attack): Refusal | { readonly ok: true } {
  const { vendor } = world
  switch (one.kind) {
    case 'payment': {
      const riding = one.riding && signOpening(world, one.riding)
      const plans = vendor.segments.map(planOf)
      if (riding !== undefined) plans.push(planOf(Vendor.segmentOf(riding)))
      const plan = plans[one.which % plans.length]!
      const index = Math.max(1, vendor.window.contiguous + one.ahead)
      const fields = { index, segment: plan.number, step: one.step, coin: coinAt(world, plan, one) }
      return deliverBytes(world, forgePayment(world, fields), riding && Checkpoint.encode(riding))
    }
    case 'tick': {
      const plan = planOf(vendor.segments[one.which % vendor.segments.length]!)
      const step = Math.max(1, one.step)
      const coin = coinAt(world, plan, { ...one, step })
      return deliverTick(world, forgeTick(world, { segment: plan.number, step, coin }))
    }
    case 'checkpoint':
      return Vendor.acceptCheckpoint(vendor, signOpening(world, one.opening), now)
    case 'serve': {
      const price = (Vendor.credit(vendor) * BigInt(one.eighths)) / 8n
      const reserved = Vendor.reserve(vendor, 1, price)
      if (!reserved.ok) return reserved
      Vendor.charge(vendor, reserved.reservation, price)
      Vendor.settle(vendor, reserved.reservation)
      return { ok: true }
    }
  }
}

function planOf({ number, base, unitPrice, length }: Vendor.Segment): SegmentPlan {
  return { number, base, unitPrice, length }
}

function coinAt(world: World, plan: SegmentPlan, { step, right }: Aim): Uint8Array {
  if (!right || step > plan.length) return bytesOf('no coin')
  return step === 0 ? new Uint8Array(32) : coinOf(world, plan, step)
}

function signOpening(world: World, made: Opening): Checkpoint.SignedCheckpoint {
  const { paid, segments, window } = world.vendor
  const total = paid + BigInt(made.extra)
  return forgeCheckpoint(
    world,
    {
      segment: Math.max(1, segments.at(-1)!.number + made.skip),
      amount: total < 0n ? 0n : total,
      index: Math.max(0, window.contiguous + made.ahead),
      transcript: made.rightTranscript ? window.transcript : bytesOf('another transcript'),
      nextUnitPrice: amount(BigInt(made.unitPrice)),
      nextLength: made.length,
    },
    made.rightSigner ? world.client.key : account,
  )
}
