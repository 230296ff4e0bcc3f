import type { Amount, UnixSeconds } from './amount.ts'
import { amountMax } from './amount.ts'
import { malformed, type Parsed, parsed } from './parsed.ts'

/** One fixed-width field. `read` throws {@link FormatError} on a value the field does not allow. */
export interface Field<T> {
  readonly size: number
  write(target: Uint8Array, view: DataView, offset: number, value: T): void
  /** What it keeps of `source` it copies: the next record is read in the same memory. */
  read(source: Uint8Array, view: DataView, offset: number): T
}

/** A record of fields side by side: canonical, fixed width, big-endian, no padding. */
export interface Layout<T> {
  readonly size: number
  encode(value: T): Uint8Array<ArrayBuffer>
  /** Every byte string of `size` bytes either fails or re-encodes to itself. */
  parse(bytes: Uint8Array): Parsed<T>
}

type Values<F> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

/** Lays fields out in the order given. `what` names the record in errors. */
// biome-ignore lint/suspicious/noExplicitAny: a record of fields of any types; Values<F> recovers each one.
export function layout<F extends Readonly<Record<string, Field<any>>>>(what: string, fields: F): Layout<Values<F>> {
  const entries = Object.entries(fields)
  const size = entries.reduce((sum, [, field]) => sum + field.size, 0)
  // Every record of this layout is written and read here: memory and a view for each would cost more than all its fields.
  const record = new Uint8Array(size)
  const view = new DataView(record.buffer)
  return {
    size,
    encode(value) {
      record.fill(0)
      let offset = 0
      for (const [name, field] of entries) {
        field.write(record, view, offset, value[name])
        offset += field.size
      }
      return record.slice()
    },
    parse(bytes) {
      if (bytes.length !== size) return malformed(`${what} has ${size} bytes; got ${bytes.length}`)
      record.set(bytes)
      const value: Record<string, unknown> = {}
      let offset = 0
      for (const [name, field] of entries) {
        try {
          value[name] = field.read(record, view, offset)
        } catch (error) {
          if (error instanceof FormatError) return malformed(`${what}.${name}: ${error.message}`)
          throw error
        }
        offset += field.size
      }
      return parsed(value as Values<F>)
    },
  }
}

export const u8: Field<number> = {
  size: 1,
  write: (_target, view, offset, value) => view.setUint8(offset, whole(value, 0xff)),
  read: (_source, view, offset) => view.getUint8(offset),
}

export const u16: Field<number> = {
  size: 2,
  write: (_target, view, offset, value) => view.setUint16(offset, whole(value, 0xffff)),
  read: (_source, view, offset) => view.getUint16(offset),
}

export const u32: Field<number> = {
  size: 4,
  write: (_target, view, offset, value) => view.setUint32(offset, whole(value, 0xffffffff)),
  read: (_source, view, offset) => view.getUint32(offset),
}

export const amountField: Field<Amount> = u63<Amount>()
export const timeField: Field<UnixSeconds> = u63<UnixSeconds>()

/** A constant that the record starts with: its version and kind. */
export function constant(expected: number): Field<number> {
  return {
    size: 1,
    write: (_target, view, offset, value) => {
      if (value !== expected) throw new RangeError(`expected ${expected}, got ${value}`)
      view.setUint8(offset, value)
    },
    read: (_source, view, offset) => {
      const found = view.getUint8(offset)
      if (found !== expected) throw new FormatError(`expected 0x${expected.toString(16)}, got 0x${found.toString(16)}`)
      return found
    },
  }
}

/** One of a closed set of words, each with its byte. */
export function choice<const W extends string>(words: readonly W[]): Field<W> {
  return {
    size: 1,
    write: (_target, view, offset, value) => view.setUint8(offset, whole(words.indexOf(value), 0xff)),
    read: (_source, view, offset) => {
      const word = words[view.getUint8(offset)]
      if (word === undefined) throw new FormatError(`no such code: ${view.getUint8(offset)}`)
      return word
    },
  }
}

export function bytes(size: number): Field<Uint8Array> {
  return {
    size,
    write: (target, _view, offset, value) => {
      if (value.length !== size) throw new RangeError(`expected ${size} bytes, got ${value.length}`)
      target.set(value, offset)
    },
    read: (source, _view, offset) => source.slice(offset, offset + size),
  }
}

/** Printable ASCII of 1 to `size` characters without spaces, filled up with zero bytes. */
export function ascii(size: number): Field<string> {
  return {
    size,
    write: (target, _view, offset, value) => {
      if (!/^[!-~]+$/.test(value) || value.length > size) {
        throw new RangeError(`expected 1 to ${size} printable characters without spaces: ${JSON.stringify(value)}`)
      }
      for (let index = 0; index < value.length; index++) target[offset + index] = value.charCodeAt(index)
    },
    read: (source, _view, offset) => {
      let text = ''
      let index = 0
      for (; index < size && source[offset + index] !== 0; index++) text += String.fromCharCode(source[offset + index]!)
      for (; index < size; index++) if (source[offset + index] !== 0) throw new FormatError('text after its zero fill')
      if (!/^[!-~]+$/.test(text)) throw new FormatError('not printable ASCII without spaces')
      return text
    },
  }
}

/** Bytes of their own: `slice` of a Node.js `Buffer` would go on sharing a socket's memory. */
export function copy(source: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(source.subarray(start, end))
}

/** A field did not hold what its record allows. Caught by {@link Layout.parse}; never leaves this folder. */
export class FormatError extends Error {
  override readonly name: string = 'FormatError'
}

function u63<T extends bigint>(): Field<T> {
  return {
    size: 8,
    write: (_target, view, offset, value) => {
      if (value < 0n || value > amountMax) throw new RangeError(`out of range: ${value}`)
      view.setBigUint64(offset, value)
    },
    read: (_source, view, offset) => {
      const value = view.getBigUint64(offset)
      if (value > amountMax) throw new FormatError('2^63 or more')
      return value as T
    },
  }
}

function whole(value: number, max: number): number {
  if (!Number.isInteger(value) || value < 0 || value > max) throw new RangeError(`out of range: ${value}`)
  return value
}
