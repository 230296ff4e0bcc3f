import type { VariantName } from './catalogue.ts'
import type { Results } from './rounds.ts'
import { cpuMicros, figure, perSecond, ratio, wallRatio } from './statistics.ts'

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
  rate('durable: prerecorded over one WebSocket and channel, SQLite', 50_000, 'durable.sqlite.socket'),
  rate('durable: prerecorded over one channel, in process, SQLite', 50_000, 'durable.sqlite.one'),
  rate('durable: prerecorded over 10,000 channels, in process, SQLite', 25_000, 'durable.sqlite.many'),
  rate('live: full payments of a wallet over one stream', 5000, 'live.payments'),
  rate('live: ticks of a wallet over one stream', 30_000, 'live.ticks'),
  found(
    'latency at half load: half of all, over one sync',
    '≤',
    [0.5, 'ms'],
    'durable.sqlite.latency',
    'p50OverSyncMs',
  ),
  found('latency at half load: 99 of 100, in syncs', '≤', [3, '×'], 'durable.sqlite.latency', 'p99InSyncs'),
  throughput('HTTP: a paid request by an unpaid one, answered at once', 0.8, 'http.hello.paid', 'http.hello.free'),
  throughput('HTTP: the same with a handler of 1 ms', 0.97, 'http.work.paid', 'http.work.free'),
  {
    what: 'HTTP: bytes of a payment, request and answer',
    sense: '≤',
    limit: 450,
    unit: 'B',
    measure: (results) => difference(results, 'http.hello.paid', 'http.hello.free', 'bytesBothWays'),
  },
  micros('vendor: a payment of a channel that is not in memory', 300, 'vendor.cold'),
  found('vendor: start with 100,000 channels to the first payment', '≤', [1000, 'ms'], 'vendor.restart', 'restartMs'),
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

/** How many operations of the one are done in the time of the other, by what one waits for. */
function throughput(what: string, limit: number, name: VariantName, unit: VariantName): Target {
  return { what, sense: '≥', limit, unit: '×', measure: (results) => wallRatio(results, unit, name) }
}

function found(
  what: string,
  sense: Target['sense'],
  [limit, unit]: readonly [number, Unit],
  name: VariantName,
  key: string,
): Target {
  return { what, sense, limit, unit, measure: (results) => figure(results, name, key) }
}

function difference(results: Results, left: VariantName, right: VariantName, key: string): number | undefined {
  const [more, less] = [figure(results, left, key), figure(results, right, key)]
  return more === undefined || less === undefined ? undefined : more - less
}

function holds(measured: number, sense: Target['sense'], limit: number): boolean {
  if (sense === '≤') return measured <= limit
  return sense === '≥' ? measured >= limit : measured < limit
}
