import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseBase64url, toBase64url } from '../../src/wire/base64url.ts'

const refused = { ok: false, reason: 'Malformed', detail: expect.any(String) }
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.split('')

describe('base64url', () => {
  test('is what Node.js writes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        (bytes) => toBase64url(bytes) === Buffer.from(bytes).toString('base64url'),
      ),
    )
  })

  test('comes back as it went', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (value) => {
        expect(parseBase64url(toBase64url(value), 300)).toEqual({ ok: true, value })
      }),
    )
  })

  test('has one text only for each byte string, whatever the text', () => {
    const near = fc.string({ unit: fc.constantFrom(...alphabet, '=', '+', '/', ' '), maxLength: 40 })
    const inside = fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 40 })
    fc.assert(
      fc.property(fc.oneof(fc.string(), near, inside), (text) => {
        const result = parseBase64url(text, 300)
        if (result.ok) expect(toBase64url(result.value)).toBe(text)
        else expect(result).toEqual(refused)
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['A', 'cut short'],
    ['AAAAA', 'cut short'],
    ['AB', 'bits left over'],
    ['AAB', 'bits left over'],
    ['AA==', 'not base64url'],
    ['AA=', 'not base64url'],
    ['+A', 'not base64url'],
    ['/A', 'not base64url'],
    ['A A', 'not base64url'],
    ['AA\n', 'not base64url'],
    ['\u0100A', 'not base64url'],
    ['😀', 'not base64url'],
  ])('is not %j: %s', (text, detail) => {
    expect(parseBase64url(text, 300)).toEqual({ ...refused, detail: expect.stringContaining(detail) })
  })

  test('is refused beyond its limit before it is read', () => {
    expect(parseBase64url('AAAA', 3)).toEqual({ ok: true, value: new Uint8Array(3) })
    expect(parseBase64url('AAAAAA', 3)).toEqual({ ...refused, detail: 'more than 3 bytes' })
    expect(parseBase64url('!'.repeat(10_000_000), 300)).toEqual({ ...refused, detail: 'more than 300 bytes' })
    expect(parseBase64url('', 0)).toEqual({ ok: true, value: new Uint8Array(0) })
  })
})
