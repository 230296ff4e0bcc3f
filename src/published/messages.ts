/**
 * The messages of section 4.3, fixed width and big-endian. The paper names their parts and no encoding; the widths are
 * ours. Every parse gives the value, or `undefined` where the length is wrong: each part takes any value of its width.
 *
 * | message | layout | bytes |
 * | --- | --- | --- |
 * | `Tx_i` | `ts_i u64 ‖ m_i u64 ‖ O_C 32 ‖ O_V 32` | 80 |
 * | opening, bank to client | `F u64 ‖ Tx_0 ‖ O_C 32 ‖ O_V 32 ‖ σ_0 64` | 216 |
 * | payment, client to vendor | `f_i 32 ‖ Tx_i ‖ ℓk_i 64` | 176 |
 * | last payment, literal | `f_n 32 ‖ Tx_n ‖ σ_n 64` | 176 |
 * | last payment, repaired | `f_n 32 ‖ Tx_n ‖ ℓk_n 64 ‖ σ_n 64` | 240 |
 * | record, bank to blockchain | `Tx_0 ‖ Tx_n` | 160 |
 */

import { concat, u64 } from '../crypto/bytes.ts'

/**
 * Which last message. `literal` is the paper's `{f_n, Tx_n, ℓk_n := σ_n}`: nothing ever carries `σ_{n-1}`, so nothing
 * opens. `repaired` sends `ℓk_n = σ_{n-1} ⊕ H(σ_n)` like every lock before it, and `σ_n` beside it.
 */
export type Reading = 'literal' | 'repaired'

/** `Tx_i`: amount, time, and the identification parts of both sides. */
export interface Transaction {
  /** `ts_i`, Unix seconds. */
  readonly at: bigint
  /** `m_i`: the total `F` for `i = 0`, else all that payments 1..i have paid. */
  readonly amount: bigint
  /** `O_C`, 32 bytes. */
  readonly client: Uint8Array
  /** `O_V`, 32 bytes. */
  readonly vendor: Uint8Array
}

/** `B → C: {F, Tx_0, O_{C,V}, σ_0}`. */
export interface Opening {
  readonly total: bigint
  readonly transaction: Transaction
  readonly client: Uint8Array
  readonly vendor: Uint8Array
  readonly receipt: Uint8Array
}

/** `C → V: {f_i, Tx_i, ℓk_i}`, `i = 1..n-1`. */
export interface Payment {
  readonly f: Uint8Array
  readonly transaction: Transaction
  readonly lock: Uint8Array
}

/** `C → V` once, in place of payment `n`. */
export interface LastPayment {
  readonly f: Uint8Array
  readonly transaction: Transaction
  /** `ℓk_n`; absent in the literal reading, whose `ℓk_n` is `σ_n`. */
  readonly lock?: Uint8Array
  /** `σ_n`. */
  readonly receipt: Uint8Array
}

/** `(Tx_0, Tx_n) → 𝔹`. */
export interface ChainRecord {
  readonly first: Transaction
  readonly last: Transaction
}

export const sizes = { transaction: 80, opening: 216, payment: 176, literalLast: 176, repairedLast: 240, record: 160 }

/** `σ_0 = Sign(ts_0, m_0, O_C, O_V)`: the message is `Tx_0` whole. */
export function openingMessage(transaction: Transaction): Uint8Array {
  return encodeTransaction(transaction)
}

/** `σ_i = Sign(ts_i, m_i)`: the message is the first 16 bytes of `Tx_i`. It names neither channel nor party. */
export function receiptMessage({ at, amount }: Pick<Transaction, 'at' | 'amount'>): Uint8Array {
  return concat(u64(at), u64(amount))
}

export function encodeTransaction({ at, amount, client, vendor }: Transaction): Uint8Array {
  return exactly(sizes.transaction, concat(u64(at), u64(amount), client, vendor))
}

export function parseTransaction(bytes: Uint8Array): Transaction | undefined {
  if (bytes.length !== sizes.transaction) return undefined
  const [at, amount] = [readU64(bytes, 0), readU64(bytes, 8)]
  return { at, amount, client: bytes.slice(16, 48), vendor: bytes.slice(48, 80) }
}

export function encodeOpening({ total, transaction, client, vendor, receipt }: Opening): Uint8Array {
  return exactly(sizes.opening, concat(u64(total), encodeTransaction(transaction), client, vendor, receipt))
}

export function parseOpening(bytes: Uint8Array): Opening | undefined {
  const transaction = parseTransaction(bytes.subarray(8, 88))
  if (bytes.length !== sizes.opening || transaction === undefined) return undefined
  const [client, vendor, receipt] = [bytes.slice(88, 120), bytes.slice(120, 152), bytes.slice(152)]
  return { total: readU64(bytes, 0), transaction, client, vendor, receipt }
}

export function encodePayment({ f, transaction, lock }: Payment): Uint8Array {
  return exactly(sizes.payment, concat(f, encodeTransaction(transaction), lock))
}

export function parsePayment(bytes: Uint8Array): Payment | undefined {
  const transaction = parseTransaction(bytes.subarray(32, 112))
  if (bytes.length !== sizes.payment || transaction === undefined) return undefined
  return { f: bytes.slice(0, 32), transaction, lock: bytes.slice(112) }
}

export function encodeLast({ f, transaction, lock, receipt }: LastPayment): Uint8Array {
  const head = concat(f, encodeTransaction(transaction))
  return lock === undefined
    ? exactly(sizes.literalLast, concat(head, receipt))
    : exactly(sizes.repairedLast, concat(head, lock, receipt))
}

/** The literal last payment has the width of any other, so its reader has to know that it is the last. */
export function parseLast(bytes: Uint8Array): LastPayment | undefined {
  const transaction = parseTransaction(bytes.subarray(32, 112))
  if (transaction === undefined) return undefined
  const f = bytes.slice(0, 32)
  if (bytes.length === sizes.literalLast) return { f, transaction, receipt: bytes.slice(112) }
  if (bytes.length !== sizes.repairedLast) return undefined
  return { f, transaction, lock: bytes.slice(112, 176), receipt: bytes.slice(176) }
}

export function encodeRecord({ first, last }: ChainRecord): Uint8Array {
  return concat(encodeTransaction(first), encodeTransaction(last))
}

export function parseRecord(bytes: Uint8Array): ChainRecord | undefined {
  const first = parseTransaction(bytes.subarray(0, sizes.transaction))
  const last = parseTransaction(bytes.subarray(sizes.transaction))
  return first && last && { first, last }
}

function readU64(bytes: Uint8Array, offset: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(offset)
}

function exactly(size: number, encoded: Uint8Array): Uint8Array {
  if (encoded.length !== size) throw new RangeError(`a part has a wrong length: ${encoded.length} bytes for ${size}`)
  return encoded
}
