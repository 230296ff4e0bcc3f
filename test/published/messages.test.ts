import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { messages } from '../../src/published/index.ts'

const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const transaction = fc.record({ at: u64, amount: u64, client: bytes(32), vendor: bytes(32) })
const { sizes } = messages

interface Codec<T> {
  readonly name: string
  readonly sizes: readonly number[]
  readonly values: fc.Arbitrary<T>
  readonly encode: (value: T) => Uint8Array
  readonly parse: (bytes: Uint8Array) => T | undefined
}

const codecs: readonly Codec<never>[] = [
  {
    name: 'Tx_i',
    sizes: [sizes.transaction],
    values: transaction,
    encode: messages.encodeTransaction,
    parse: messages.parseTransaction,
  },
  {
    name: 'the opening',
    sizes: [sizes.opening],
    values: fc.record({ total: u64, transaction, client: bytes(32), vendor: bytes(32), receipt: bytes(64) }),
    encode: messages.encodeOpening,
    parse: messages.parseOpening,
  },
  {
    name: 'a payment',
    sizes: [sizes.payment],
    values: fc.record({ f: bytes(32), transaction, lock: bytes(64) }),
    encode: messages.encodePayment,
    parse: messages.parsePayment,
  },
  {
    name: 'the last payment',
    sizes: [sizes.literalLast, sizes.repairedLast],
    values: fc.record(
      { f: bytes(32), transaction, lock: bytes(64), receipt: bytes(64) },
      { requiredKeys: ['f', 'transaction', 'receipt'] },
    ),
    encode: messages.encodeLast,
    parse: messages.parseLast,
  },
  {
    name: 'the record',
    sizes: [sizes.record],
    values: fc.record({ first: transaction, last: transaction }),
    encode: messages.encodeRecord,
    parse: messages.parseRecord,
  },
] as readonly unknown[] as readonly Codec<never>[]

describe.each(codecs)('$name', ({ sizes: allowed, values, encode, parse }) => {
  it('parses to what was encoded', () => {
    fc.assert(
      fc.property(values, (value) => {
        const encoded = encode(value)
        expect(allowed).toContain(encoded.length)
        expect(parse(encoded)).toEqual(value)
      }),
    )
  })

  it('refuses every other length and never crashes', () => {
    const arbitrary = fc.oneof(fc.uint8Array({ maxLength: 300 }), ...allowed.map(bytes))
    fc.assert(
      fc.property(arbitrary, (input) => {
        const value = parse(input)
        expect(value !== undefined).toBe(allowed.includes(input.length))
        if (value !== undefined) expect(encode(value)).toEqual(input)
      }),
    )
  })

  it('throws when a part has a wrong length', () => {
    fc.assert(
      fc.property(values, (value) => {
        const [name, part] = Object.entries(value as object).findLast(
          ([, each]) => each instanceof Uint8Array || typeof each === 'object',
        )!
        const wrong = part instanceof Uint8Array ? part.subarray(1) : { ...part, vendor: new Uint8Array(31) }
        expect(() => encode({ ...(value as object), [name]: wrong } as never)).toThrow(RangeError)
      }),
      { numRuns: 10 },
    )
  })
})
