import type { Channel } from './truth.ts'

/** What payments were charged for good. */
export function charged({ books }: Channel): bigint {
  let sum = 0n
  for (const payment of books.payments.values()) sum += payment.charged
  return sum
}

/** What runs, or ran, and is not in the books yet. Of what may run again nothing has left by then. */
export function liveValue({ runs }: Channel): bigint {
  let value = 0n
  for (const all of runs.values()) {
    for (const { isLive, isIdempotent, state, price } of all) {
      if (isLive && !isIdempotent && state !== 'failed') value += price
    }
  }
  return value
}

/** What streams delivered that no payment's row has yet; those of a program that ended are in doubt. */
export function streaming(channel: Channel, isAll = false): bigint {
  let value = 0n
  for (const [digest, { price, delivered, isLive }] of channel.streams) {
    if (isLive || isAll) value += delivered * price - chargedFor(channel, digest)
  }
  return value
}

/** What payments of this digest, in hex, were charged for good. */
export function chargedFor({ books }: Channel, digest: string): bigint {
  let sum = 0n
  for (const { charged, digest: of } of books.payments.values()) if (of === digest) sum += charged
  return sum
}
