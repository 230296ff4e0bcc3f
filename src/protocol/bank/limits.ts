import type { UnixSeconds } from '../../wire/amount.ts'
import { unixSeconds } from '../../wire/amount.ts'
import { type Refusal, refuse } from '../refusals.ts'

/** What a bank lets one account or one sender do: data. Design 3.8. */
export interface Limits {
  /** Asset → the least that a channel may hold. Absent: the least of all is 1. */
  readonly channelMin: ReadonlyMap<string, bigint>
  /** Channels that an account may have open at once. */
  readonly openChannelsMax: number
  readonly rates: Readonly<Record<RateName, Rate>>
}

/**
 * `open` and `command` count by account. `rejected` counts evidence and claims that did not hold, by their sender, as the
 * outer layer knows it. Never by channel or accused: then a stranger's rubbish would keep out the proof of somebody else.
 */
export type RateName = 'open' | 'command' | 'rejected'

/** A token bucket's size and speed. */
export interface Rate {
  /** Tokens in a full bucket: what may come at once. */
  readonly burst: number
  /** Seconds until a token is back. */
  readonly everySeconds: number
}

/** A token bucket as one number: when it will be full again if nothing is taken. A new one is full. */
export interface Bucket {
  readonly fullAt: UnixSeconds
}

export const defaultLimits: Limits = {
  channelMin: new Map(),
  openChannelsMax: 1_000,
  rates: {
    open: { burst: 100, everySeconds: 1 },
    command: { burst: 100, everySeconds: 1 },
    rejected: { burst: 20, everySeconds: 60 },
  },
}

/** What an account may open, beside the rules of {@link assessOpen}. */
export function assessLimits(
  limits: Limits,
  opening: { readonly asset: string; readonly funds: bigint; readonly openChannels: number },
): Refusal | { readonly ok: true } {
  const { asset, funds, openChannels } = opening
  const least = limits.channelMin.get(asset) ?? 1n
  if (funds < least) return refuse('FundsTooSmall', `a channel in ${asset} holds ${least} or more, not ${funds}`)
  if (openChannels >= limits.openChannelsMax) {
    return refuse('TooManyChannels', `${openChannels} channels are open; ${limits.openChannelsMax} may be`)
  }
  return { ok: true }
}

/** Takes a token. A refusal takes none: who waits gets in. */
export function takeToken(
  bucket: Bucket | undefined,
  rate: Rate,
  now: UnixSeconds,
): Refusal | { readonly ok: true; readonly bucket: Bucket } {
  const wait = untilToken(bucket, rate, now)
  if (wait > 0n) return refuse('RateLimited', `at most ${rate.burst} at once: the next in ${wait} s`)
  const from = bucket !== undefined && bucket.fullAt > now ? bucket.fullAt : now
  return { ok: true, bucket: { fullAt: unixSeconds(from + BigInt(rate.everySeconds)) } }
}

/** Seconds until the bucket has a token, 0 where it has one: asks without taking. */
export function untilToken(bucket: Bucket | undefined, { burst, everySeconds }: Rate, now: UnixSeconds): bigint {
  if (bucket === undefined) return 0n
  // A token is there while less than the whole bucket is missing.
  const wait = bucket.fullAt - now - BigInt(burst - 1) * BigInt(everySeconds)
  return wait > 0n ? wait : 0n
}
