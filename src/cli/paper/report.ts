/** What `lockstep paper` found, for a program. `table.ts` says it to a person. */

import { backend } from '../../crypto/backend.ts'
import type { LockSchemeName } from '../../crypto/locks.ts'
import { figures, type Operations, type Run, type Sent } from '../../published/index.ts'
import type * as Lockstep from './lockstepRun.ts'
import { lockScheme, type MeasureInput, type Measurement, median, type PhaseName, type Times } from './measure.ts'

export interface Report {
  readonly n: number
  /** Timed runs of each scheme, and those before them that are not timed. */
  readonly runs: number
  readonly warmUps: number
  /** How many of `σ_0 … σ_{n-1}` open. */
  readonly literalOpened: number
  readonly repairedOpened: number
  /** As the paper prints them, for ten payments; and its formulas for n. */
  readonly paper: typeof figures & { readonly formulas: Formulas }
  /** Of the published scheme, repaired. */
  readonly measured: Record<PhaseName, Timed>
  readonly sent: Parties<Sent>
  readonly operations: Parties<Operations>
  /** What the client of the literal reading sends and computes. */
  readonly literal: { readonly sent: Sent; readonly operations: Operations }
  /** Lockstep/1 measured the same way. */
  readonly lockstep: LockstepReport
  readonly samplesMs: { readonly published: Times; readonly lockstep: Times }
  readonly backend: 'native' | 'portable'
  readonly machine: Machine
  /** Where `--save` wrote. */
  readonly saved: string | null
}

interface LockstepReport extends Record<PhaseName, Timed> {
  readonly lockScheme: LockSchemeName
  /** How many of `σ_0 … σ_n` opened and verified. */
  readonly opened: number
  readonly sent: Parties<Lockstep.Sent>
  /** Of the transaction phase, both directions. */
  readonly perPayment: { readonly ms: number; readonly bytes: number }
}

/** The median, and the bytes of the messages between any two parties. */
export interface Timed {
  readonly ms: number
  readonly msMin: number
  readonly msMax: number
  readonly bytes: number
}

export interface Machine {
  readonly node: string
  readonly platform: string
  readonly cpu: string
}

interface Formulas {
  readonly payments: number
  readonly client: string
  readonly vendor: string
}

type Parties<T> = Readonly<Record<Lockstep.Party, T>>

export function reportOf(
  measurement: Measurement,
  input: Pick<MeasureInput, 'payments' | 'runs' | 'warmUps'> & Pick<Report, 'machine' | 'saved'>,
): Report {
  const { repaired, literal, lockstep, times } = measurement
  const { payments: n, runs, warmUps, machine, saved } = input
  const published = timed(repaired, times.published)
  const ours = timed(lockstep, times.lockstep)
  return {
    n,
    runs,
    warmUps,
    literalOpened: literal.opened,
    repairedOpened: repaired.opened,
    paper: { ...figures, formulas: formulasFor(n) },
    measured: published,
    sent: repaired.sent,
    operations: repaired.operations,
    literal: { sent: literal.sent.client, operations: literal.operations.client },
    lockstep: {
      lockScheme,
      opened: lockstep.opened,
      ...ours,
      sent: lockstep.sent,
      perPayment: { ms: rounded(ours.transaction.ms / n), bytes: rounded(ours.transaction.bytes / n) },
    },
    samplesMs: { published: roundedTimes(times.published), lockstep: roundedTimes(times.lockstep) },
    backend: backend.name,
    machine,
    saved,
  }
}

/** The paper's communication for n payments: it prints them for ten. */
function formulasFor(n: number): Formulas {
  return { payments: n, client: `sig + ${n}f + s + ${n - 1}h`, vendor: `${n}f` }
}

function timed(run: Pick<Run, PhaseName>, times: Times): Record<PhaseName, Timed> {
  const of = (phase: PhaseName): Timed => ({
    ms: rounded(median(times[phase])),
    msMin: rounded(Math.min(...times[phase])),
    msMax: rounded(Math.max(...times[phase])),
    bytes: run[phase].bytes,
  })
  return { setup: of('setup'), transaction: of('transaction'), release: of('release') }
}

function roundedTimes(times: Times): Times {
  return {
    setup: times.setup.map(rounded),
    transaction: times.transaction.map(rounded),
    release: times.release.map(rounded),
  }
}

/** To a tenth of a microsecond: the clock is no finer. */
function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000
}
