import type { VariantName } from './catalogue.ts'
import type { Samples } from './measure.ts'
import type { Results } from './rounds.ts'

/** The middle; of an even number, the mean of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((left, right) => left - right)
  const middle = sorted.length / 2
  const [below, above] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  if (below === undefined || above === undefined) throw new RangeError('a median of nothing')
  return (below + above) / 2
}

/** The value below which this part of them lies. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((left, right) => left - right)
  const found = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
  if (found === undefined) throw new RangeError('a quantile of nothing')
  return found
}

/** Microseconds of CPU an operation: the median of the rounds' medians. `undefined` where it was not measured. */
export function cpuMicros(results: Results, name: VariantName): number | undefined {
  return over(results, name, (samples) => samples.cpuMicros)
}

export function wallMicros(results: Results, name: VariantName): number | undefined {
  return over(results, name, (samples) => samples.wallMicros)
}

/** How many times the CPU time of `unit` an operation takes: the median of the ratios within each round. */
export function ratio(results: Results, name: VariantName, unit: VariantName): number | undefined {
  return byRound(results, [name, unit], (samples) => samples.cpuMicros)
}

/** Operations a second, by what one waits for. */
export function perSecond(results: Results, name: VariantName): number | undefined {
  const micros = wallMicros(results, name)
  return micros === undefined ? undefined : 1e6 / micros
}

/** What the runs found out beside their time, over all samples. `undefined` where they did not. */
export function figure(results: Results, name: VariantName, key: string): number | undefined {
  const result = results[name]
  const found = result?.measured ? result.rounds.flatMap(({ figures }) => figures[key] ?? []) : []
  return found.length === 0 ? undefined : median(found)
}

/** Names of those, of a variant. */
export function figureKeys(results: Results, name: VariantName): readonly string[] {
  const result = results[name]
  return result?.measured ? Object.keys(result.rounds[0]?.figures ?? {}) : []
}

/** The same of the time that one waits. */
export function wallRatio(results: Results, name: VariantName, unit: VariantName): number | undefined {
  return byRound(results, [name, unit], (samples) => samples.wallMicros)
}

function byRound(
  results: Results,
  [name, unit]: readonly [VariantName, VariantName],
  of: (samples: Samples) => readonly number[],
): number | undefined {
  const [left, right] = [results[name], results[unit]]
  if (!left?.measured || !right?.measured) return undefined
  return median(left.rounds.map((samples, round) => median(of(samples)) / median(of(right.rounds[round]!))))
}

function over(results: Results, name: VariantName, of: (samples: Samples) => readonly number[]): number | undefined {
  const result = results[name]
  return result?.measured ? median(result.rounds.map((samples) => median(of(samples)))) : undefined
}
