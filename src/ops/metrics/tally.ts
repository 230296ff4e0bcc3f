/** What a hot path counts with: plain numbers, read when somebody asks. */

/** Counts by label. */
export type Tally = Map<string, number>

export function bump(tally: Tally, label: string, by: number = 1): void {
  tally.set(label, (tally.get(label) ?? 0) + by)
}

/** Sums of base units by asset, exact. */
export type Sums = Map<string, bigint>

export function add(sums: Sums, asset: string, amount: bigint): void {
  sums.set(asset, (sums.get(asset) ?? 0n) + amount)
}

/** How long something took, in buckets. */
export interface Histogram {
  /** Upper bounds in seconds, rising. */
  readonly bounds: readonly number[]
  /** One more than bounds: the last holds what is above all of them. */
  readonly counts: number[]
  sum: number
}

/** From a tenth of a millisecond to ten seconds: a sync of a good disk takes less than one, of a bad one a hundred. */
const syncBounds = [0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1, 3, 10]

export function createHistogram(bounds: readonly number[] = syncBounds): Histogram {
  return { bounds, counts: new Array<number>(bounds.length + 1).fill(0), sum: 0 }
}

export function observe(histogram: Histogram, seconds: number): void {
  const { bounds, counts } = histogram
  let bucket = 0
  while (bucket < bounds.length && seconds > bounds[bucket]!) bucket++
  counts[bucket] = counts[bucket]! + 1
  histogram.sum += seconds
}
