import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat } from '../../src/crypto/bytes.ts'
import { bytesOf } from './arbitraries.ts'
import { type Codec, codecs } from './codecs.ts'

const sizeMax = Math.max(...codecs.map(({ size }) => size)) + 64

describe.each(codecs)('$name', (codec) => {
  test('comes back as it went', () => {
    fc.assert(
      fc.property(codec.trips, ({ value, parsed }) => {
        expect(parsed).toMatchObject({ ok: true, value })
      }),
    )
  })

  test(`has ${codec.size} bytes, whatever it says`, () => {
    fc.assert(fc.property(codec.encodings, (encoded) => encoded.length === codec.size))
  })

  test('is refused with a reason or re-encodes to itself, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: sizeMax }), (input) => isCanonical(codec, input)))
    fc.assert(
      fc.property(bytesOf(codec.size), (input) => {
        if (codec.kind !== undefined) input[0] = codec.kind
        isCanonical(codec, input)
      }),
    )
  })

  test('is refused with a reason or re-encodes to itself, whatever was changed in a good one', () => {
    const changes = fc.array(fc.tuple(fc.nat({ max: codec.size - 1 }), fc.nat({ max: 255 })), { maxLength: 4 })
    fc.assert(
      fc.property(codec.encodings, changes, (encoded, list) => {
        for (const [offset, value] of list) encoded[offset] = value
        isCanonical(codec, encoded)
      }),
      { numRuns: 300 },
    )
  })

  test('is refused cut short or drawn out by any number of bytes', () => {
    fc.assert(
      fc.property(codec.encodings, (encoded) => {
        const drawnOut = concat(encoded, new Uint8Array(64))
        for (let size = 0; size <= drawnOut.length; size++) {
          if (size === codec.size || codec.otherSizes.includes(size)) continue
          expectMalformed(codec, drawnOut.subarray(0, size))
        }
      }),
      { numRuns: 5 },
    )
  })

  test('keeps no byte of the buffer it came in', () => {
    fc.assert(
      fc.property(codec.encodings, (encoded) => {
        const [buffer, bare] = [Buffer.from(encoded), codec.parsedOf(encoded)]
        const value = codec.parsedOf(buffer)
        buffer.fill(0xa5)
        expect(value).toEqual(bare)
      }),
      { numRuns: 10 },
    )
  })
})

describe.each(codecs.filter(({ kind }) => kind !== undefined))('$name', (codec) => {
  test('is refused under every other first byte', () => {
    fc.assert(
      fc.property(codec.encodings, (encoded) => {
        for (let first = 0; first < 256; first++) {
          encoded[0] = first
          if (first === codec.kind) expect(codec.reencode(encoded)).toMatchObject({ ok: true })
          else expectMalformed(codec, encoded)
        }
      }),
      { numRuns: 3 },
    )
  })
})

test('no message is taken for one of another kind', () => {
  const messages = codecs.filter(({ kind }) => kind !== undefined)
  for (const { encodings, kind } of messages) {
    const [encoded] = fc.sample(encodings, 1)
    for (const other of messages) if (other.kind !== kind) expectMalformed(other, encoded!)
  }
})

function isCanonical(codec: Codec, input: Uint8Array): void {
  const result = codec.reencode(input)
  if (result.ok) expect(result.value).toEqual(input)
  else expect(result).toEqual({ ok: false, reason: 'Malformed', detail: expect.stringMatching(/^\S.{5,150}$/) })
}

function expectMalformed(codec: Codec, input: Uint8Array): void {
  expect(codec.reencode(input)).toEqual({
    ok: false,
    reason: 'Malformed',
    detail: expect.stringMatching(/^\S.{5,150}$/),
  })
}
