import type { UnixSeconds } from '../../wire/amount.ts'
import { unixSeconds } from '../../wire/amount.ts'
import type { Terms } from '../../wire/Terms.ts'
import { assert } from '../assert.ts'

/**
 * The bank's clock: Design 3.7. Plain data, to be stored at every step.
 *
 * It follows the system's clock and never goes back. What the system's clock says is doubted when it leaves what the
 * process itself measured, or when the bank was away for long: then the clock goes on by its own measure, and no deadline
 * passes until the operator confirms.
 *
 * ```mermaid
 * stateDiagram-v2
 *   [*] --> trusted: create
 *   trusted --> held: step finds a jump, or a long gap
 *   held --> trusted: confirm
 * ```
 */
export interface BankClock {
  readonly wall: UnixSeconds
  /** Seconds that the bank has been up and at work in all its life. */
  readonly uptime: bigint
  /** Why no deadline passes, if so. */
  readonly held: Hold | undefined
  /** What the system's clock should say by the process's own measure, and the uptime at which it was last set by it. */
  readonly expected: UnixSeconds
  readonly expectedSince: bigint
}

/** `jump`: the system's clock went another way than time. `gap`: the bank was away or stopped for long. */
export type Hold = 'jump' | 'gap'

/** Two clocks read at once. */
export interface Reading {
  /** The system's clock. */
  readonly wall: UnixSeconds
  /** Seconds since the reading before, by a clock that nobody sets; none for the first reading of a process. */
  readonly elapsed: bigint | undefined
}

export interface ClockRules {
  /** Seconds by which the system's clock may leave time. */
  readonly jumpMax: bigint
  /** Seconds that a bank may be away, or stand still, without anybody looking at the clock. */
  readonly gapMax: bigint
  /** Seconds of uptime after which a small difference is forgotten: a clock that is slewed is right. */
  readonly forgetAfter: bigint
}

export const defaultClockRules: ClockRules = { jumpMax: 60n, gapMax: 600n, forgetAfter: 21_600n }

/** What a channel's time is made from. */
export type Lifetime = Pick<Terms, 'expiresAt' | 'graceSeconds'>

/** The clock of a bank that has never run. Whoever sets it up has looked at the system's clock. */
export function create(wall: UnixSeconds): BankClock {
  return { wall, uptime: 0n, held: undefined, expected: wall, expectedSince: 0n }
}

/** The clock at the next reading. To be taken every few seconds: what lies between two counts as uptime up to `jumpMax`. */
export function step(clock: BankClock, reading: Reading, rules: ClockRules = defaultClockRules): BankClock {
  return reading.elapsed === undefined
    ? start(clock, reading.wall, rules)
    : run(clock, reading.wall, reading.elapsed, rules)
}

/**
 * The operator has looked: the system's clock is right now. The bank's own takes it over, but never goes back: ahead of
 * it, it waits.
 */
export function confirm(clock: BankClock, wall: UnixSeconds): BankClock {
  const { uptime } = clock
  return { wall: later(clock.wall, wall), uptime, held: undefined, expected: wall, expectedSince: uptime }
}

/** The last second in which a channel can be claimed, by {@link timeOf}. */
export function deadline({ expiresAt, graceSeconds }: Lifetime): UnixSeconds {
  return unixSeconds(expiresAt + BigInt(graceSeconds))
}

/**
 * The uptime from which a channel's grace counts: now, if the clock has passed `expiresAt` and is trusted. Stored with the
 * channel the first time, closed or not, and never changed.
 */
export function graceFrom(clock: BankClock, { expiresAt }: Lifetime): bigint | undefined {
  return clock.held === undefined && clock.wall >= expiresAt ? clock.uptime : undefined
}

/**
 * The time that counts for a channel. Until `expiresAt` it is the clock's, from there on uptime alone moves it: a bank that
 * was away takes no vendor's grace. While the clock is held it stays within the deadline.
 */
export function timeOf(clock: BankClock, life: Lifetime, from: bigint | undefined): UnixSeconds {
  const { wall, uptime, held } = clock
  if (wall <= life.expiresAt) return wall
  const grace = from === undefined ? 0n : uptime - from
  assert(grace >= 0n, 'uptime never falls')
  const time = earlier(wall, unixSeconds(life.expiresAt + grace))
  return held === undefined ? time : earlier(time, deadline(life))
}

function start(clock: BankClock, reading: UnixSeconds, { jumpMax, gapMax }: ClockRules): BankClock {
  const { uptime } = clock
  const behind = clock.wall - reading > jumpMax
  const held = clock.held ?? (behind ? 'jump' : reading - clock.wall > gapMax ? 'gap' : undefined)
  const wall = held === undefined ? later(clock.wall, reading) : clock.wall
  return { wall, uptime, held, expected: reading, expectedSince: uptime }
}

function run(clock: BankClock, reading: UnixSeconds, elapsed: bigint, rules: ClockRules): BankClock {
  assert(elapsed >= 0n, 'a clock that nobody sets never goes back')
  const { jumpMax, gapMax, forgetAfter } = rules
  const uptime = clock.uptime + (elapsed > jumpMax ? jumpMax : elapsed)
  const expected = unixSeconds(clock.expected + elapsed)
  const off = reading > expected ? reading - expected : expected - reading
  const held = clock.held ?? (off > jumpMax ? 'jump' : elapsed > gapMax ? 'gap' : undefined)
  const wall = held === undefined ? later(clock.wall, reading) : unixSeconds(clock.wall + elapsed)
  const forget = held === undefined && uptime - clock.expectedSince >= forgetAfter
  return forget
    ? { wall, uptime, held, expected: reading, expectedSince: uptime }
    : { wall, uptime, held, expected, expectedSince: clock.expectedSince }
}

function later(left: UnixSeconds, right: UnixSeconds): UnixSeconds {
  return left > right ? left : right
}

function earlier(left: UnixSeconds, right: UnixSeconds): UnixSeconds {
  return left < right ? left : right
}
