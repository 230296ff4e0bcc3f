import type { LockSchemeName } from '../../crypto/locks.ts'
import { type Run, type RunInput, run } from '../../published/index.ts'
import { type LockstepRun, runLockstep } from './lockstepRun.ts'

export interface MeasureInput {
  /** n. */
  readonly payments: number
  /** Timed runs of each scheme. */
  readonly runs: number
  /** Runs of each scheme before them, which are not timed. */
  readonly warmUps: number
  readonly entropy: (size: number) => Uint8Array
  /** A monotonic clock in milliseconds. */
  readonly now: () => number
  /** Unix seconds. */
  readonly startedAt: bigint
}

export interface Measurement {
  /** The published scheme with its repair: one run of many, alike but for keys. */
  readonly repaired: Run
  /** The same as printed. */
  readonly literal: Run
  readonly lockstep: LockstepRun
  readonly times: { readonly published: Times; readonly lockstep: Times }
}

/** Of Lockstep/1: the default one. */
export const lockScheme: LockSchemeName = 'schnorr'

export const phases = ['setup', 'transaction', 'release'] as const

export type PhaseName = (typeof phases)[number]

/** What each phase took in each timed run, in milliseconds, in the order of the runs. */
export type Times = Readonly<Record<PhaseName, readonly number[]>>

/** Runs both schemes in turn, so that whatever else the machine does slows both. */
export function measure({ runs, warmUps, ...input }: MeasureInput): Measurement {
  const common: Omit<RunInput, 'reading'> = input
  const literal = run({ ...common, reading: 'literal' })
  const times = { published: noTimes(), lockstep: noTimes() }
  let last: Pick<Measurement, 'repaired' | 'lockstep'> | undefined
  for (let count = 1; count <= warmUps + runs; count++) {
    last = {
      repaired: run({ ...common, reading: 'repaired' }),
      lockstep: runLockstep({ ...input, lockScheme }),
    }
    if (count <= warmUps) continue
    for (const phase of phases) {
      times.published[phase].push(last.repaired[phase].ms)
      times.lockstep[phase].push(last.lockstep[phase].ms)
    }
  }
  if (last === undefined) throw new RangeError('a measurement has at least one run')
  return { ...last, literal, times }
}

/** The middle of what was measured; of an even number, the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((left, right) => left - right)
  const middle = sorted.length / 2
  const [below, above] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  if (below === undefined || above === undefined) throw new RangeError('nothing was measured')
  return (below + above) / 2
}

function noTimes(): Record<PhaseName, number[]> {
  return { setup: [], transaction: [], release: [] }
}
