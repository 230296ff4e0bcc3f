import { Bank, type Refusal } from '../protocol/index.ts'
import type { UnixSeconds } from '../wire/amount.ts'

type RateName = keyof Bank.Limits['rates']

/**
 * Token buckets in the memory of this process: a restart fills them, and each process counts what it sees. They keep a
 * sender from making the bank work for nothing; no money depends on them.
 */
export interface Rates {
  /** A refusal while the bucket is empty. Takes nothing. */
  ask(name: RateName, key: string): Refusal | undefined
  take(name: RateName, key: string): Refusal | undefined
}

export function createRates(limits: Bank.Limits, now: () => UnixSeconds): Rates {
  const buckets = new Map<string, Bank.Bucket>()

  const attempt = (name: RateName, key: string): ReturnType<typeof Bank.takeToken> =>
    Bank.takeToken(buckets.get(`${name} ${key}`), limits.rates[name], now())

  return {
    ask(name, key) {
      const result = attempt(name, key)
      return result.ok ? undefined : result
    },
    take(name, key) {
      const result = attempt(name, key)
      if (!result.ok) return result
      if (buckets.size >= bucketsMax) forget(buckets, now())
      buckets.set(`${name} ${key}`, result.bucket)
      return undefined
    },
  }
}

const bucketsMax = 100_000

/** Full ones say nothing; where all are in use, the oldest half go. */
function forget(buckets: Map<string, Bank.Bucket>, now: UnixSeconds): void {
  for (const [key, { fullAt }] of buckets) if (fullAt <= now) buckets.delete(key)
  const surplus = buckets.size - bucketsMax / 2
  if (surplus <= 0) return
  let gone = 0
  for (const key of buckets.keys()) {
    if (gone++ >= surplus) return
    buckets.delete(key)
  }
}
