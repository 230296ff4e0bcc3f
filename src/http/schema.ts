/**
 * The shape of a JSON value, written once: it reads untrusted values, writes them, and says what they are in JSON Schema
 * 2020-12. So a document made of these shapes cannot say anything else than what is read and written.
 */

import { toHex } from '../crypto/bytes.ts'
import type { Amount, UnixSeconds } from '../wire/amount.ts'
import type { Parsed } from '../wire/parsed.ts'
import * as json from './json.ts'

export type JsonSchema = { readonly [keyword: string]: unknown }

export interface Shape<T> {
  readonly schema: JsonSchema
  /** Throws a `TypeError` that names the field: for `parseJson`. */
  read(value: unknown, what: string): T
  write(value: T): unknown
}

interface OptionalShape<T> {
  readonly optional: Shape<T>
}

/** A shape for each field; an optional field has an optional shape. */
type Fields<T> = {
  readonly [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? OptionalShape<Exclude<T[K], undefined>>
    : Shape<T[K]>
}

/** Reads and writes a whole body. */
export interface Body<T> {
  /** As the document calls it. */
  readonly name: string
  readonly shape: Shape<T>
  encode(value: T): string
  parse(text: string): Parsed<T>
}

export function body<T>(
  name: string,
  options: { readonly what: string; readonly sizeMax: number },
  shape: Shape<T>,
): Body<T> {
  return {
    name,
    shape,
    encode: (value) => JSON.stringify(shape.write(value)),
    parse: (text) => json.parseJson(text, options, (value) => shape.read(value, options.what)),
  }
}

/** The same shape with a sentence about it. */
export function described<T>(description: string, { schema, ...shape }: Shape<T>): Shape<T> {
  return { ...shape, schema: { ...schema, description } }
}

const decimal = '^(0|[1-9][0-9]{0,18})$'

/** Base units, in canonical decimal form. */
export const amount: Shape<Amount> = {
  schema: { type: 'string', pattern: decimal, description: 'Base units, below 2^63.' },
  read: json.amountOf,
  write: String,
}

export const time: Shape<UnixSeconds> = {
  schema: { type: 'string', pattern: decimal, description: 'Seconds, Unix time where it is a moment.' },
  read: json.timeOf,
  write: String,
}

/** Base units that may have gone away. */
export const signedAmount: Shape<bigint> = {
  schema: {
    type: 'string',
    pattern: '^(0|-?[1-9][0-9]{0,18})$',
    description: 'Base units; below zero where they left.',
  },
  read(value, what) {
    const found = json.text(value, what)
    const negative = found.startsWith('-')
    const size: bigint = json.amountOf(negative ? found.slice(1) : found, what)
    if (negative && size === 0n) throw new TypeError(`${what}: there is no -0`)
    return negative ? -size : size
  },
  write: String,
}

/** Bytes as lower-case hex. */
export function bytes(size: number): Shape<Uint8Array> {
  return {
    schema: { type: 'string', pattern: `^[0-9a-f]{${2 * size}}$`, description: `${size} bytes.` },
    read: (value, what) => json.bytesOf(value, what, size),
    write: toHex,
  }
}

export function text(lengthMax = 500): Shape<string> {
  return {
    schema: { type: 'string', maxLength: lengthMax },
    read: (value, what) => json.text(value, what, lengthMax),
    write: (value) => value,
  }
}

export function matching<T extends string>(pattern: RegExp): Shape<T> {
  return {
    schema: { type: 'string', pattern: pattern.source },
    read(value, what) {
      const found = json.text(value, what)
      if (!pattern.test(found)) throw new TypeError(`${what} is not like ${pattern.source}`)
      return found as T
    },
    write: (value) => value,
  }
}

export const whole: Shape<number> = {
  schema: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  read: json.whole,
  write: (value) => value,
}

export function word<const W extends string>(...words: readonly W[]): Shape<W> {
  return {
    schema: words.length === 1 ? { const: words[0] } : { enum: words },
    read: (value, what) => json.word(value, what, words),
    write: (value) => value,
  }
}

export function exactly<const N extends number>(expected: N): Shape<N> {
  return {
    schema: { const: expected },
    read(value, what) {
      if (value !== expected) throw new TypeError(`${what} is not ${expected}`)
      return expected
    },
    write: (value) => value,
  }
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return {
    schema: { type: 'array', items: item.schema, maxItems: 1000 },
    read: (value, what) => json.list(value, what).map((one) => item.read(one, what)),
    write: (values) => values.map((one) => item.write(one)),
  }
}

/** An object whose names are data. */
export function map<T>(value: Shape<T>): Shape<ReadonlyMap<string, T>> {
  return {
    schema: { type: 'object', additionalProperties: value.schema },
    read: (found, what) =>
      new Map(
        Object.entries(json.object(found, what)).map(([name, one]) => [name, value.read(one, `${what}.${name}`)]),
      ),
    write: (values) => Object.fromEntries([...values].map(([name, one]) => [name, value.write(one)])),
  }
}

export function optional<T>(shape: Shape<T>): OptionalShape<T> {
  return { optional: shape }
}

/** An object with these fields. Others are ignored: a later version may have more. */
export function object<T extends object>(fields: Fields<T>): Shape<T> {
  const entries = Object.entries(fields) as [string, Shape<unknown> | OptionalShape<unknown>][]
  const shapes = entries.map(([name, field]) =>
    'optional' in field ? { name, shape: field.optional, isOptional: true } : { name, shape: field, isOptional: false },
  )
  return {
    schema: {
      type: 'object',
      properties: Object.fromEntries(shapes.map(({ name, shape }) => [name, shape.schema])),
      required: shapes.filter(({ isOptional }) => !isOptional).map(({ name }) => name),
    },
    read(value, what) {
      const found = json.object(value, what)
      const read: Record<string, unknown> = {}
      for (const { name, shape, isOptional } of shapes) {
        if (isOptional && found[name] === undefined) continue
        read[name] = shape.read(found[name], name)
      }
      return read as T
    },
    write(value) {
      const written: Record<string, unknown> = {}
      for (const { name, shape } of shapes) {
        const field = (value as Record<string, unknown>)[name]
        if (field !== undefined) written[name] = shape.write(field)
      }
      return written
    },
  }
}

/** One of several objects, told apart by a field. */
export function oneOf<K extends string, T extends { readonly [key in K]: string }>(
  tag: K,
  variants: { readonly [W in T[K]]: Shape<Extract<T, { readonly [key in K]: W }>> },
): Shape<T> {
  const shapes = variants as unknown as Readonly<Record<string, Shape<T>>>
  const words = Object.keys(shapes)
  return {
    schema: { oneOf: words.map((one) => shapes[one]!.schema) },
    read(value, what) {
      const found = json.word(json.object(value, what)[tag], tag, words)
      return shapes[found]!.read(value, what)
    },
    write: (value) => shapes[value[tag]]!.write(value),
  }
}
