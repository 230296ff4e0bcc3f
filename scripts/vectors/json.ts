/** How a vector says a value: bytes in hex, amounts and times in decimal, counts as numbers. */

import { toHex } from '../../src/crypto/bytes.ts'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

export function json(value: unknown): Json {
  if (value instanceof Uint8Array) return toHex(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (Array.isArray(value)) return value.map(json)
  if (typeof value !== 'object' || value === null) throw new TypeError(`no vector holds a ${typeof value}`)
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, json(item)]))
}
