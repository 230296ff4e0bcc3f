import { toHex, utf8 } from '../../crypto/bytes.ts'
import { messages, type Run } from '../../published/index.ts'
import type { Files } from '../archive/archive.ts'
import type { Report } from './report.ts'

/** What `lockstep paper --save` writes: one run of each reading, every byte of it that is public at its end, and the report. */
export function savedFiles(runs: readonly Run[], report: Report): Files {
  return new Map([
    ...runs.map((run) => [`${run.reading}.json`, json(publicOf(run))] as const),
    ['report.json', json(report)] as const,
  ])
}

/** As bytes in hex; `messages.ts` has the layouts. A receipt that did not open is null. */
interface SavedRun {
  readonly reading: Run['reading']
  readonly payments: number
  readonly opened: number
  /** Compressed points. */
  readonly keys: { readonly bank: string; readonly client: string }
  /** `Tx_0 … Tx_n`. */
  readonly transactions: readonly string[]
  /** `f_1 … f_n`. */
  readonly chain: readonly string[]
  /** `ℓk_1 … ℓk_n`. */
  readonly locks: readonly string[]
  /** `σ_0 … σ_n`. */
  readonly receipts: readonly (string | null)[]
  /** `Tx_0 ‖ Tx_n`. */
  readonly record: string
}

function publicOf(run: Run): SavedRun {
  return {
    reading: run.reading,
    payments: run.payments,
    opened: run.opened,
    keys: { bank: toHex(run.bankKey), client: toHex(run.clientKey) },
    transactions: run.transactions.map((transaction) => toHex(messages.encodeTransaction(transaction))),
    chain: run.chain.map(toHex),
    locks: run.locks.map(toHex),
    receipts: Array.from(run.receipts, (receipt) => (receipt === undefined ? null : toHex(receipt))),
    record: toHex(run.record),
  }
}

function json(value: SavedRun | Report): Uint8Array {
  return utf8(`${JSON.stringify(value, null, 2)}\n`)
}
