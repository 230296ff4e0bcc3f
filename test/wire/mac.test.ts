import { createECDH, createHmac, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat } from '../../src/crypto/bytes.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { channelMacs, isSealed } from '../../src/wire/mac.ts'
import * as Statement from '../../src/wire/Statement.ts'
import { asks, bytesOf, payments, secrets, statements, ticks } from './arbitraries.ts'

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const ids = bytesOf(32)

/** The four ways in which client and vendor may hold their keys: with even or odd y. */
const ways = [false, true].flatMap((client) => [false, true].map((vendor) => ({ client, vendor })))

describe('the MACs of a channel', () => {
  test.each(ways)('are the same from both sides, odd y: %o', ({ client, vendor }) => {
    fc.assert(
      fc.property(secrets, secrets, ids, fc.uint8Array(), (channelSecret, frameSecret, channelId, message) => {
        const channel = Schnorr.keyPair(channelSecret)
        const frame = Schnorr.keyPair(frameSecret)
        const ours = channelMacs({
          secret: client ? negate(channel.secret) : channel.secret,
          publicKey: frame.publicKey,
          channelId,
        })
        const theirs = channelMacs({
          secret: vendor ? negate(frame.secret) : frame.secret,
          publicKey: channel.publicKey,
          channelId,
        })
        expect(theirs.frame(message)).toEqual(ours.frame(message))
        expect(theirs.statement(message)).toEqual(ours.statement(message))
      }),
      { numRuns: 50 },
    )
  })

  test('are HMAC-SHA-256 cut to 16 bytes, keyed by HKDF of the x-coordinate, as another implementation has them', () => {
    fc.assert(
      fc.property(secrets, secrets, ids, fc.uint8Array(), (secret, other, channelId, message) => {
        const { publicKey } = Schnorr.keyPair(other)
        const macs = channelMacs({ secret, publicKey, channelId })
        for (const prefix of [2, 3]) {
          const ecdh = createECDH('secp256k1')
          ecdh.setPrivateKey(secret)
          const x = ecdh.computeSecret(concat(Uint8Array.of(prefix), publicKey))
          const expected = (direction: string): Uint8Array => {
            const macKey = Buffer.from(hkdfSync('sha256', x, channelId, `lockstep/mac/${direction}`, 32))
            return new Uint8Array(createHmac('sha256', macKey).update(message).digest().subarray(0, 16))
          }
          expect(macs.frame(message)).toEqual(expected('client-to-vendor'))
          expect(macs.statement(message)).toEqual(expected('vendor-to-client'))
        }
      }),
      { numRuns: 50 },
    )
  })

  test('are refused in the other direction, in another channel, and from another party', () => {
    fc.assert(
      fc.property(secrets, secrets, secrets, ids, ids, fc.uint8Array(), (ours, theirs, third, here, there, body) => {
        fc.pre(ours.join() !== theirs.join() && third.join() !== ours.join() && here.join() !== there.join())
        const { publicKey } = Schnorr.keyPair(theirs)
        const macs = channelMacs({ secret: ours, publicKey, channelId: here })
        const elsewhere = channelMacs({ secret: ours, publicKey, channelId: there })
        const stranger = channelMacs({ secret: third, publicKey, channelId: here })
        const sealed = Frame.seal(body, macs.frame)
        expect(isSealed(sealed, macs.frame)).toBe(true)
        for (const mac of [macs.statement, elsewhere.frame, stranger.frame]) expect(isSealed(sealed, mac)).toBe(false)
      }),
      { numRuns: 50 },
    )
  })
})

describe('a sealed message', () => {
  const macs = channelMacs({
    secret: Schnorr.keyPair(new Uint8Array(32).fill(1)).secret,
    publicKey: Schnorr.keyPair(new Uint8Array(32).fill(2)).publicKey,
    channelId: new Uint8Array(32).fill(3),
  })
  const messages = [
    ...[32, 64].map((size) => payments(size).map((value) => Frame.encodePayment(value, macs.frame))),
    ticks.map((value) => Frame.encodeTick(value, macs.frame)),
    asks.map((value) => Frame.encodeAsk(value, macs.frame)),
    statements.map((value) => Statement.encode(value, macs.statement)),
  ]
  const isOurs = (message: Uint8Array): boolean => isSealed(message, message[0] === 0x15 ? macs.statement : macs.frame)

  test('is refused with any byte changed', () => {
    fc.assert(
      fc.property(fc.oneof(...messages), (message) => {
        expect(isOurs(message)).toBe(true)
        for (let offset = 1; offset < message.length; offset++) {
          message[offset]! ^= 1
          expect(isOurs(message), `byte ${offset}`).toBe(false)
          message[offset]! ^= 1
        }
      }),
      { numRuns: 20 },
    )
  })

  test('is refused cut short or drawn out', () => {
    fc.assert(
      fc.property(fc.oneof(...messages), (message) => {
        const drawnOut = concat(message, new Uint8Array(16))
        for (let size = 0; size <= drawnOut.length; size++) {
          expect(isOurs(drawnOut.subarray(0, size)), `${size} bytes`).toBe(size === message.length)
        }
      }),
      { numRuns: 20 },
    )
  })

  test('that is a payment with a mask for a lock does not pass cut to one with a scalar', () => {
    fc.assert(
      fc.property(payments(64), (value) => {
        const cut = Frame.encodePayment(value, macs.frame).subarray(0, Frame.paymentSize(32))
        expect(Frame.parsePayment(cut)).toMatchObject({ ok: true })
        expect(isSealed(cut, macs.frame)).toBe(false)
      }),
    )
  })

  test('is read only by the side it is for', () => {
    fc.assert(
      fc.property(statements, (value) => {
        const sealed = Statement.encode(value, macs.statement)
        expect(Statement.parse(sealed, macs.statement)).toMatchObject({ ok: true, value })
        expect(Statement.parse(sealed, macs.frame)).toMatchObject({ ok: false, reason: 'Malformed' })
      }),
    )
  })
})

function negate(secret: Uint8Array): Uint8Array {
  const negative = order - BigInt(`0x${Buffer.from(secret).toString('hex')}`)
  return new Uint8Array(Buffer.from(negative.toString(16).padStart(64, '0'), 'hex'))
}
