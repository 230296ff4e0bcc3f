import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  amount,
  amountMax,
  count,
  formatDecimal,
  parseAmount,
  parseAsset,
  parseDecimal,
  unixSeconds,
} from '../../src/wire/amount.ts'
import { amounts, anyU32, assets } from './arbitraries.ts'

const USD = { code: 'USD', decimals: 6 }
const refused = { ok: false, reason: 'Malformed', detail: expect.any(String) }
const decimals = fc.nat({ max: 9 })

describe('an amount', () => {
  test('comes back from its text', () => {
    fc.assert(
      fc.property(amounts, (value) => {
        expect(parseAmount(value.toString())).toEqual({ ok: true, value })
      }),
    )
  })

  test('has one text only, whatever the text', () => {
    const numeric = fc.string({ unit: fc.constantFrom(...'0123456789.-+e _x'.split('')), maxLength: 24 })
    fc.assert(
      fc.property(fc.oneof(fc.string(), numeric), (text) => {
        const result = parseAmount(text)
        if (result.ok) expect(result.value.toString()).toBe(text)
        else expect(result).toEqual(refused)
      }),
      { numRuns: 1000 },
    )
  })

  test.each(['', '-1', '+1', '01', '00', '1.0', '1e3', '0x10', ' 1', '1 ', '1\n', '1_000', '１', 'NaN', 'Infinity'])(
    'is not %j',
    (text) => expect(parseAmount(text)).toEqual(refused),
  )

  test('is below 2^63', () => {
    expect(parseAmount('9223372036854775807')).toEqual({ ok: true, value: amountMax })
    for (const text of ['9223372036854775808', '18446744073709551615', '10000000000000000000', '9'.repeat(40)]) {
      expect(parseAmount(text)).toEqual({ ...refused, detail: 'an amount is below 2^63' })
    }
    expect(parseAmount('9'.repeat(1_000_000))).toEqual(refused)
  })

  test('that this program computed is in range, or a bug', () => {
    expect(amount(0n)).toBe(0n)
    expect(unixSeconds(amountMax)).toBe(amountMax)
    for (const value of [-1n, amountMax + 1n]) {
      expect(() => amount(value)).toThrow(RangeError)
      expect(() => unixSeconds(value)).toThrow(RangeError)
    }
  })
})

describe('a count', () => {
  test('is the same number, or a bug from 2^32 on', () => {
    fc.assert(fc.property(anyU32, (value) => count(BigInt(value)) === value))
    for (const value of [-1n, 0x100000000n, amountMax]) expect(() => count(value)).toThrow(RangeError)
  })
})

describe('an asset', () => {
  test('comes back from its name, and has no other', () => {
    fc.assert(
      fc.property(fc.oneof(assets, fc.string()), (name) => {
        const result = parseAsset(name)
        if (result.ok) expect(`${result.value.code}/${result.value.decimals}`).toBe(name)
        else expect(result).toEqual(refused)
      }),
    )
    fc.assert(fc.property(assets, (name) => parseAsset(name).ok))
  })

  test.each([
    '',
    'USD',
    'USD/',
    '/6',
    'USD/10',
    'USD/06',
    'USD/-1',
    'U SD/6',
    'USD/6 ',
    'USD/6\n',
    `${'A'.repeat(31)}/6`,
  ])('is not %j', (name) => expect(parseAsset(name)).toEqual(refused))

  test('has at most 9 decimals', () => {
    expect(parseAsset('WEI/9')).toEqual({ ok: true, value: { code: 'WEI', decimals: 9 } })
    expect(parseAsset('WEI/18')).toEqual(refused)
  })
})

describe('a decimal', () => {
  test('comes back from its text in every asset', () => {
    fc.assert(
      fc.property(amounts, decimals, (value, places) => {
        const asset = { code: 'X', decimals: places }
        expect(parseDecimal(formatDecimal(value, asset), asset)).toEqual({ ok: true, value })
      }),
    )
  })

  test('means what it says, whatever the text', () => {
    const numeric = fc.tuple(
      fc.string({ unit: fc.constantFrom(...'0129'.split('')), maxLength: 21 }),
      fc.nat({ max: 21 }),
    )
    const texts = fc.oneof(
      fc.string(),
      numeric.map(([digits, point]) => `${digits.slice(0, point)}.${digits.slice(point)}`),
    )
    fc.assert(
      fc.property(texts, decimals, (text, places) => {
        const result = parseDecimal(text, { code: 'X', decimals: places })
        const [whole = '', fraction = ''] = text.split('.')
        if (!result.ok) expect(result).toEqual(refused)
        else expect(result.value).toBe(BigInt(whole + fraction.padEnd(places, '0')))
      }),
      { numRuns: 1000 },
    )
  })

  test.each([
    ['0.00002', 20n],
    ['0', 0n],
    ['0.0', 0n],
    ['1', 1_000_000n],
    ['1.50', 1_500_000n],
    ['9223372036854.775807', amountMax],
  ])('reads %s USD as %d', (text, value) => expect(parseDecimal(text, USD)).toEqual({ ok: true, value }))

  test.each(['', '.', '.5', '1.', '-1', '+1', '01', '1,5', '1e-3', '0.0000001', '1.0000000', '1 USD', '0.00002\n'])(
    'is not %j in USD/6, and nothing is rounded',
    (text) => expect(parseDecimal(text, USD)).toEqual(refused),
  )

  test('is below 2^63 base units', () => {
    const tooMuch = { ...refused, detail: 'an amount is below 2^63' }
    expect(parseDecimal('9223372036854.775808', USD)).toEqual(tooMuch)
    expect(parseDecimal('9999999999999999999', USD)).toEqual(tooMuch)
  })

  test('is written short, and a debt with its sign', () => {
    expect(formatDecimal(20n, USD)).toBe('0.00002')
    expect(formatDecimal(1_500_000n, USD)).toBe('1.5')
    expect(formatDecimal(2_000_000n, USD)).toBe('2')
    expect(formatDecimal(0n, USD)).toBe('0')
    expect(formatDecimal(-20n, USD)).toBe('-0.00002')
    expect(formatDecimal(120n, { code: 'JPY', decimals: 0 })).toBe('120')
  })
})
