import { queue } from '../chain/waiting.ts'
import { Bank } from '../protocol/index.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import type { BankStore } from './store/contract.ts'

type Clock = Bank.BankClock.BankClock

export interface ClockDeps {
  readonly store: Pick<BankStore, 'clock' | 'commit'>
  /** The system's clock. */
  readonly now: () => UnixSeconds
  /** Whole seconds of a clock that nobody sets. */
  readonly monotonic: () => bigint
  readonly rules: Bank.BankClock.ClockRules
  readonly log?: ((event: string, details: { readonly [name: string]: unknown }) => void) | undefined
}

/**
 * The bank's clock in its store: `protocol/bank/BankClock.ts`. Decisions go by what is stored, so that no crash takes back
 * a second on which one of them was made.
 *
 * Of several processes on one store one beats. The others read, and take over once the store has not changed for a while:
 * uptime is counted once, however many are up.
 */
export interface BankTime {
  /** As stored, a second old at most. */
  current(): Promise<Clock>
  /** Steps the clock, or reads what another process made of it. */
  beat(): Promise<Clock>
  /** The operator has looked: the system's clock is right. */
  confirm(): Promise<Clock>
  /** What the clock should be at just now, for what no money depends on. */
  now(): UnixSeconds
}

export function createTime(deps: ClockDeps): BankTime {
  const { store, now, monotonic, rules, log } = deps
  const { BankClock } = Bank
  const inTurn = queue()
  /** The clock as this process saw it first at these beats, and when that was. */
  let seen: { readonly clock: Clock; readonly beats: number; readonly at: bigint } | undefined
  /** The beat that this process made last. */
  let mine = 0

  const look = async (): Promise<typeof seen> => {
    const stored = await store.clock()
    if (stored !== undefined && stored.beats !== seen?.beats) seen = { ...stored, at: monotonic() }
    return seen
  }

  const write = async (clock: Clock, beats: number, at: bigint): Promise<Clock> => {
    const before = seen?.clock.held
    const { ok } = await store.commit([{ kind: 'clock', clock: { clock, beats } }])
    if (!ok) return (await look())!.clock
    seen = { clock, beats, at }
    mine = beats
    if (clock.held !== before)
      log?.(clock.held === undefined ? 'clockConfirmed' : 'clockHeld', { why: clock.held ?? before })
    return clock
  }

  const step = async (): Promise<Clock> => {
    const isFirst = seen === undefined
    const known = await look()
    const wall = now()
    const at = monotonic()
    if (known === undefined) return write(BankClock.create(wall), 1, at)
    const { clock, beats } = known
    const elapsed = at - known.at
    if (beats !== mine) {
      // Another process beats, or has done so a moment ago.
      const isAway = apart(clock.wall, wall) > takeOverAfter
      if (isFirst && isAway) return write(BankClock.step(clock, { wall, elapsed: undefined }, rules), beats + 1, at)
      if (elapsed < takeOverAfter) return clock
    }
    return write(BankClock.step(clock, { wall, elapsed }, rules), beats + 1, at)
  }

  return {
    beat: () => inTurn(step),
    current: () => inTurn(async () => (seen === undefined || isStale(seen.at, monotonic()) ? step() : seen.clock)),
    confirm: () =>
      inTurn(async () => {
        await step()
        for (;;) {
          const { clock, beats } = (await look())!
          const confirmed = await write(BankClock.confirm(clock, now()), beats + 1, monotonic())
          if (mine === seen?.beats) return confirmed
        }
      }),
    now() {
      if (seen === undefined) return now()
      return BankClock.step(seen.clock, { wall: now(), elapsed: monotonic() - seen.at }, rules).wall
    },
  }
}

/** Seconds. */
const takeOverAfter = 15n

function isStale(at: bigint, now: bigint): boolean {
  return now > at
}

function apart(left: bigint, right: bigint): bigint {
  return left > right ? left - right : right - left
}
