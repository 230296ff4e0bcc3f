import { StoreError, type StoreFault } from '../sql/storeError.ts'

/** What crosses between a store's thread and the one that uses it. */

export interface ThreadData {
  readonly path: string
  /** Module that exports the role's `schema` and `tasks`. */
  readonly module: string
  readonly exclusive: boolean
}

/** `undefined` in place of a task's name: close the store and end. */
export interface Call {
  readonly id: number
  readonly task: string | undefined
  readonly args: readonly unknown[]
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: SentError }

/** The first message: whether the store could be opened. */
export const opening = 0

/** An error in parts: what a class means does not cross. */
export interface SentError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly fault: StoreFault | undefined
  readonly cause: SentError | undefined
}

export function sendError(error: unknown): SentError {
  const { name, message, stack, cause } = error instanceof Error ? error : new Error(String(error))
  const fault = error instanceof StoreError ? error.fault : undefined
  return { name, message, stack, fault, cause: cause === undefined ? undefined : sendError(cause) }
}

export function receiveError({ name, message, stack, fault, cause }: SentError): Error {
  const options = cause === undefined ? {} : { cause: receiveError(cause) }
  if (fault !== undefined) return new StoreError(message, { ...options, fault })
  return Object.assign(new Error(message, options), { name, stack })
}

/**
 * Arguments as they cross: a view is copied where it shows a small part of its buffer, because the whole buffer would be.
 * What needs no copy stays what it is.
 */
export function compact<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) {
    return (value.buffer.byteLength > value.byteLength + slack ? new Uint8Array(value) : value) as T
  }
  if (Array.isArray(value)) return compactAll(value as readonly unknown[]) as T
  const entries = Object.entries(value)
  const compacted = compactAll(entries.map(([, field]) => field as unknown))
  const isSame = entries.every(([, field], at) => field === compacted[at])
  return isSame ? value : (Object.fromEntries(entries.map(([name], at) => [name, compacted[at]])) as T)
}

/** Bytes that are cheaper to send than to leave out. */
const slack = 1024

function compactAll(values: readonly unknown[]): readonly unknown[] {
  let copy: unknown[] | undefined
  for (const [at, value] of values.entries()) {
    const compacted = compact(value)
    if (compacted === value) continue
    copy ??= [...values]
    copy[at] = compacted
  }
  return copy ?? values
}
