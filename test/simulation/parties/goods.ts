import type { VendorPlan } from '../engine/world.ts'

/** What a vendor sells, by the first segment of its path; prices in units of its channels. */
export const goods = {
  /** One unit. */
  item: { price: 1n, idempotent: false },
  /** More than a small segment holds, and no whole number of units. */
  crate: { price: 37n, idempotent: false },
  /** May run again for one payment. */
  view: { price: 2n, idempotent: true },
  /** Costs nothing, and is paid for all the same. */
  sample: { price: 0n, idempotent: false },
  /** Its handler fails, and charges nothing. */
  lemon: { price: 3n, idempotent: false },
} as const

export type Good = keyof typeof goods

/** What a good costs, in base units. A crate is no whole number of units. */
export function priceOf(good: Good, { unitPrice }: VendorPlan): bigint {
  return goods[good].price * BigInt(unitPrice) + (good === 'crate' ? 3n : 0n)
}

/** A stream of units that cost one unit of the channel each; how many there are is in its address. */
export const streamPath = '/stream/:number'

export function streamLength(url: string): number {
  return Number(url.slice(url.lastIndexOf('-') + 1))
}
