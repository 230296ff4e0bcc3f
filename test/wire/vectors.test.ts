import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { staleFiles } from '../../scripts/vectors.ts'
import { concat, utf8 } from '../../src/crypto/bytes.ts'
import { backend, CoinChain, createMac, hkdf, Schnorr, taggedHash } from '../../src/crypto/index.ts'
import { Bank } from '../../src/protocol/index.ts'
import {
  Attachment,
  BadOpening,
  Checkpoint,
  Close,
  Closing,
  Command,
  channelMacs,
  Equivocation,
  Frame,
  isSealed,
  Open,
  type Parsed,
  parseBase64url,
  Record,
  Statement,
  Terms,
  Transaction,
  Transcript,
  toBase64url,
} from '../../src/wire/index.ts'
import { filesUnder } from '../tidy/source.ts'
import { type Case, readVectors } from './vectors.ts'

const root = join(import.meta.dirname, '../..')

test('the files are what their script makes', () => {
  expect(staleFiles()).toEqual([])
})

describe('tags', () => {
  const cases = readVectors('tags')

  test.each(cases)('$tag', ({ tag, prefix, empty }) => {
    const sha256 = (data: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(data).digest())
    expect(sha256(utf8(tag))).toEqual(prefix)
    expect(sha256(concat(prefix, prefix))).toEqual(empty)
    expect(taggedHash(tag)()).toEqual(empty)
  })

  test('are all there, each under one name', () => {
    const used = filesUnder(root, 'src', /\.ts$/)
      .flatMap((path) => [...readFileSync(join(root, path), 'utf8').matchAll(/[= ]taggedHash\('([^']+)'\)/g)])
      .map(([, tag]) => tag!)
    const listed = cases.map(({ tag }) => tag)
    expect(new Set(listed).size).toBe(listed.length)
    expect(used.filter((tag) => !listed.includes(tag))).toEqual([])
    expect(used.length).toBeGreaterThan(15)
    const document = readFileSync(join(root, 'docs/reference/wire.md'), 'utf8')
    const rows = [...document.matchAll(/^\| `(lockstep\/[^`]+)` \|/gm)].map(([, tag]) => tag!)
    expect(new Set(rows)).toEqual(new Set(listed.filter((tag) => tag.startsWith('lockstep/'))))
  })
})

describe('terms', () => {
  test.each(valid('terms'))('$name', ({ terms, encoded, channelId, reference }) => {
    expect(Terms.encode(terms)).toEqual(encoded)
    expect(Terms.parse(encoded)).toEqual({ ok: true, value: terms })
    expect(Terms.channelId(encoded)).toEqual(channelId)
    expect(taggedHash('lockstep/terms')(encoded)).toEqual(channelId)
    expect(Terms.reference(channelId)).toEqual(reference)
    expect(channelId.subarray(0, 16)).toEqual(reference)
  })

  test.each(invalid('terms'))('are refused: $name', ({ encoded, reason }) => {
    expect(Terms.parse(encoded)).toEqual({ ok: false, reason: 'Malformed', detail: reason })
  })
})

describe('coins', () => {
  const cases = readVectors('coins')

  test.each(cases.filter(({ channelSeed }) => channelSeed !== undefined))('$name', (segment) => {
    const { seed, coinSalt: salt, length } = segment
    const { channelSeed, segment: number, base, unitPrice } = segment
    expect(CoinChain.segmentSeed({ channelSeed, segment: number, base, unitPrice, length })).toEqual(seed)
    const coins = CoinChain.create({ seed, length, salt })
    expect(coins).toHaveLength(length + 1)
    expect(coins.at(-1)).toEqual(seed)
    if (segment.coins !== undefined) expect(coins).toEqual(segment.coins)
    if (segment.anchor !== undefined) {
      expect(coins[0]).toEqual(segment.anchor)
      expect(coins[segment.step]).toEqual(segment.coin)
      expect(CoinChain.walk({ coin: segment.coin, steps: segment.step, salt })).toEqual(segment.anchor)
    }
  })

  test.each(cases.filter(({ steps }) => steps !== undefined))('$name', ({ coin, coinSalt: salt, steps, result }) => {
    expect(CoinChain.walk({ coin, steps, salt })).toEqual(result)
  })
})

describe('transactions', () => {
  const cases = readVectors('transactions')

  test.each(cases.filter(({ opening }) => opening !== undefined))('$name', ({ opening, encoded, digest }) => {
    expect(Transaction.openingLayout.encode(opening)).toEqual(encoded)
    expect(Transaction.openingLayout.parse(encoded)).toEqual({ ok: true, value: opening })
    expect(Transaction.openingDigest(encoded)).toEqual(digest)
    expect(taggedHash('lockstep/tx0')(encoded)).toEqual(digest)
  })

  test.each(cases.filter(({ transaction }) => transaction !== undefined))('$name', (payment) => {
    const { transaction, encoded, digest, segment, step, coin, commitment, lock } = payment
    expect(Transaction.encode(transaction)).toEqual(encoded)
    expect(Transaction.transactionLayout.parse(encoded)).toEqual({ ok: true, value: transaction })
    expect(Transaction.transactionDigest(encoded)).toEqual(digest)
    expect(taggedHash('lockstep/tx')(encoded)).toEqual(digest)
    const core = { transaction: encoded, segment, step, coin, commitment, lock }
    expect(Transcript.encode(core)).toEqual(payment.core)
    expect(Transcript.coreLayout(lock.length).parse(payment.core)).toEqual({ ok: true, value: core })
  })
})

describe('an attachment', () => {
  test.each(valid('attachment'))('$name', ({ attachment, encoded, digest, bankSecret }) => {
    expect(Attachment.encode(attachment)).toEqual(encoded)
    const parsed = Attachment.parse(encoded)
    expect(parsed).toMatchObject({ ok: true, value: attachment })
    expect(parsed.ok && Attachment.verify(parsed.value)).toBe(true)
    const channelId = Terms.channelId(attachment.terms)
    expect(taggedHash('lockstep/grant')(channelId, attachment.commitment)).toEqual(digest)
    expect(Schnorr.sign(Schnorr.keyPair(bankSecret), digest)).toEqual(attachment.grant)
  })

  test.each(invalid('attachment'))('is refused: $name', ({ encoded, reason }) => {
    expect(fault(Attachment.parse(encoded), Attachment.verify)).toBe(reason)
  })
})

describe('a checkpoint', () => {
  test.each(valid('checkpoint'))('$name', ({ checkpoint, encoded, channelId, signer, signerSecret, digest }) => {
    expect(Checkpoint.encode(checkpoint)).toEqual(encoded)
    expect(Checkpoint.parse(encoded)).toMatchObject({ ok: true, value: checkpoint })
    expect(taggedHash('lockstep/checkpoint')(channelId, encoded.subarray(17, 107))).toEqual(digest)
    expect(Checkpoint.digest(channelId, checkpoint)).toEqual(digest)
    expect(Checkpoint.sign(Schnorr.keyPair(signerSecret), channelId, checkpoint)).toEqual(checkpoint)
    expect(Checkpoint.verify(signer, channelId, checkpoint)).toBe(true)
  })

  test.each(invalid('checkpoint'))('is refused: $name', ({ encoded, channelId, signer, reason }) => {
    expect(fault(Checkpoint.parse(encoded), (value) => Checkpoint.verify(signer, channelId, value))).toBe(reason)
  })
})

describe('a closing', () => {
  test.each(valid('closing', 'closing'))('$name', ({ closing, encoded, signer, signerSecret, digest }) => {
    expect(Closing.encode(closing)).toEqual(encoded)
    expect(Closing.parse(encoded)).toMatchObject({ ok: true, value: closing })
    expect(taggedHash('lockstep/closing')(encoded.subarray(1, 77))).toEqual(digest)
    expect(Closing.sign(Schnorr.keyPair(signerSecret), closing)).toEqual(closing)
    expect(Closing.verify(signer, closing)).toBe(true)
  })

  test.each(invalid('closing', 'closing'))('is refused: $name', ({ encoded, signer, reason }) => {
    expect(fault(Closing.parse(encoded), (value) => Closing.verify(signer, value))).toBe(reason)
  })
})

describe('a release', () => {
  test.each(valid('closing', 'release'))('$name', ({ release, encoded }) => {
    expect(Closing.encodeRelease(release)).toEqual(encoded)
    expect(Closing.parseRelease(encoded)).toMatchObject({ ok: true, value: release })
  })

  test.each(invalid('closing', 'release'))('is refused: $name', ({ encoded, reason }) => {
    expect(fault(Closing.parseRelease(encoded))).toBe(reason)
  })
})

describe('a close', () => {
  test.each(valid('close'))('$name', ({ close, encoded, signer, signerSecret, digest }) => {
    expect(Close.encode(close)).toEqual(encoded)
    expect(Close.parse(encoded)).toEqual({ ok: true, value: close })
    expect(taggedHash('lockstep/close')(encoded.subarray(0, -64))).toEqual(digest)
    expect(Close.digest(close)).toEqual(digest)
    expect(Close.sign(Schnorr.keyPair(signerSecret), close)).toEqual(close)
    expect(Close.verify(signer, close)).toBe(true)
  })

  test.each(invalid('close'))('is refused: $name', ({ encoded, signer, reason }) => {
    expect(fault(Close.parse(encoded), (value) => Close.verify(signer, value))).toBe(reason)
  })
})

describe('an open', () => {
  test.each(valid('open', 'open'))('$name', ({ open, encoded, accountSecret, channelSecret }) => {
    expect(Open.encode(open)).toEqual(encoded)
    const parsed = Open.parse(encoded)
    expect(parsed).toMatchObject({ ok: true, value: open })
    expect(parsed.ok && Open.verify(parsed.value)).toBe(true)
    const keys = { account: Schnorr.keyPair(accountSecret), channel: Schnorr.keyPair(channelSecret) }
    expect(Open.sign(keys, open)).toEqual(open)
    const overChannel = taggedHash('lockstep/channel-key')(Terms.channelId(open.terms))
    expect(Schnorr.sign(keys.channel, overChannel)).toEqual(open.channelSignature)
    expect(Schnorr.sign(keys.account, taggedHash('lockstep/open')(encoded.subarray(0, 465)))).toEqual(open.signature)
  })

  test.each(invalid('open', 'open'))('is refused: $name', ({ encoded, reason }) => {
    expect(fault(Open.parse(encoded), Open.verify)).toBe(reason)
  })

  test.each(valid('open', 'opened'))('$name', ({ opened, encoded }) => {
    expect(Open.encodeOpened(opened)).toEqual(encoded)
    expect(Open.parseOpened(encoded)).toEqual({ ok: true, value: opened })
  })

  test.each(invalid('open', 'opened'))('has no answer: $name', ({ encoded, reason }) => {
    expect(fault(Open.parseOpened(encoded))).toBe(reason)
  })
})

describe('a command', () => {
  test.each(valid('command'))('$name', ({ command, encoded, digest, accountSecret }) => {
    expect(Command.encode(command)).toEqual(encoded)
    expect(Command.parse(encoded)).toEqual({ ok: true, value: command })
    expect(Command.digest(command)).toEqual(digest)
    expect(taggedHash('lockstep/command')(encoded.subarray(0, -64))).toEqual(digest)
    expect(Command.sign(Schnorr.keyPair(accountSecret), command)).toEqual(command)
    expect(Command.verify(command)).toBe(true)
  })

  test.each(invalid('command'))('is refused: $name', ({ encoded, reason }) => {
    expect(fault(Command.parse(encoded), Command.verify)).toBe(reason)
  })
})

describe('a bad opening', () => {
  test.each(valid('badOpening'))('$name', (item) => {
    const { badOpening, encoded } = item
    expect(BadOpening.encode(badOpening)).toEqual(encoded)
    expect(BadOpening.parse(encoded)).toMatchObject({ ok: true, value: badOpening })
    expect(fault(BadOpening.parse(encoded), (value) => showsBadOpening(value, item), 'evidence')).toBeUndefined()
  })

  test.each(invalid('badOpening'))('is refused: $name', (item) => {
    const parsed = BadOpening.parse(item.encoded)
    expect(fault(parsed, (value) => showsBadOpening(value, item), 'evidence')).toBe(item.reason)
  })

  function showsBadOpening(value: BadOpening.BadOpening, item: Case): boolean {
    return Bank.assessBadOpening(value, bankChannel(item)).ok
  }
})

describe('an equivocation', () => {
  const shows = (parsed: ReturnType<typeof Equivocation.parse>, item: Case): string | undefined =>
    fault(parsed, (value) => Bank.assessEquivocation(value, bankChannel(item)).ok, 'evidence')

  test.each(valid('equivocation'))('$name', (item) => {
    const { equivocation, encoded } = item
    expect(Equivocation.encode(equivocation)).toEqual(encoded)
    expect(Equivocation.parse(encoded)).toMatchObject({ ok: true, value: equivocation })
    expect(shows(Equivocation.parse(encoded), item)).toBeUndefined()
  })

  test.each(invalid('equivocation'))('is refused: $name', (item) => {
    expect(shows(Equivocation.parse(item.encoded), item)).toBe(item.reason)
  })
})

describe('a record', () => {
  test.each(valid('record'))('$name', ({ record, encoded, leaf }) => {
    expect(Record.encode(record)).toEqual(encoded)
    expect(Record.parse(encoded)).toEqual({ ok: true, value: record })
    expect(Record.leaf(encoded)).toEqual(leaf)
    expect(taggedHash('lockstep/record')(encoded)).toEqual(leaf)
  })

  test.each(invalid('record'))('is refused: $name', ({ encoded, reason }) => {
    expect(fault(Record.parse(encoded))).toBe(reason)
  })
})

describe('a MAC', () => {
  test.each(readVectors('mac'))('$name', (item) => {
    const { channelSecret, channelKey, vendorFrameSecret, vendorFrameKey, channelId, sharedX, message } = item
    expect(Schnorr.keyPair(channelSecret).publicKey).toEqual(channelKey)
    expect(Schnorr.keyPair(vendorFrameSecret).publicKey).toEqual(vendorFrameKey)
    expect(backend.sharedX(channelSecret, vendorFrameKey)).toEqual(sharedX)
    expect(backend.sharedX(vendorFrameSecret, channelKey)).toEqual(sharedX)
    const [frame, statement] = [item.clientToVendorMac, item.vendorToClientMac]
    for (const [direction, key, mac] of [
      ['client-to-vendor', item.clientToVendorKey, frame],
      ['vendor-to-client', item.vendorToClientKey, statement],
    ]) {
      const info = utf8(`lockstep/mac/${direction}`)
      expect(hkdf({ secret: sharedX, salt: channelId, info, length: 32 })).toEqual(key)
      expect(createMac(key)(message)).toEqual(mac)
    }
    for (const macs of bothSides(item)) {
      expect(macs.frame(message)).toEqual(frame)
      expect(macs.statement(message)).toEqual(statement)
    }
  })
})

describe('a frame', () => {
  const codecs = {
    payment: { encode: Frame.encodePayment, parse: Frame.parsePayment },
    tick: { encode: Frame.encodeTick, parse: Frame.parseTick },
    ask: { encode: Frame.encodeAsk, parse: Frame.parseAsk },
  }

  describe.each(['payment', 'tick', 'ask'] as const)('%s', (kind) => {
    test.each(valid('frames', kind))('$name', (item) => {
      const { frame, encoded } = item
      for (const macs of bothSides(item)) {
        const encode: (value: typeof frame, mac: Frame.Mac) => Uint8Array = codecs[kind].encode
        expect(encode(frame, macs.frame)).toEqual(encoded)
        expect(isSealed(encoded, macs.frame)).toBe(true)
        expect(isSealed(encoded, macs.statement)).toBe(false)
      }
      expect(codecs[kind].parse(encoded)).toMatchObject({ ok: true, value: frame })
    })

    test.each(invalid('frames', kind))('is refused: $name', (item) => {
      const [macs] = bothSides(item)
      const { encoded, reason } = item
      const parsed: Parsed<object> = codecs[kind].parse(encoded)
      expect(fault(parsed, () => isSealed(encoded, macs!.frame), 'MAC')).toBe(reason)
    })
  })
})

describe('a statement', () => {
  test.each(valid('statement'))('$name', (item) => {
    for (const { statement: mac } of bothSides(item)) {
      expect(Statement.encode(item.statement, mac)).toEqual(item.encoded)
      expect(Statement.parse(item.encoded, mac)).toMatchObject({ ok: true, value: item.statement })
    }
  })

  test.each(invalid('statement'))('is refused: $name', (item) => {
    for (const { statement: mac } of bothSides(item))
      expect(fault(Statement.parse(item.encoded, mac))).toBe(item.reason)
  })
})

describe('a header', () => {
  test.each(valid('headers'))('$name', ({ value, message }) => {
    expect(toBase64url(message)).toBe(value)
    expect(parseBase64url(value, message.length)).toEqual({ ok: true, value: message })
    expect(Buffer.from(value, 'base64url').equals(message)).toBe(true)
  })

  test.each(invalid('headers'))('is refused: $name', ({ value, sizeMax, reason }) => {
    expect(parseBase64url(value, sizeMax)).toEqual({ ok: false, reason: 'Malformed', detail: reason })
  })
})

function valid(file: string, kind?: string): readonly Case[] {
  return readVectors(file).filter((item) => item.valid === true && item.kind === kind)
}

function invalid(file: string, kind?: string): readonly Case[] {
  return readVectors(file).filter((item) => item.valid === false && item.kind === kind)
}

/** Why a message is refused: what its parser says, or that its signature or MAC is wrong. */
function fault<T>(
  parsed: Parsed<T>,
  verify: (value: T) => boolean = () => true,
  otherwise = 'signature',
): string | undefined {
  if (!parsed.ok) return parsed.detail
  return verify(parsed.value) ? undefined : otherwise
}

/** A channel as the bank that judges evidence has it. */
function bankChannel({ terms: encoded, commitment }: Case): Bank.BankChannel {
  const terms = Terms.parse(encoded)
  if (!terms.ok) throw new Error(terms.detail)
  const none = new Uint8Array(0)
  return {
    channelId: Terms.channelId(encoded),
    terms: terms.value,
    commitment: commitment ?? none,
    receipt: none,
  }
}

function bothSides(item: Case): readonly ReturnType<typeof channelMacs>[] {
  const { channelSecret, channelKey, vendorFrameSecret, vendorFrameKey, channelId } = item
  return [
    channelMacs({ secret: channelSecret, publicKey: vendorFrameKey, channelId }),
    channelMacs({ secret: vendorFrameSecret, publicKey: channelKey, channelId }),
  ]
}
