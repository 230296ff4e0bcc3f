/** Reads of an auditor: what a damaged store holds is told as it is, never thrown at. */

import { toHex } from '../../crypto/bytes.ts'
import type { Row } from '../../sql/program.ts'

/** An integer. PostgreSQL gives sums as text. */
export function amountIn(row: Row, column: string): bigint {
  const value = row[column]
  if (typeof value === 'bigint') return value
  return typeof value === 'string' && /^-?[0-9]+$/.test(value) ? BigInt(value) : 0n
}

/** A count: not an amount. */
export function countIn(row: Row, column: string): number {
  return Number(amountIn(row, column))
}

export function nameIn(row: Row, column: string): string {
  return String(row[column] ?? 'nothing')
}

/** A key or an id, as hex. */
export function ownerIn(row: Row, column: string): string {
  const value = row[column]
  return value instanceof Uint8Array ? toHex(value) : nameIn(row, column)
}

export function bytesIn(row: Row, column: string): Uint8Array {
  const value = row[column]
  return value instanceof Uint8Array ? value : new Uint8Array(0)
}
