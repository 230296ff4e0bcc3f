/** Readers of untrusted JSON: each throws a TypeError that says which field is wrong. {@link parseJson} turns it into a value. */

import { fromHex } from '../crypto/bytes.ts'
import { type Amount, parseAmount, type UnixSeconds, unixSeconds } from '../wire/amount.ts'
import { malformed, type Parsed, parsed } from '../wire/parsed.ts'

/** Measures, parses and reads a text; `what` names it in the refusal. */
export function parseJson<T>(
  text: string,
  { what, sizeMax }: { readonly what: string; readonly sizeMax: number },
  read: (value: unknown) => T,
): Parsed<T> {
  if (text.length > sizeMax) return malformed(`${what}: more than ${sizeMax} characters`)
  return readValue(text, what, (json) => read(JSON.parse(json)))
}

/** Reads a value; `what` names it in the refusal. */
export function readValue<V, T>(value: V, what: string, read: (value: V) => T): Parsed<T> {
  try {
    return parsed(read(value))
  } catch (error) {
    // JSON.parse and the readers below throw on anything else than what is read: the message says what it is.
    return malformed(`${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

export function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError(`${what} is no object`)
  return value as Record<string, unknown>
}

export function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > 1000) throw new TypeError(`${what} is no list of at most 1,000`)
  return value
}

export function text(value: unknown, what: string, lengthMax = 500): string {
  if (typeof value !== 'string' || value.length > lengthMax) {
    throw new TypeError(`${what} is no string of at most ${lengthMax} characters`)
  }
  return value
}

/** One of a closed set of words. */
export function word<const W extends string>(value: unknown, what: string, words: readonly W[]): W {
  const found = words.find((one) => one === value)
  if (found === undefined) throw new TypeError(`${what} is none of ${words.join(', ')}`)
  return found
}

export function whole(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new TypeError(`${what} is no whole number`)
  return value as number
}

/** Lower-case hex of exactly `size` bytes. */
export function bytesOf(value: unknown, what: string, size: number): Uint8Array {
  const hex = text(value, what, 2 * size)
  if (hex.length !== 2 * size) throw new TypeError(`${what} is not ${size} bytes of hex`)
  return fromHex(hex)
}

/** An amount in its canonical decimal form. */
export function amountOf(value: unknown, what: string): Amount {
  const result = parseAmount(text(value, what))
  if (!result.ok) throw new TypeError(`${what}: ${result.detail}`)
  return result.value
}

/** Unix seconds, in the decimal form of an amount. */
export function timeOf(value: unknown, what: string): UnixSeconds {
  return unixSeconds(amountOf(value, what))
}
