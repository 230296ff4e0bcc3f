import type { LockSchemeName } from '../../src/crypto/locks.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import { coinOf, forgeCheckpoint, forgePayment, fork, type SegmentPlan, segmentZero } from './adversary.ts'
import { createWorld, deliverBytes, must, type World } from './world.ts'

/** Segments as the prepared channel has them, or could. */
export const planOne: SegmentPlan = { number: 1, base: 200n, unitPrice: 60n, length: 8 }
export const planTwo: SegmentPlan = { number: 2, base: 500n, unitPrice: 10n, length: 4 }

export interface Prepared extends World {
  /** Payments 4 and 5, in segment 0, that reach 90 and 160 there. */
  readonly missing: readonly Uint8Array[]
}

/** Payments 1..3 reach 10, 30 and 50 in segment 0; payment 6 reaches 520 in segment 2, which starts at 500 after payment 5. */
export function prepare(lockScheme: LockSchemeName): Prepared {
  const world = createWorld({ lockScheme, funds: 1_000n, unitPrice: 10n, segmentLength: 16, label: 'prepared' })
  for (const [index, step] of [1, 3, 5].entries()) {
    const coin = coinOf(world, segmentZero(world), step)
    must(deliverBytes(world, forgePayment(world, { index: index + 1, segment: 0, step, coin })))
  }
  const missing = [9, 16].map((step, at) =>
    forgePayment(world, { index: 4 + at, segment: 0, step, coin: coinOf(world, segmentZero(world), step) }),
  )
  const whole = fork(world)
  for (const frame of missing) must(deliverBytes(whole, frame))
  const { transcript } = whole.vendor.window
  const checkpoint = forgeCheckpoint(world, { segment: 2, index: 5, amount: 500n, nextLength: 4, transcript })
  const coin = coinOf(world, planTwo, 2)
  const ahead = forgePayment(world, { index: 6, segment: 2, step: 2, coin })
  must(deliverBytes(world, ahead, Checkpoint.encode(checkpoint)))
  return { ...world, missing }
}
