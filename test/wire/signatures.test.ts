import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../src/crypto/bytes.ts'
import { sha256, taggedHash } from '../../src/crypto/hash.ts'
import { type LockSchemeName, lockSchemes } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Command from '../../src/wire/Command.ts'
import * as Open from '../../src/wire/Open.ts'
import type { Parsed } from '../../src/wire/parsed.ts'
import * as Terms from '../../src/wire/Terms.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as any from './arbitraries.ts'

/** One key in every role, so that only a tag can tell one signature from another. */
const key = Schnorr.keyPair(sha256(utf8('one key in every role')))
const stranger = Schnorr.keyPair(sha256(utf8('another key')))

const terms = Terms.encode({ ...sample(any.terms), bank: key.publicKey, channelKey: key.publicKey })
const channelId = Terms.channelId(terms)
const opening = Transaction.openingLayout.encode({ ...sample(any.openings), channelId })
const transaction = Transaction.encode({ ...sample(any.transactions), channelId })
const checkpoint = Checkpoint.sign(key, channelId, sample(any.checkpoints))
const closing = Closing.sign(key, sample(any.closings))
const open = Open.sign({ account: key, channel: key }, { ...sample(any.opens), terms })
const grantless = sample(any.attachments)
const attachment = {
  terms,
  commitment: grantless.commitment,
  grant: Schnorr.sign(key, Transaction.grantDigest(channelId, grantless.commitment)),
}
const closes = Object.values(any.evidences).map((evidence) => Close.sign(key, sample(any.closes(evidence, 188))))

const commands = Object.values(any.actions).map((action) => Command.sign(key, sample(any.commands(action))))

/** What a signature is over, as docs/reference/wire.md says it. */
interface Signed {
  readonly name: string
  readonly tag: string
  readonly body: Uint8Array
  readonly signature: Uint8Array
  verify(signature: Uint8Array, publicKey?: Uint8Array): boolean
}

const signed: readonly Signed[] = [
  {
    name: 'a grant',
    tag: 'lockstep/grant',
    body: concat(channelId, attachment.commitment),
    signature: attachment.grant,
    verify: (grant) => verifyParsed(Attachment.parse(Attachment.encode({ ...attachment, grant })), Attachment.verify),
  },
  ...(['schnorr', 'ecdsa-xor'] as const).flatMap((scheme): readonly Signed[] => [
    {
      name: `a receipt of the bank (${scheme})`,
      tag: 'lockstep/tx0',
      body: opening,
      signature: lockSchemes[scheme].sign(key, Transaction.openingDigest(opening)),
      verify: (receipt) =>
        lockSchemes[scheme].verify({
          publicKey: key.publicKey,
          digest: Transaction.openingDigest(opening),
          receipt,
        }),
    },
    {
      name: `a receipt (${scheme})`,
      tag: 'lockstep/tx',
      body: transaction,
      signature: lockSchemes[scheme].sign(key, Transaction.transactionDigest(transaction)),
      verify: (receipt) =>
        lockSchemes[scheme].verify({
          publicKey: key.publicKey,
          digest: Transaction.transactionDigest(transaction),
          receipt,
        }),
    },
  ]),
  {
    name: 'a checkpoint',
    tag: 'lockstep/checkpoint',
    body: concat(channelId, Checkpoint.encode(checkpoint).subarray(17, 107)),
    signature: checkpoint.signature,
    verify: (signature, publicKey = key.publicKey) =>
      Checkpoint.verify(publicKey, channelId, { ...checkpoint, signature }),
  },
  {
    name: 'a closing',
    tag: 'lockstep/closing',
    body: Closing.encode(closing).subarray(1, 77),
    signature: closing.signature,
    verify: (signature, publicKey = key.publicKey) => Closing.verify(publicKey, { ...closing, signature }),
  },
  ...closes.map(
    (close): Signed => ({
      name: `a close on ${close.evidence.kind}`,
      tag: 'lockstep/close',
      body: Close.encode(close).subarray(0, -64),
      signature: close.signature,
      verify: (signature, publicKey = key.publicKey) => Close.verify(publicKey, { ...close, signature }),
    }),
  ),
  {
    name: 'an open',
    tag: 'lockstep/open',
    body: Open.encode(open).subarray(0, -64),
    signature: open.signature,
    verify: (signature) => verifyParsed(Open.parse(Open.encode({ ...open, signature })), Open.verify),
  },
  ...commands.map(
    (command): Signed => ({
      name: `a command to ${command.action.kind}`,
      tag: 'lockstep/command',
      body: Command.encode(command).subarray(0, -64),
      signature: command.signature,
      verify: (signature) => verifyParsed(Command.parse(Command.encode({ ...command, signature })), Command.verify),
    }),
  ),
  {
    name: 'a channel key',
    tag: 'lockstep/channel-key',
    body: channelId,
    signature: open.channelSignature,
    verify: (channelSignature) => {
      const other = { ...open, channelSignature }
      const digest = taggedHash('lockstep/open')(Open.encode(other).subarray(0, -64))
      const signature = Schnorr.sign(key, digest)
      return verifyParsed(Open.parse(Open.encode({ ...other, signature })), Open.verify)
    },
  },
]

const tags = [...new Set(signed.map(({ tag }) => tag)), 'lockstep/terms', 'lockstep/transcript', 'lockstep/record']

describe.each(signed)('the signature of $name', ({ name, tag, body, signature, verify }) => {
  const scheme: LockSchemeName = name.includes('ecdsa-xor') ? 'ecdsa-xor' : 'schnorr'
  const sign = (signer: Schnorr.KeyPair, digest: Uint8Array): Uint8Array => lockSchemes[scheme].sign(signer, digest)

  test('is over its tag and its bytes, and made the same each time', () => {
    expect(sign(key, taggedHash(tag)(body))).toEqual(signature)
    expect(verify(signature)).toBe(true)
  })

  test.each(tags.filter((other) => other !== tag))('is none under %s', (other) => {
    expect(verify(sign(key, taggedHash(other)(body)))).toBe(false)
  })

  test('is none over the bytes without a tag', () => {
    expect(verify(sign(key, sha256(body)))).toBe(false)
  })

  test('is none by another key', () => {
    expect(verify(sign(stranger, taggedHash(tag)(body)))).toBe(false)
  })

  test('is none of another message', () => {
    for (const other of signed) if (other.signature !== signature) expect(verify(other.signature)).toBe(false)
  })

  test('is none with any bit changed', () => {
    for (let bit = 0; bit < 512; bit++) expect(verify(flip(signature, bit >> 3, 1 << (bit & 7)))).toBe(false)
  })

  test('is none in whatever bytes a stranger makes up', () => {
    const edges = fc.constantFrom(0, 1, 0x7f, 0xff).map((byte) => new Uint8Array(64).fill(byte))
    fc.assert(fc.property(fc.oneof(any.bytesOf(64), edges), (bytes) => !verify(bytes)))
  })
})

/** A whole message, as it travels: whoever changes a byte of it on the way is found out. */
const messages: readonly (readonly [string, Uint8Array, (input: Uint8Array) => boolean])[] = [
  ['attachment', Attachment.encode(attachment), (input) => verifyParsed(Attachment.parse(input), Attachment.verify)],
  [
    'checkpoint',
    Checkpoint.encode(checkpoint),
    (input) => verifyParsed(Checkpoint.parse(input), (value) => Checkpoint.verify(key.publicKey, channelId, value)),
  ],
  [
    'closing',
    Closing.encode(closing),
    (input) => verifyParsed(Closing.parse(input), (value) => Closing.verify(key.publicKey, value)),
  ],
  ...closes.map((close): (typeof messages)[number] => [
    `close on ${close.evidence.kind}`,
    Close.encode(close),
    (input) => verifyParsed(Close.parse(input), (value) => Close.verify(key.publicKey, value)),
  ]),
  ...commands.map((command): (typeof messages)[number] => [
    `command to ${command.action.kind}`,
    Command.encode(command),
    (input) => verifyParsed(Command.parse(input), Command.verify),
  ]),
  ['open', Open.encode(open), (input) => verifyParsed(Open.parse(input), Open.verify)],
]

describe.each(messages)('the %s', (_, encoded, verify) => {
  test('is valid as it was signed', () => expect(verify(encoded)).toBe(true))

  test('is refused with any byte changed', () => {
    for (let offset = 0; offset < encoded.length; offset++) {
      for (const mask of [0x01, 0x80, 0xff]) expect(verify(flip(encoded, offset, mask)), `byte ${offset}`).toBe(false)
    }
  })
})

describe('the key in a message', () => {
  test('that is no point makes no signature, and no crash', () => {
    const nowhere = [new Uint8Array(32), new Uint8Array(32).fill(0xff)]
    for (const account of nowhere) {
      expect(verifyParsed(Open.parse(Open.encode({ ...open, account })), Open.verify)).toBe(false)
      for (const command of commands) {
        expect(verifyParsed(Command.parse(Command.encode({ ...command, account })), Command.verify)).toBe(false)
      }
      for (const { name, signature, verify } of signed) {
        if (/closing|close on|checkpoint/.test(name)) expect(verify(signature, account)).toBe(false)
      }
    }
  })
})

describe('a checkpoint', () => {
  test('is valid in its own channel only', () => {
    fc.assert(
      fc.property(any.bytesOf(32), (other) => {
        const moved = { ...checkpoint, reference: other.slice(0, 16) }
        return !Checkpoint.verify(key.publicKey, other, checkpoint) && !Checkpoint.verify(key.publicKey, other, moved)
      }),
    )
  })
})

function verifyParsed<T>(parsed: Parsed<T>, verify: (value: T) => boolean): boolean {
  return parsed.ok && verify(parsed.value)
}

function flip(bytes: Uint8Array, offset: number, mask: number): Uint8Array {
  const copy = new Uint8Array(bytes)
  copy[offset]! ^= mask
  return copy
}

function sample<T>(values: fc.Arbitrary<T>): T {
  return fc.sample(values, { numRuns: 1, seed: 1 })[0]!
}
