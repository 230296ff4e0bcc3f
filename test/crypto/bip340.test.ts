import { schnorr } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/crypto/bytes.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import file from '../vectors/bip340.json' with { type: 'json' }
import { seeded } from './seeded.ts'

const zeroAux = new Uint8Array(32)

describe('BIP-340 vectors', () => {
  for (const vector of file.vectors) {
    const [publicKey, digest] = [fromHex(vector.publicKey), fromHex(vector.message)]

    it(`${vector.valid ? 'accepts' : 'refuses'} signature ${vector.index} ${vector.comment}`, () => {
      expect(Schnorr.verify({ publicKey, digest, signature: fromHex(vector.signature) })).toBe(vector.valid)
    })

    if (vector.secret === undefined) continue
    const secret = fromHex(vector.secret)

    it(`derives key ${vector.index}`, () => {
      expect(toHex(Schnorr.keyPair(secret).publicKey)).toBe(vector.publicKey)
    })

    it(`signs message ${vector.index} with zero auxiliary randomness`, () => {
      const signature = Schnorr.sign(Schnorr.keyPair(secret), digest)
      expect(toHex(signature)).toBe(
        vector.aux === toHex(zeroAux) ? vector.signature : toHex(schnorr.sign(digest, secret, zeroAux)),
      )
      expect(Schnorr.verify({ publicKey, digest, signature })).toBe(true)
    })
  }
})

describe('Schnorr', () => {
  it('signs messages of any length as another implementation of BIP-340 does', () => {
    const random = seeded('bip340 lengths')
    for (const length of [0, 1, 17, 31, 32, 33, 64, 100, 1000]) {
      const secret = random.bytes(32)
      const digest = random.bytes(length)
      const key = Schnorr.keyPair(secret)
      const signature = Schnorr.sign(key, digest)
      expect(toHex(signature)).toBe(toHex(schnorr.sign(digest, secret, zeroAux)))
      expect(Schnorr.verify({ publicKey: key.publicKey, digest, signature })).toBe(true)
    }
  })

  it('gives the same signature for the same message', () => {
    const key = Schnorr.keyPair(seeded('same').bytes(32))
    const digest = seeded('digest').bytes(32)
    expect(Schnorr.sign(key, digest)).toEqual(Schnorr.sign(key, digest))
  })

  it('normalises a secret so that its point has even y, and the same key comes out of either', () => {
    const random = seeded('normalise')
    for (let run = 0; run < 20; run++) {
      const key = Schnorr.keyPair(random.bytes(32))
      expect(Schnorr.keyPair(key.secret)).toEqual(key)
    }
  })

  it('knows the point of a signature before the signature', () => {
    const key = Schnorr.keyPair(seeded('point').bytes(32))
    const digest = seeded('point digest').bytes(32)
    const signature = Schnorr.sign(key, digest)
    const nonce = signature.subarray(0, 32)
    const known = Schnorr.signaturePoint({ publicKey: key.publicKey, digest, nonce })
    // The point of s as a secret key: its x, and one of the two y.
    expect(toHex(known!.subarray(1))).toBe(toHex(Schnorr.keyPair(signature.subarray(32)).publicKey))
  })

  it('throws on a secret of zero, of q, of the wrong size, and on a signature of the wrong size', () => {
    const order = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
    for (const secret of [new Uint8Array(32), order, new Uint8Array(31).fill(1), new Uint8Array(33).fill(1)]) {
      expect(() => Schnorr.keyPair(secret)).toThrow()
    }
    const { publicKey } = Schnorr.keyPair(new Uint8Array(32).fill(1))
    const digest = new Uint8Array(32)
    for (const size of [0, 63, 65]) {
      expect(() => Schnorr.verify({ publicKey, digest, signature: new Uint8Array(size) })).toThrow()
    }
    expect(() => Schnorr.verify({ publicKey: new Uint8Array(33), digest, signature: new Uint8Array(64) })).toThrow()
  })
})
