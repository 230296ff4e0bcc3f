/** What parties sign for each other and for the bank. */

import { concat, fromHex } from '../../src/crypto/bytes.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Open from '../../src/wire/Open.ts'
import * as Record from '../../src/wire/Record.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { flip, patch, type Story, seed } from './story.ts'

const beyond = fromHex('8000000000000000')
const stranger = Schnorr.keyPair(seed('a stranger'))

/** Cases to refuse: bytes that do not parse, each with what the parser says; and `signature` where they parse. */
type Fault = readonly [name: string, encoded: Uint8Array, reason: string]

function faults(context: object, list: readonly Fault[]): readonly object[] {
  return list.map(([name, encoded, reason]) => ({ name, valid: false, ...context, encoded, reason }))
}

export function attachmentVectors(stories: readonly Story[]): readonly object[] {
  const good = stories.map(({ encodedTerms: terms, opened: { commitment, grant } }) => ({ terms, commitment, grant }))
  const encoded = Attachment.encode(good[0]!)
  const other = Attachment.encode({ ...good[0]!, grant: good[1]!.grant })
  return [
    ...good.map((attachment, index) => {
      const { scheme, channelId, keys } = stories[index]!
      const digest = Transaction.grantDigest(channelId, attachment.commitment)
      return {
        name: `attachment of the ${scheme} channel`,
        valid: true,
        attachment,
        encoded: Attachment.encode(attachment),
        digest,
        bankSecret: keys.bank.secret,
      }
    }),
    ...faults({}, [
      ['the grant of another channel', other, 'signature'],
      ['another c_0', flip(encoded, 345), 'signature'],
      ['other terms', flip(encoded, 1 + 343), 'signature'],
      ['terms to refuse', patch(encoded, 1, fromHex('02')), 'terms.version: expected 0x1, got 0x2'],
      ['another kind', patch(encoded, 0, fromHex('13')), 'attachment.kind: expected 0x14, got 0x13'],
      ['cut short', encoded.slice(0, -1), 'attachment has 441 bytes; got 440'],
    ]),
  ]
}

export function checkpointVectors(stories: readonly Story[]): readonly object[] {
  const { keys, channelId, checkpoints } = stories[0]!
  const context = { channelId, signer: keys.channelKey.publicKey }
  const [good, last] = [checkpoints[0]!, checkpoints[1]!]
  const encoded = Checkpoint.encode(good)
  return [
    ...stories.flatMap((story) =>
      story.checkpoints.map((checkpoint) => ({
        name: `checkpoint ${checkpoint.segment} of the ${story.scheme} channel`,
        valid: true,
        channelId: story.channelId,
        signer: story.keys.channelKey.publicKey,
        signerSecret: story.keys.channelKey.secret,
        checkpoint,
        encoded: Checkpoint.encode(checkpoint),
        digest: Checkpoint.digest(story.channelId, checkpoint),
      })),
    ),
    ...faults(context, [
      ['by another key', Checkpoint.encode(Checkpoint.sign(stranger, channelId, good)), 'signature'],
      ['the signature of another checkpoint', Checkpoint.encode({ ...good, signature: last.signature }), 'signature'],
      ['an amount raised by one', flip(encoded, 32), 'signature'],
      ['another reference', flip(encoded, 1), 'signature'],
      ['a signature with s of q and above', patch(encoded, 139, new Uint8Array(32).fill(255)), 'signature'],
      ['segment 0', patch(encoded, 17, fromHex('00000000')), 'checkpoint: segment 0 is opened by the terms'],
      ['1,025 coins', patch(encoded, 105, fromHex('0401')), 'checkpoint: nextLength is at most 1,024'],
      ['coins for nothing', patch(encoded, 97, new Uint8Array(8)), 'checkpoint: nextUnitPrice is at least 1'],
      ['an amount of 2^63', patch(encoded, 25, beyond), 'checkpoint.amount: 2^63 or more'],
      ['a price of 2^63', patch(encoded, 97, beyond), 'checkpoint.nextUnitPrice: 2^63 or more'],
      ['another kind', patch(encoded, 0, fromHex('11')), 'checkpoint.kind: expected 0x13, got 0x11'],
      ['another version', patch(encoded, 0, fromHex('23')), 'checkpoint.kind: expected 0x13, got 0x23'],
      ['cut short', encoded.slice(0, -1), 'checkpoint has 171 bytes; got 170'],
    ]),
  ]
}

export function closingVectors(stories: readonly Story[]): readonly object[] {
  const closingOf = ({ keys, channelId, payments }: Story): Closing.Closing => {
    const last = payments.at(-1)!
    return Closing.sign(keys.vendor, { channelId, index: 4, spent: amount(50_000n), transcript: last.transcript })
  }
  const releaseOf = ({ channelId, payments, checkpoints }: Story): Closing.Release => {
    const { receipt } = payments.at(-1)!
    return { channelId, receipt, checkpoint: Checkpoint.encode(checkpoints.at(-1)!) }
  }
  const { keys } = stories[0]!
  const good = closingOf(stories[0]!)
  const encoded = Closing.encode(good)
  const release = Closing.encodeRelease(releaseOf(stories[0]!))
  return [
    ...stories.map((story) => ({
      name: `closing of the ${story.scheme} channel`,
      kind: 'closing',
      valid: true,
      signer: story.keys.vendor.publicKey,
      signerSecret: story.keys.vendor.secret,
      closing: closingOf(story),
      encoded: Closing.encode(closingOf(story)),
      digest: Closing.digest(closingOf(story)),
    })),
    ...stories.map((story) => ({
      name: `release of the ${story.scheme} channel`,
      kind: 'release',
      valid: true,
      release: releaseOf(story),
      encoded: Closing.encodeRelease(releaseOf(story)),
    })),
    ...faults({ kind: 'closing', signer: keys.vendor.publicKey }, [
      ['by another key', Closing.encode(Closing.sign(stranger, good)), 'signature'],
      ['one more spent', flip(encoded, 44), 'signature'],
      ['another transcript', flip(encoded, 45), 'signature'],
      ['spent of 2^63', patch(encoded, 37, beyond), 'closing.spent: 2^63 or more'],
      ['another kind', patch(encoded, 0, fromHex('17')), 'closing.kind: expected 0x16, got 0x17'],
      ['drawn out', concat(encoded, new Uint8Array(1)), 'closing has 141 bytes; got 142'],
    ]),
    ...faults({ kind: 'release' }, [
      ['another kind', patch(release, 0, fromHex('16')), 'release.kind: expected 0x17, got 0x16'],
      ['cut short', release.slice(0, -1), 'release has 268 bytes; got 267'],
    ]),
  ]
}

export function closeVectors(stories: readonly Story[]): readonly object[] {
  const claims = stories.flatMap(claimsOf)
  const { keys } = stories[0]!
  const good = claims.find(({ name }) => name.startsWith('by checkpoint and coin'))!.close
  const encoded = Close.encode(good)
  const noCore = 'close: a core has 188 or 220 bytes, or none where n is 0'
  const without = { ...good, core: new Uint8Array(0) }
  return [
    ...claims.map(({ name, story, close }) => ({
      name,
      valid: true,
      signer: story.keys.vendor.publicKey,
      signerSecret: story.keys.vendor.secret,
      close,
      encoded: Close.encode(close),
      digest: Close.digest(close),
    })),
    ...faults({ signer: keys.vendor.publicKey }, [
      ['by another key', Close.encode(Close.sign(stranger, good)), 'signature'],
      ['one more claimed', flip(encoded, 40), 'signature'],
      ['another core', flip(encoded, 111), 'signature'],
      ['another coin', flip(encoded, 111 + 188 + 2), 'signature'],
      ['no core where n is 4', Close.encode(without), noCore],
      ['a core where n is 0', Close.encode({ ...good, index: 0 }), noCore],
      ['a core of another size', Close.encode({ ...good, core: new Uint8Array(189) }), noCore],
      ['t_{n-1} where n is 0', Close.encode({ ...without, index: 0 }), 'close: t_{n-1} is zero where n is 0'],
      ['evidence of no kind', patch(encoded, 110, fromHex('04')), 'close: no such kind of evidence'],
      ['coin 1,025', patch(encoded, 111 + 188, fromHex('0401')), 'close: a segment has at most 1,024 coins'],
      ['an amount of 2^63', patch(encoded, 33, beyond), 'close.amount: 2^63 or more'],
      ['evidence missing', patch(encoded, 110, fromHex('03')), 'close has 491 bytes; got 568'],
      ['another kind', patch(encoded, 0, fromHex('16')), 'close.kind: expected 0x18, got 0x16'],
      ['cut short', encoded.slice(0, 110), 'close has 111 bytes or more; got 110'],
    ]),
  ]
}

interface Claim {
  readonly name: string
  readonly story: Story
  readonly close: Close.SignedClose
}

function claimsOf(story: Story): readonly Claim[] {
  const { scheme, keys, channelId, opened, payments, checkpoints, segments, ticks } = story
  const first = Transcript.first(channelId, opened.commitment)
  const at = (index: number): Pick<Close.Close, 'index' | 'previousTranscript' | 'core' | 'transcript'> => ({
    index,
    previousTranscript: payments[index - 2]?.transcript ?? first,
    core: Transcript.encode(payments[index - 1]!.core),
    transcript: payments[index - 1]!.transcript,
  })
  const empty = { index: 0, previousTranscript: new Uint8Array(32), core: new Uint8Array(0), transcript: first }
  const [checkpoint, last] = checkpoints.map((value) => Checkpoint.encode(value))
  const claim = (name: string, paid: bigint, stand: ReturnType<typeof at>, evidence: Close.Evidence): Claim => ({
    name: `${name}, ${scheme}`,
    story,
    close: Close.sign(keys.vendor, { channelId, amount: amount(paid), ...stand, evidence }),
  })
  const noCoin = new Uint8Array(32)
  return [
    claim('nothing, without a payment', 0n, empty, { kind: 'none' }),
    claim('nothing, after payments', 0n, at(1), { kind: 'none' }),
    claim('by a coin of segment 0', 80n, at(2), { kind: 'coins', step: 4, coin: segments[0]!.coins[4]! }),
    claim('by checkpoint and coin', 50_136n, at(4), {
      kind: 'coins',
      checkpoint: checkpoint!,
      step: 8,
      coin: ticks[1]!.coin,
    }),
    claim('by a checkpoint alone', 50_136n, at(4), { kind: 'coins', checkpoint: last!, step: 0, coin: noCoin }),
    claim('by receipts', 50_115n, at(4), { kind: 'receipts', first: opened.receipt, last: payments[3]!.receipt }),
  ]
}

export function openVectors(stories: readonly Story[]): readonly object[] {
  const openOf = ({ scheme, keys, encodedTerms: terms }: Story): Open.Open =>
    Open.sign(
      { account: keys.account, channel: keys.channelKey },
      { id: seed(`${scheme} command`).slice(0, 16), validUntil: unixSeconds(1_767_225_660n), terms },
    )
  const good = openOf(stories[0]!)
  const encoded = Open.encode(good)
  const { keys, encodedTerms: terms } = stories[0]!
  const strange = Open.sign({ account: keys.account, channel: stranger }, { ...good, terms })
  return [
    ...stories.map((story) => ({
      name: `open of the ${story.scheme} channel`,
      kind: 'open',
      valid: true,
      open: openOf(story),
      encoded: Open.encode(openOf(story)),
      accountSecret: story.keys.account.secret,
      channelSecret: story.keys.channelKey.secret,
    })),
    ...stories.map((story) => ({
      name: `answer to the open of the ${story.scheme} channel`,
      kind: 'opened',
      valid: true,
      opened: story.opened,
      encoded: Open.encodeOpened(story.opened),
    })),
    ...faults({ kind: 'open' }, [
      ['a channel key that did not sign', Open.encode(strange), 'signature'],
      ['another account', patch(encoded, 1, stranger.publicKey), 'signature'],
      ['an account of no point', patch(encoded, 1, new Uint8Array(32)), 'signature'],
      ['another id', flip(encoded, 33), 'signature'],
      ['valid one second longer', flip(encoded, 56), 'signature'],
      ['terms to refuse', patch(encoded, 59, fromHex('0000')), 'terms: segmentLength is 1 to 1,024'],
      ['valid until 2^63', patch(encoded, 49, beyond), 'open.validUntil: 2^63 or more'],
      ['another kind', patch(encoded, 0, fromHex('18')), 'open.kind: expected 0x19, got 0x18'],
      ['cut short', encoded.slice(0, -1), 'open has 529 bytes; got 528'],
    ]),
    ...faults({ kind: 'opened' }, [
      ['cut short', Open.encodeOpened(stories[0]!.opened).slice(1), 'opened has 160 bytes; got 159'],
    ]),
  ]
}

export function recordVectors(stories: readonly Story[]): readonly object[] {
  const recordOf = ({ scheme, channelId, opening, payments }: Story): Record.Record => ({
    salt: seed(`${scheme} record`),
    channelId,
    opening: Transaction.openingLayout.encode(opening),
    last: payments.at(-1)!.core.transaction,
    settled: amount(50_000n),
    basis: 'proven',
  })
  const good = recordOf(stories[0]!)
  const encoded = Record.encode(good)
  const valid = (name: string, record: Record.Record): object => ({
    name,
    valid: true,
    record,
    encoded: Record.encode(record),
    leaf: Record.leaf(Record.encode(record)),
  })
  return [
    ...stories.map((story) => valid(`record of the ${story.scheme} channel`, recordOf(story))),
    valid('record of a claim', { ...good, basis: 'claimed' }),
    valid('record of a channel without payments', {
      ...good,
      last: new Uint8Array(84),
      settled: amount(0n),
      basis: 'claimed',
    }),
    ...faults({}, [
      ['on no basis', patch(encoded, 268, fromHex('02')), 'record.basis: no such code: 2'],
      ['settled at 2^63', patch(encoded, 260, beyond), 'record.settled: 2^63 or more'],
      ['drawn out', concat(encoded, new Uint8Array(1)), 'record has 269 bytes; got 270'],
    ]),
  ]
}
