import { type UnixSeconds, unixSeconds } from '../wire/amount.ts'
import { systemTime } from './clock.ts'

/**
 * Time as the banks have it, who decide when a channel ends. Between two answers of theirs it goes on by what this machine's
 * clocks count, the slower left aside: a clock that is set back does not make a channel live longer, one that is set
 * forward is put right by the next answer.
 */
export interface BankTime {
  now(): UnixSeconds
  /** A bank has just said what time it is; gives how many seconds it was ahead of the time here. */
  hear(time: UnixSeconds): bigint
}

export function createBankTime(
  clocks: { readonly wall: () => UnixSeconds; readonly monotonicMs: () => number } = {
    wall: systemTime,
    monotonicMs: () => performance.now(),
  },
): BankTime {
  const { wall, monotonicMs } = clocks
  let heard = { time: wall(), wall: wall(), atMs: monotonicMs() }
  const now = (): UnixSeconds => {
    const counted = BigInt(Math.floor((monotonicMs() - heard.atMs) / 1000))
    // The counting clock stands still while a machine sleeps; the other one may be set.
    const shown = wall() - heard.wall
    return unixSeconds(heard.time + (shown > counted ? shown : counted))
  }
  return {
    now,
    hear(time) {
      const ahead = time - now()
      heard = { time, wall: wall(), atMs: monotonicMs() }
      return ahead
    },
  }
}
