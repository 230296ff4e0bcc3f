import type { Row } from './program.ts'
import { StoreError } from './storeError.ts'

/** Reads of a row's columns. What is not of its type was not written by this program: the store is damaged. */

export function integer(row: Row, column: string): bigint {
  const value = row[column]
  return typeof value === 'bigint' ? value : damaged(`${column} is no integer`)
}

/** A small integer: an index or a count, never an amount. */
export function count(row: Row, column: string): number {
  const value = Number(integer(row, column))
  return Number.isSafeInteger(value) ? value : damaged(`${column} is too large`)
}

export function bytes(row: Row, column: string): Uint8Array {
  const value = row[column]
  return value instanceof Uint8Array ? value : damaged(`${column} are no bytes`)
}

export function text(row: Row, column: string): string {
  const value = row[column]
  return typeof value === 'string' ? value : damaged(`${column} is no text`)
}

/** `undefined` where the column is empty. */
export function optional<T>(read: (row: Row, column: string) => T, row: Row, column: string): T | undefined {
  return row[column] === null ? undefined : read(row, column)
}

export function damaged(detail: string): never {
  throw new StoreError(`The store is damaged: ${detail}. Stop, keep what is there, and restore a backup.`, {
    fault: 'damaged',
  })
}
