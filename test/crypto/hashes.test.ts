import { createHash, createHmac, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, equal, fromHex, isZero, toHex, u32, u64, utf8, xor } from '../../src/crypto/bytes.ts'
import { createMac, hkdf, sha256, taggedHash } from '../../src/crypto/index.ts'

const anyBytes = fc.uint8Array({ maxLength: 200 })

describe('hashes', () => {
  it('know SHA-256 of nothing and of abc', () => {
    expect(toHex(sha256(utf8('')))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(toHex(sha256(utf8('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  it('of one tag are SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ parts), however the parts are cut', () => {
    const hash = taggedHash('lockstep/test')
    const tag = sha256(utf8('lockstep/test'))
    fc.assert(
      fc.property(anyBytes, anyBytes, (left, right) => {
        const whole = concat(left, right)
        expect(toHex(hash(left, right))).toBe(toHex(sha256(concat(tag, tag, whole))))
        expect(toHex(hash(whole))).toBe(toHex(hash(left, right)))
      }),
    )
  })

  it.each([959, 960, 961, 5000])('and MACs are right past the memory that short messages share: %i bytes', (size) => {
    const message = new Uint8Array(size).map((_, index) => index)
    const tag = sha256(utf8('lockstep/test'))
    const hash = taggedHash('lockstep/test')(message)
    expect(toHex(hash)).toBe(createHash('sha256').update(tag).update(tag).update(message).digest('hex'))
    const expected = createHmac('sha256', tag).update(message).digest('hex').slice(0, 32)
    expect(toHex(createMac(tag)(message))).toBe(expected)
  })
})

describe('HKDF', () => {
  it('gives the bytes of RFC 5869, test case 1', () => {
    const output = hkdf({
      secret: new Uint8Array(22).fill(0x0b),
      salt: fromHex('000102030405060708090a0b0c'),
      info: fromHex('f0f1f2f3f4f5f6f7f8f9'),
      length: 42,
    })
    expect(toHex(output)).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865')
  })

  it('gives the bytes of RFC 5869, test case 3: no salt, no info', () => {
    const nothing = new Uint8Array(0)
    const output = hkdf({ secret: new Uint8Array(22).fill(0x0b), salt: nothing, info: nothing, length: 42 })
    expect(toHex(output)).toBe('8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8')
  })

  it('gives what OpenSSL gives', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, anyBytes, fc.integer({ min: 1, max: 300 }), (secret, salt, info, length) => {
        const expected = new Uint8Array(hkdfSync('sha256', secret, salt, info, length))
        expect(toHex(hkdf({ secret, salt, info, length }))).toBe(toHex(expected))
      }),
    )
  })

  it('refuses lengths it cannot give', () => {
    const nothing = new Uint8Array(0)
    for (const length of [0, -1, 1.5, 8161]) {
      expect(() => hkdf({ secret: nothing, salt: nothing, info: nothing, length })).toThrow(RangeError)
    }
  })
})

describe('a MAC', () => {
  it('is HMAC-SHA-256 cut to 16 bytes, the same at every call', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, anyBytes, (key, data, other) => {
        const mac = createMac(key)
        const expected = createHmac('sha256', key).update(data).digest('hex').slice(0, 32)
        expect(toHex(mac(data))).toBe(expected)
        mac(other)
        expect(toHex(mac(data))).toBe(expected)
      }),
    )
  })
})

describe('bytes', () => {
  it('come back from hex, and only whole lower-case bytes do', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(new Uint8Array(bytes))
      }),
    )
    for (const wrong of ['0', 'AB', '0x', 'zz', ' 00', '00 ', '00\n']) expect(() => fromHex(wrong)).toThrow()
  })

  it('are equal where every byte is', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (left, right) => {
        expect(equal(left, right)).toBe(toHex(left) === toHex(right))
        expect(equal(left, new Uint8Array(left))).toBe(true)
      }),
    )
  })

  it('mix and unmix', () => {
    const pair = fc.nat({ max: 64 }).chain((size) => {
      const bytes = fc.uint8Array({ minLength: size, maxLength: size })
      return fc.tuple(bytes, bytes)
    })
    fc.assert(
      fc.property(pair, ([left, right]) => {
        expect(toHex(xor(xor(left, right), right))).toBe(toHex(left))
        expect(isZero(xor(left, right))).toBe(equal(left, right))
      }),
    )
    expect(() => xor(new Uint8Array(1), new Uint8Array(2))).toThrow()
  })

  it('hold integers big-endian', () => {
    expect(toHex(u32(0xdeadbeef))).toBe('deadbeef')
    expect(toHex(u64(0x0123456789abcdefn))).toBe('0123456789abcdef')
  })
})
