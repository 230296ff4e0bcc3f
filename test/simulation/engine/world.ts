import { createHash } from 'node:crypto'
import { concat, u32, utf8 } from '../../../src/crypto/bytes.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import type { LockSchemeName } from '../../../src/crypto/locks.ts'
import { type UnixSeconds, unixSeconds } from '../../../src/wire/amount.ts'

/** What a seed decides before anything happens. Plain data: it is part of a history. */
export interface WorldPlan {
  readonly seed: number
  readonly clients: readonly ClientPlan[]
  readonly vendors: readonly VendorPlan[]
  /** Stores whose reads take their time. */
  readonly slowReads: boolean
  /** Seconds that each party's clock is ahead. */
  readonly skews: Readonly<Record<string, number>>
}

export interface ClientPlan {
  readonly isByzantine: boolean
  readonly lockScheme: LockSchemeName
}

export interface VendorPlan {
  readonly isByzantine: boolean
  readonly unitPrice: number
  readonly segmentLength: number
  /** Processes over its store. */
  readonly nodes: number
}

/** A guarantee of Design 4, or `bug`: an assertion of the program itself. */
export type Guarantee = `G${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12}` | 'bug'

export interface Violation {
  readonly guarantee: Guarantee
  readonly detail: string
}

/** What all parts of a world share. */
export interface Ground {
  readonly plan: WorldPlan
  /** Virtual time since the beginning, ms. */
  readonly now: () => number
  /** A party's clock. */
  readonly clockOf: (party: string) => UnixSeconds
  /** Unpredictable for everybody else, and the same in every run. */
  readonly randomOf: (party: string) => (size: number) => Uint8Array
  /** Says that a guarantee does not hold. The first one counts. */
  readonly violate: (guarantee: Guarantee, detail: string) => void
  /** Counts what happened: it must all happen somewhere. */
  readonly count: (what: string) => void
}

export interface Journalled extends Ground {
  readonly violations: readonly Violation[]
  readonly counts: ReadonlyMap<string, number>
  readonly trace: (line: string) => void
  /** A hash of all that happened so far. */
  readonly traceHash: () => string
  advance(ms: number): void
  /** Sets a party's clock ahead or back, seconds. */
  skew(party: string, seconds: number): void
}

/** When every world begins, Unix seconds. */
export const epoch = 1_800_000_000

export function createGround(plan: WorldPlan, listen?: (line: string) => void): Journalled {
  const violations: Violation[] = []
  const counts = new Map<string, number>()
  const skews = new Map(Object.entries(plan.skews))
  const draws = new Map<string, number>()
  const hash = createHash('sha256')
  let now = 0
  return {
    plan,
    violations,
    counts,
    now: () => now,
    advance: (ms) => {
      now += ms
    },
    skew: (party, seconds) => void skews.set(party, (skews.get(party) ?? 0) + seconds),
    clockOf: (party) => unixSeconds(BigInt(epoch + Math.floor(now / 1000) + (skews.get(party) ?? 0))),
    randomOf: (party) => (size) => {
      const draw = draws.get(party) ?? 0
      draws.set(party, draw + 1)
      const label = concat(utf8(`${party} ${plan.seed}`), u32(draw))
      return concat(...Array.from({ length: Math.ceil(size / 32) }, (_, at) => sha256(concat(label, u32(at))))).slice(
        0,
        size,
      )
    },
    violate(guarantee, detail) {
      violations.push({ guarantee, detail })
      listen?.(`${guarantee} does not hold: ${detail}`)
    },
    count: (what) => void counts.set(what, (counts.get(what) ?? 0) + 1),
    trace: (line) => {
      hash.update(`${now} ${line}\n`)
      listen?.(line)
    },
    traceHash: () => hash.copy().digest('hex'),
  }
}
