import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Bank } from '../../src/protocol/index.ts'
import { unixSeconds } from '../../src/wire/amount.ts'
import { now } from './world.ts'

const { BankClock } = Bank
type Clock = Bank.BankClock.BankClock

const life = { expiresAt: unixSeconds(now + 3_600n), graceSeconds: 600 }
const deadline = BankClock.deadline(life)

/** What happens to a bank, in seconds: of time, and of what the system's clock says beside it. */
type Happening =
  | { readonly kind: 'run'; readonly seconds: bigint; readonly set: bigint }
  | { readonly kind: 'away'; readonly seconds: bigint; readonly set: bigint }
  | { readonly kind: 'confirm' }

interface Run {
  readonly clock: Clock
  /** Time as nobody can set it, and what the system's clock is off. */
  readonly time: bigint
  readonly off: bigint
  /** As a service keeps it. */
  readonly graceFrom: bigint | undefined
}

const fresh: Run = { clock: BankClock.create(now), time: now, off: 0n, graceFrom: undefined }

function happen(run: Run, one: Happening): Run {
  const seconds = one.kind === 'confirm' ? 0n : one.seconds
  const time = run.time + seconds
  const off = one.kind === 'confirm' ? run.off : run.off + one.set
  const wall = unixSeconds(time + off < 0n ? 0n : time + off)
  const clock =
    one.kind === 'confirm'
      ? BankClock.confirm(run.clock, wall)
      : BankClock.step(run.clock, { wall, elapsed: one.kind === 'run' ? seconds : undefined })
  return { clock, time, off, graceFrom: run.graceFrom ?? BankClock.graceFrom(clock, life) }
}

const small = fc.bigInt(-2n, 2n)
const happenings: fc.Arbitrary<Happening[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('run' as const), seconds: fc.bigInt(0n, 60n), set: small }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('run' as const),
        seconds: fc.bigInt(0n, 2_000n),
        set: fc.bigInt(-5_000n, 5_000n),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('away' as const), seconds: fc.bigInt(0n, 5_000n), set: small }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'confirm' as const }) },
  ),
  { maxLength: 60 },
)

/** Every state on the way. */
function runs(list: readonly Happening[]): Run[] {
  const states = [fresh]
  for (const one of list) states.push(happen(states.at(-1)!, one))
  return states
}

function timeOf({ clock, graceFrom }: Run): bigint {
  return BankClock.timeOf(clock, life, graceFrom)
}

describe('the bank’s clock', () => {
  it('never goes back, and counts no more uptime than time that passed', () => {
    fc.assert(
      fc.property(happenings, (list) => {
        const states = runs(list)
        for (const [at, { clock, time }] of states.entries()) {
          const before = states[at - 1] ?? fresh
          expect(clock.wall >= before.clock.wall).toBe(true)
          const up = clock.uptime - before.clock.uptime
          expect(up >= 0n && up <= time - before.time).toBe(true)
        }
      }),
    )
  })

  it('follows a right clock, or one that is slewed, to the second, and is never in doubt', () => {
    const quiet = fc.array(fc.bigInt(0n, 60n), { maxLength: 200 })
    fc.assert(
      fc.property(quiet, fc.bigInt(-60n, 60n), (list, off) => {
        let clock = BankClock.create(now)
        let time: bigint = now
        for (const seconds of list) {
          time += seconds
          clock = BankClock.step(clock, { wall: unixSeconds(time + off), elapsed: seconds })
          expect(clock.held).toBeUndefined()
          if (time + off >= now) expect(clock.wall).toBe(time + off)
        }
        expect(clock.uptime).toBe(time - now)
      }),
    )
  })

  it.each([
    [60n, undefined],
    [-60n, undefined],
    [61n, 'jump'],
    [-61n, 'jump'],
  ] as const)('set by %d s is held: %s', (set, held) => {
    const clock = BankClock.step(BankClock.create(now), { wall: unixSeconds(now + 10n + set), elapsed: 10n })
    expect(clock.held).toBe(held)
  })

  it('adds small steps up, so that nobody creeps past the limit', () => {
    let clock = BankClock.create(now)
    let wall: bigint = now
    for (let count = 0; count < 7; count++) {
      wall += 1n + 10n
      clock = BankClock.step(clock, { wall: unixSeconds(wall), elapsed: 1n })
    }
    expect(clock.held).toBe('jump')
  })

  it('forgets what a clock is off by in six hours, so that one that runs wrong by little is right', () => {
    let clock = BankClock.create(now)
    let wall: bigint = now
    // A minute fast each day, for a month.
    for (let hour = 0; hour < 24 * 30; hour++) {
      for (let count = 0; count < 60; count++) {
        wall += 60n + (hour % 2 === 0 && count === 0 ? 5n : 0n)
        clock = BankClock.step(clock, { wall: unixSeconds(wall), elapsed: 60n })
      }
    }
    expect(clock).toMatchObject({ held: undefined, wall })
  })

  it.each([
    [0n, undefined],
    [600n, undefined],
    [601n, 'gap'],
    [-60n, undefined],
    [-61n, 'jump'],
  ] as const)('of a bank that was away for %d s is held: %s', (seconds, held) => {
    const clock = BankClock.step(BankClock.create(now), { wall: unixSeconds(now + seconds), elapsed: undefined })
    expect(clock).toMatchObject({ held, uptime: 0n })
    expect(clock.wall).toBe(held === undefined && seconds > 0n ? now + seconds : now)
  })

  it('takes a process that stood still for what it is: no uptime, and after ten minutes a gap', () => {
    const stopped = (seconds: bigint): Clock =>
      BankClock.step(BankClock.create(now), { wall: unixSeconds(now + seconds), elapsed: seconds })
    expect(stopped(600n)).toMatchObject({ wall: now + 600n, uptime: 60n, held: undefined })
    expect(stopped(601n)).toMatchObject({ uptime: 60n, held: 'gap' })
  })

  it('goes on by its own measure while it is held, also over restarts, until the operator confirms', () => {
    fc.assert(
      fc.property(happenings, (list) => {
        const states = runs(list)
        for (const [at, { clock, time }] of states.entries()) {
          const before = states[at - 1]
          if (before?.clock.held === undefined || clock.held === undefined) continue
          expect(clock.held).toBe(before.clock.held)
          const moved = clock.wall - before.clock.wall
          const away = list[at - 1]!.kind === 'away'
          expect(moved).toBe(away ? 0n : time - before.time)
        }
      }),
    )
  })

  it('takes the system’s clock over when it is confirmed, unless that is behind', () => {
    const held = BankClock.step(BankClock.create(now), { wall: unixSeconds(now + 5_000n), elapsed: undefined })
    expect(BankClock.confirm(held, unixSeconds(now + 5_001n))).toMatchObject({ wall: now + 5_001n, held: undefined })
    const behind = BankClock.confirm(held, unixSeconds(now - 100n))
    expect(behind).toMatchObject({ wall: now, held: undefined })
    // It waits for the other to come up.
    const waiting = BankClock.step(behind, { wall: unixSeconds(now - 50n), elapsed: 50n })
    expect(waiting).toMatchObject({ wall: now, held: undefined })
    expect(BankClock.step(waiting, { wall: unixSeconds(now + 9n), elapsed: 59n })).toMatchObject({ wall: now + 9n })
  })
})

describe('the time of a channel', () => {
  it('is the clock’s until the end of its life, then never ahead of it, and never goes back but under a hold', () => {
    fc.assert(
      fc.property(happenings, (list) => {
        const states = runs(list)
        for (const [at, state] of states.entries()) {
          const time = timeOf(state)
          const { clock } = state
          if (clock.wall <= life.expiresAt) expect(time).toBe(clock.wall)
          else expect(time >= life.expiresAt && time <= clock.wall).toBe(true)
          const before = states[at - 1]
          if (before !== undefined && clock.held === undefined) expect(time >= timeOf(before)).toBe(true)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('passes the deadline only after as much uptime as the grace since its life ended, and never while held', () => {
    let passed = 0
    fc.assert(
      fc.property(happenings, (list) => {
        const states = runs([...list, { kind: 'confirm' }, ...quiet(90)])
        const ended = states.findIndex(({ clock }) => clock.wall >= life.expiresAt && clock.held === undefined)
        for (const [at, state] of states.entries()) {
          if (timeOf(state) <= deadline) continue
          passed += 1
          expect(state.clock.held).toBeUndefined()
          expect(ended >= 0 && ended < at).toBe(true)
          expect(state.clock.uptime - states[ended]!.clock.uptime > BigInt(life.graceSeconds)).toBe(true)
        }
      }),
    )
    expect(passed).toBeGreaterThan(100)
  })

  it('passes it in the end, whatever happened, once the clock is confirmed and the bank stays up', () => {
    fc.assert(
      fc.property(happenings, (list) => {
        const last = runs(list).at(-1)!
        // The operator sets the system's clock right and confirms it; what the bank's is ahead, it waits.
        const right = happen(happen(last, { kind: 'run', seconds: 1n, set: -last.off }), { kind: 'confirm' })
        const ahead = right.clock.wall - right.time
        const minutes = Number((ahead + 3_600n + 600n) / 60n) + 2
        const end = quiet(minutes).reduce(happen, right)
        expect(timeOf(end) > deadline).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  it('starts its grace in the second in which its life ends, and not while the clock is held', () => {
    const at = (wall: bigint): Clock => ({ ...fresh.clock, wall: unixSeconds(wall), uptime: 7n })
    expect(BankClock.graceFrom(at(life.expiresAt - 1n), life)).toBeUndefined()
    expect(BankClock.graceFrom(at(life.expiresAt), life)).toBe(7n)
    expect(BankClock.graceFrom({ ...at(life.expiresAt), held: 'jump' }, life)).toBeUndefined()
  })

  it('takes no vendor’s grace while the bank is away', () => {
    // Down from before the end of the channel's life until long after its deadline.
    let run = happen(fresh, { kind: 'away', seconds: 10_000n, set: 0n })
    expect(run.clock.held).toBe('gap')
    run = happen(run, { kind: 'confirm' })
    expect(run.clock.wall > deadline).toBe(true)
    expect(timeOf(run)).toBe(life.expiresAt)
    for (const one of quiet(10)) {
      run = happen(run, one)
      expect(timeOf(run) <= deadline).toBe(true)
    }
    expect(timeOf(happen(run, { kind: 'run', seconds: 1n, set: 0n })) > deadline).toBe(true)
  })

  it('is not what a clock set forward says, before the operator has looked', () => {
    let run = happen(fresh, { kind: 'run', seconds: 1n, set: 86_400n })
    expect(run.clock).toMatchObject({ held: 'jump', wall: now + 1n })
    expect(run.graceFrom).toBeUndefined()
    // Set right again: nothing has happened.
    run = happen(happen(run, { kind: 'run', seconds: 1n, set: -86_400n }), { kind: 'confirm' })
    expect(run.clock).toMatchObject({ held: undefined, wall: now + 2n })
    expect(timeOf(run)).toBe(now + 2n)
  })
})

function quiet(minutes: number): Happening[] {
  return Array.from({ length: minutes }, () => ({ kind: 'run', seconds: 60n, set: 0n }))
}
