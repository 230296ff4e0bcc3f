import type { VariantName } from './catalogue.ts'
import type { Results } from './rounds.ts'
import { cpuMicros, perSecond, ratio } from './statistics.ts'

/** One line of Design 6 that a process alone can show. */
interface Target {
  readonly what: string
  readonly sense: '≤' | '≥' | '<'
  readonly limit: number
  readonly unit: Unit
  measure(results: Results): number | undefined
}

/** `×`, `µs`: of CPU time. `/s`, `ms`: of what one waits for. */
type Unit = '×' | 'µs' | '/s' | 'ms' | 'B'

export interface Outcome {
  readonly what: string
  readonly target: string
  readonly unit: Unit
  /** None where a variant it needs was not measured. */
  readonly measured: number | null
  /** None in a quick run as well, whose times mean nothing. */
  readonly met: boolean | null
}

export function assessTargets(results: Results, quick: boolean): readonly Outcome[] {
  return targets.map(({ what, sense, limit, unit, measure }) => {
    const measured = measure(results) ?? null
    const met = measured === null || quick ? null : holds(measured, sense, limit)
    return { what, target: `${sense} ${limit} ${unit}`, unit, measured, met }
  })
}

const targets: readonly Target[] = [
  times('vendor: a payment, by SHA-256 of 32 B', '≤', 7, 'vendor.payment', 'sha256'),
  times('vendor: an mppx voucher check, by a payment', '≥', 300, 'mppx.verifyVoucher', 'vendor.payment'),
  times('vendor: an x402 voucher check, by a payment', '≥', 300, 'x402.beforeVerify', 'vendor.payment'),
  times('vendor: an x402 voucher signature alone, by a payment', '≥', 300, 'x402.verifyTypedData', 'vendor.payment'),
  times('vendor: one native recovery, by a payment', '≥', 6, 'ecdsa.recover', 'vendor.payment'),
  micros('client: a payment, native', 150, 'client.payment'),
  times('client: a payment in JavaScript, by mppx signing', '<', 1, 'client.payment.portable', 'mppx.signVoucher'),
  times('client: a payment in JavaScript, by x402 signing', '<', 1, 'client.payment.portable', 'x402.signVoucher'),
  times('lock: a schnorr check, by ECDSA verification', '≤', 2, 'lock.schnorr.check', 'ecdsa.verify'),
  times('lock: a schnorr check in sequence, by ECDSA verification', '≤', 2, 'lock.schnorr.step', 'ecdsa.verify'),
  micros('release: a receipt verified before', 10, 'release.verified'),
  times('release: a schnorr receipt, by ECDSA verification', '≤', 2, 'release.unverified', 'ecdsa.verify'),
  times('release: an ecdsa-xor receipt, by ECDSA verification', '≤', 2, 'release.xor', 'ecdsa.verify'),
  rate('durable: prerecorded payments over one channel, in process, SQLite', 50_000, 'durable.sqlite.one'),
  rate('durable: the same over 10,000 channels', 25_000, 'durable.sqlite.many'),
]

function times(what: string, sense: Target['sense'], limit: number, name: VariantName, unit: VariantName): Target {
  return { what, sense, limit, unit: '×', measure: (results) => ratio(results, name, unit) }
}

function micros(what: string, limit: number, name: VariantName): Target {
  return { what, sense: '≤', limit, unit: 'µs', measure: (results) => cpuMicros(results, name) }
}

function rate(what: string, limit: number, name: VariantName): Target {
  return { what, sense: '≥', limit, unit: '/s', measure: (results) => perSecond(results, name) }
}

function holds(measured: number, sense: Target['sense'], limit: number): boolean {
  if (sense === '≤') return measured <= limit
  return sense === '≥' ? measured >= limit : measured < limit
}
