import type { Histogram, Sums, Tally } from './tally.ts'

/** A metric under one name, read when it is asked for. */
export type Family = ValueFamily | HistogramFamily

interface Named {
  /** As `lockstep_payments_total`: unit or `total` last. */
  readonly name: string
  /** One sentence. */
  readonly help: string
}

export interface ValueFamily extends Named {
  readonly type: 'counter' | 'gauge'
  readonly label: string | undefined
  /** By label; under `''` where there is none. */
  collect():
    | Iterable<readonly [label: string, value: number]>
    | Promise<Iterable<readonly [label: string, value: number]>>
}

export interface HistogramFamily extends Named {
  readonly type: 'histogram'
  readonly histogram: Histogram
}

type Words = readonly [name: string, help: string]

export function counterBy([name, help]: Words, label: string, tally: Tally): Family {
  return { name, help, type: 'counter', label, collect: () => tally }
}

/** Sums of base units, as the floats that Prometheus has: above 2^53 the last digits are rounded, here alone. */
export function sumBy([name, help]: Words, label: string, sums: Sums, type: 'counter' | 'gauge' = 'counter'): Family {
  return { name, help, type, label, collect: () => [...sums].map(([asset, sum]) => [asset, Number(sum)] as const) }
}

/** `undefined` where there is nothing to say yet. */
export function gauge([name, help]: Words, read: () => number | undefined | Promise<number | undefined>): Family {
  return {
    name,
    help,
    type: 'gauge',
    label: undefined,
    async collect() {
      const value = await read()
      return value === undefined ? [] : [['', value] as const]
    },
  }
}

export function gaugeBy([name, help]: Words, label: string, read: () => Iterable<readonly [string, number]>): Family {
  return { name, help, type: 'gauge', label, collect: read }
}

export function histogramOf([name, help]: Words, histogram: Histogram): Family {
  return { name, help, type: 'histogram', histogram }
}
