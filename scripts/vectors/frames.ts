/** What carries a MAC, and how messages travel in headers. */

import { backend } from '../../src/crypto/backend.ts'
import { concat, fromHex, utf8 } from '../../src/crypto/bytes.ts'
import { hkdf } from '../../src/crypto/mac.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { headerNames } from '../../src/http/headers.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import { amount, amountMax } from '../../src/wire/amount.ts'
import { toBase64url } from '../../src/wire/base64url.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { channelMacs } from '../../src/wire/mac.ts'
import * as Statement from '../../src/wire/Statement.ts'
import * as Terms from '../../src/wire/Terms.ts'
import { flip, patch, type Story, seed } from './story.ts'

const beyond = fromHex('8000000000000000')

export function macVectors(): readonly object[] {
  return [false, true].flatMap((oddChannelKey) =>
    [false, true].map((oddFrameKey) => {
      const channel = secretWith(oddChannelKey, 'channel key')
      const frame = secretWith(oddFrameKey, 'frame key')
      const channelId = seed(`channel of ${oddChannelKey} ${oddFrameKey}`)
      const [channelKey, vendorFrameKey] = [Schnorr.keyPair(channel).publicKey, Schnorr.keyPair(frame).publicKey]
      const sharedX = backend.sharedX(channel, vendorFrameKey)
      const key = (direction: string): Uint8Array =>
        hkdf({ secret: sharedX, salt: channelId, info: utf8(direction), length: 32 })
      const macs = channelMacs({ secret: channel, publicKey: vendorFrameKey, channelId })
      const message = utf8('a message')
      return {
        name: `a channel key of ${parity(oddChannelKey)} y and a frame key of ${parity(oddFrameKey)} y`,
        channelSecret: channel,
        channelKey,
        vendorFrameSecret: frame,
        vendorFrameKey,
        channelId,
        sharedX,
        clientToVendorKey: key('lockstep/mac/client-to-vendor'),
        vendorToClientKey: key('lockstep/mac/vendor-to-client'),
        message,
        clientToVendorMac: macs.frame(message),
        vendorToClientMac: macs.statement(message),
      }
    }),
  )
}

function parity(odd: boolean): string {
  return odd ? 'odd' : 'even'
}

/** A secret as it may come, before it is negated to make its point's y even. */
function secretWith(odd: boolean, label: string): Uint8Array {
  const secret = seed(label)
  return (backend.multiplyBase(secret)[0] === 3) === odd ? secret : backend.negateScalar(secret)
}

/** As each side derives its MACs: what a reader needs to check them. */
function parties({ keys, channelId }: Story): object {
  return {
    channelId,
    channelKey: keys.channelKey.publicKey,
    channelSecret: keys.channelKey.secret,
    vendorFrameKey: keys.vendorFrameKey.publicKey,
    vendorFrameSecret: keys.vendorFrameKey.secret,
  }
}

/** Bytes that do not parse, with what the parser says; and `MAC` where they parse. */
type Fault = readonly [name: string, kind: string, encoded: Uint8Array, reason: string]

export function frameVectors(stories: readonly Story[]): readonly object[] {
  const { macs, payments, ticks, channelId } = stories[0]!
  const reference = Terms.reference(channelId)
  const asks: readonly Frame.Ask[] = [
    { reference, ask: 'statement' },
    { reference, ask: 'closing' },
  ]
  const payment = Frame.encodePayment(payments[0]!.frame, macs.frame)
  const tick = Frame.encodeTick(ticks[0]!, macs.frame)
  const ask = Frame.encodeAsk(asks[0]!, macs.frame)
  const long = Frame.encodePayment(stories[1]!.payments[0]!.frame, stories[1]!.macs.frame)
  const ofAnotherChannel = Frame.encodePayment(payments[0]!.frame, stories[1]!.macs.frame)
  const backwards = Frame.encodePayment(payments[0]!.frame, macs.statement)
  const patched = (offset: number, hex: string): Uint8Array => patch(payment, offset, fromHex(hex))
  const faults: readonly Fault[] = [
    ['a bit of the coin changed', 'payment', flip(payment, 67), 'MAC'],
    ['a bit of the MAC changed', 'payment', flip(payment, 178), 'MAC'],
    ['the MAC of another channel', 'payment', ofAnotherChannel, 'MAC'],
    ['the MAC of the other direction', 'payment', backwards, 'MAC'],
    ['a payment with ecdsa-xor lock cut to the size of one with schnorr lock', 'payment', long.slice(0, 179), 'MAC'],
    ['payment 0', 'payment', patched(23, '00000000'), 'payment: indices start at 1'],
    ['coin 1,025', 'payment', patched(21, '0401'), 'payment: a segment has at most 1,024 coins'],
    ['a time of 2^63', 'payment', patched(27, '8000000000000000'), 'payment.paidAt: 2^63 or more'],
    ['another kind', 'payment', patched(0, '12'), 'payment.kind: expected 0x11, got 0x12'],
    ['another version', 'payment', patched(0, '21'), 'payment.kind: expected 0x11, got 0x21'],
    ['cut short', 'payment', payment.slice(0, -1), 'payment has 179 or 211 bytes; got 178'],
    ['a bit of the step changed', 'tick', flip(tick, 22), 'MAC'],
    ['coin 0', 'tick', patch(tick, 21, fromHex('0000')), 'tick: a coin is number 1 to 1,024 of its segment'],
    ['coin 1,025', 'tick', patch(tick, 21, fromHex('0401')), 'tick: a coin is number 1 to 1,024 of its segment'],
    ['drawn out', 'tick', concat(tick, new Uint8Array(1)), 'tick has 71 bytes; got 72'],
    ['one ask made into another', 'ask', flip(ask, 17), 'MAC'],
    ['no such ask', 'ask', patch(ask, 17, fromHex('02')), 'ask.ask: no such code: 2'],
    ['nothing', 'ask', new Uint8Array(0), 'ask has 34 bytes; got 0'],
  ]
  return [
    ...stories.flatMap((story) =>
      story.payments.map(({ frame }) => ({
        name: `payment ${frame.index} of the ${story.scheme} channel`,
        kind: 'payment',
        valid: true,
        ...parties(story),
        frame,
        encoded: Frame.encodePayment(frame, story.macs.frame),
      })),
    ),
    ...ticks.map((frame) => ({
      name: `a tick in segment ${frame.segment}`,
      kind: 'tick',
      valid: true,
      ...parties(stories[0]!),
      frame,
      encoded: Frame.encodeTick(frame, macs.frame),
    })),
    ...asks.map((frame) => ({
      name: `an ask for the ${frame.ask}`,
      kind: 'ask',
      valid: true,
      ...parties(stories[0]!),
      frame,
      encoded: Frame.encodeAsk(frame, macs.frame),
    })),
    ...faults.map(([name, kind, encoded, reason]) => ({
      name,
      kind,
      valid: false,
      ...parties(stories[0]!),
      encoded,
      reason,
    })),
  ]
}

const first: Statement.Statement = {
  index: 2,
  charged: amount(75n),
  spent: amount(95n),
  paid: amount(100n),
  credit: amount(5n),
  contiguous: 2,
  segment: 0,
}

export function statementVectors(stories: readonly Story[]): readonly object[] {
  const { macs } = stories[0]!
  const statements: readonly (readonly [string, Statement.Statement])[] = [
    ['an answer to payment 2', first],
    ['an answer to a tick', { ...first, index: 0, charged: amount(0n), paid: amount(120n), credit: amount(25n) }],
    [
      'the largest numbers',
      {
        index: 0xffffffff,
        charged: amountMax,
        spent: amountMax,
        paid: amountMax,
        credit: amountMax,
        contiguous: 0xffffffff,
        segment: 0xffffffff,
      },
    ],
  ]
  const encoded = Statement.encode(first, macs.statement)
  const resealed = (offset: number, bytes: Uint8Array): Uint8Array =>
    Frame.seal(patch(encoded, offset, bytes).subarray(0, -16), macs.statement)
  const mac = 'statement: its MAC is not the vendor’s'
  const faults: readonly (readonly [string, Uint8Array, string])[] = [
    ['one more spent', flip(encoded, 20), mac],
    ['the MAC of the other direction', Statement.encode(first, macs.frame), mac],
    ['the MAC of another channel', Statement.encode(first, stories[1]!.macs.statement), mac],
    ['credit of 2^63', resealed(29, beyond), 'statement.credit: 2^63 or more'],
    ['another kind', resealed(0, fromHex('16')), 'statement.kind: expected 0x15, got 0x16'],
    ['cut short', encoded.slice(0, -1), 'statement has 61 bytes; got 60'],
  ]
  const context = parties(stories[0]!)
  return [
    ...statements.map(([name, statement]) => ({
      name,
      valid: true,
      ...context,
      statement,
      encoded: Statement.encode(statement, macs.statement),
    })),
    ...faults.map(([name, bytes, reason]) => ({ name, valid: false, ...context, encoded: bytes, reason })),
  ]
}

export function headerVectors(stories: readonly Story[]): readonly object[] {
  const { macs, payments, encodedTerms: terms, opened, checkpoints, channelId } = stories[0]!
  const { commitment, grant } = opened
  const messages: readonly (readonly [string, Uint8Array])[] = [
    [headerNames.channel, Terms.reference(channelId)],
    [headerNames.payment, Frame.encodePayment(payments[0]!.frame, macs.frame)],
    [headerNames.payment, Frame.encodePayment(stories[1]!.payments[0]!.frame, stories[1]!.macs.frame)],
    [headerNames.checkpoint, Checkpoint.encode(checkpoints[0]!)],
    [headerNames.attachment, Attachment.encode({ terms, commitment, grant })],
    [headerNames.statement, Statement.encode(first, macs.statement)],
  ]
  const text = toBase64url(Terms.reference(channelId))
  const faults: readonly (readonly [string, string, string])[] = [
    ['padded', `${text}==`, 'not base64url'],
    ['base64 instead of base64url', '++++', 'not base64url'],
    ['a slash', '////', 'not base64url'],
    ['a space', `${text.slice(0, 4)} ${text.slice(4, 8)}A`, 'not base64url'],
    ['bits left over in the last of two', 'AB', 'not canonical base64url: bits left over'],
    ['bits left over in the last of three', 'AAB', 'not canonical base64url: bits left over'],
    ['cut short', 'AAAAA', 'not base64url: cut short'],
    ['one byte too many', 'A'.repeat(283), 'more than 211 bytes'],
  ]
  return [
    ...messages.map(([header, message]) => ({
      name: `${header} of ${message.length} bytes`,
      valid: true,
      header,
      value: toBase64url(message),
      message,
    })),
    { name: 'nothing', valid: true, header: headerNames.payment, value: '', message: new Uint8Array(0) },
    ...faults.map(([name, value, reason]) => ({
      name,
      valid: false,
      header: headerNames.payment,
      sizeMax: 211,
      value,
      reason,
    })),
  ]
}
