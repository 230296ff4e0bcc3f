import { toHex } from '../crypto/bytes.ts'
import { type UnixSeconds, unixSeconds } from '../wire/amount.ts'
import type { DueChannel } from './store/contract.ts'

export interface CloseJobDeps {
  /** Unsettled channels that were closed, or whose deadline is at or before `until`, the most urgent first. */
  readonly due: (until: UnixSeconds, limit: number) => Promise<readonly DueChannel[]>
  /** Claims what was charged on a channel. Rejects where the bank did not pay, or nobody knows: to ask again is safe. */
  readonly claim: (reference: Uint8Array) => Promise<{ readonly channel: string; readonly settled: bigint }>
  readonly now: () => UnixSeconds
  readonly onClaimed: (claimed: { readonly channel: string; readonly settled: bigint }) => void
  /** Hears of each failure; `untilDeadline` in seconds. */
  readonly onFailed: (
    error: unknown,
    details: { readonly channel: string; readonly failures: number; readonly untilDeadline: bigint },
  ) => void
}

/**
 * Claims every channel that was closed, so that its client has the rest at once, or whose deadline is nearer than the margin. One that fails does so alone, and is tried again after a while,
 * longer each time, but ever more often towards its deadline.
 */
export function createCloseJob(deps: CloseJobDeps, marginSeconds: number): () => Promise<void> {
  const { due, claim, now, onClaimed, onFailed } = deps
  const waiting = new Map<string, { readonly failures: number; readonly until: bigint }>()
  return async () => {
    const until = unixSeconds(now() + BigInt(marginSeconds))
    // Those that wait may be the most urgent ones: others have to be seen behind them.
    const found = await due(until, claimsMax + waiting.size)
    const names = new Set(found.map(({ reference }) => toHex(reference)))
    for (const name of waiting.keys()) if (!names.has(name)) waiting.delete(name)
    for (const { reference, deadline } of found) {
      const name = toHex(reference)
      const before = waiting.get(name)
      if (before !== undefined && before.until > now()) continue
      try {
        const claimed = await claim(reference)
        waiting.delete(name)
        onClaimed(claimed)
      } catch (error) {
        const failures = (before?.failures ?? 0) + 1
        waiting.set(name, { failures, until: now() + pauseOf(failures, deadline - now()) })
        onFailed(error, { channel: name, failures, untilDeadline: deadline - now() })
      }
    }
  }
}

/** Channels claimed in one run, at most. */
const claimsMax = 1000

/** Seconds until a claim is tried again: from half a minute on, doubled each time, up to an hour and a quarter of what is left. */
export function pauseOf(failures: number, left: bigint): bigint {
  const doubled = 30n * 2n ** BigInt(Math.min(failures - 1, 10))
  const longest = left / 4n < 3600n ? left / 4n : 3600n
  const pause = doubled < longest ? doubled : longest
  return pause < 5n ? 5n : pause
}
