/** Transactions, transcripts, locks. */

import { backend } from '../../src/crypto/backend.ts'
import { concat, fromHex, xor } from '../../src/crypto/bytes.ts'
import { lockSchemes } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { flip, patch, type Story, seed } from './story.ts'

const order = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')

export function transactionVectors(stories: readonly Story[]): readonly object[] {
  return stories.flatMap(({ scheme, opening, payments, keys }) => {
    const encoded = Transaction.openingLayout.encode(opening)
    return [
      {
        name: `Tx_0 of the ${scheme} channel`,
        lockScheme: scheme,
        opening,
        encoded,
        digest: Transaction.openingDigest(encoded),
        signer: keys.bank.publicKey,
        signerSecret: keys.bank.secret,
      },
      ...payments.map(({ transaction, core, receipt }) => ({
        name: `Tx_${transaction.index} of the ${scheme} channel`,
        lockScheme: scheme,
        transaction,
        encoded: core.transaction,
        digest: Transaction.transactionDigest(core.transaction),
        signer: keys.channelKey.publicKey,
        signerSecret: keys.channelKey.secret,
        receipt,
        segment: core.segment,
        step: core.step,
        coin: core.coin,
        commitment: core.commitment,
        lock: core.lock,
        core: Transcript.encode(core),
      })),
    ]
  })
}

/** A channel as its vendor keeps it after a release, and what `verify` goes through: first whole, then with one fault each. */
export function transcriptVectors(stories: readonly Story[]): readonly object[] {
  return stories.flatMap((story) => {
    const whole = wholeChannel(story)
    const { cores, transcripts, receipts, grant, commitment, checkpoints, lastCheckpoint } = whole
    const fault = (name: string, change: object, reason: string): object => ({
      name: `the ${story.scheme} channel with ${name}`,
      valid: false,
      of: `the ${story.scheme} channel`,
      change,
      reason,
    })
    const withCore = (index: number, core: Uint8Array): readonly Uint8Array[] => cores.toSpliced(index - 1, 1, core)
    const withReceipt = (index: number, receipt: Uint8Array): readonly Uint8Array[] =>
      receipts.toSpliced(index, 1, receipt)
    const { coins } = story.segments[0]!
    return [
      { name: `the ${story.scheme} channel`, valid: true, ...whole },
      fault('terms to refuse', { terms: patch(whole.terms, 2, fromHex('0000')) }, 'terms'),
      fault('other terms', { terms: flip(whole.terms, 343) }, 'grant'),
      fault('another grant', { grant: flip(grant, 63) }, 'grant'),
      fault('another c_0', { commitment: flip(commitment, 0) }, 'grant'),
      fault('a checkpoint changed', { checkpoints: [flip(checkpoints[0]!, 32)] }, 'checkpoint'),
      fault('a checkpoint over another transcript', { checkpoints: [overAnotherTranscript(story)] }, 'checkpoint'),
      fault('a checkpoint left out', { checkpoints: [] }, 'coin of payment 3'),
      fault('an amount of 2^63', { cores: withCore(4, patch(cores[3]!, 36, fromHex('80'))) }, 'core 4'),
      fault('a coin of payment 2 changed', { cores: withCore(2, flip(cores[1]!, 92)) }, 'coin of payment 2'),
      fault(
        'the coin of payment 1 worth more',
        { cores: withCore(1, worthMore(cores[0]!, coins[1]!)) },
        'coin of payment 1',
      ),
      fault('an amount changed', { cores: withCore(4, flip(cores[3]!, 43)) }, 'amount of payment 4'),
      fault('a digest changed', { cores: withCore(2, flip(cores[1]!, 83)) }, 'transcript 2'),
      fault('payments 1 and 2 exchanged', { cores: [cores[1], cores[0], cores[2], cores[3]] }, 'index of payment 1'),
      fault('payment 4 left out', { cores: cores.slice(0, 3) }, 'count of payments'),
      fault(
        'a transcript changed',
        { transcripts: transcripts.toSpliced(3, 1, flip(transcripts[3]!, 0)) },
        'transcript 3',
      ),
      fault('the last checkpoint changed', { lastCheckpoint: flip(lastCheckpoint, 106) }, 'last checkpoint'),
      fault('σ_0 changed', { receipts: withReceipt(0, flip(receipts[0]!, 63)) }, 'receipt 0'),
      fault('σ_2 changed', { receipts: withReceipt(2, flip(receipts[2]!, 63)) }, 'receipt 2'),
      fault('σ_4 changed', { receipts: withReceipt(4, flip(receipts[4]!, 63)) }, 'receipt 4'),
      fault('σ_4 by another key', { receipts: withReceipt(4, resigned(story)) }, 'receipt 4'),
      fault('payment 4 signed by another key and all that follows rebuilt', forged(story, whole), 'last checkpoint'),
      fault('a lock that its own client made wrong', wronglyLocked(story, whole), 'lock 4'),
    ]
  })
}

interface WholeChannel {
  readonly terms: Uint8Array
  readonly commitment: Uint8Array
  readonly grant: Uint8Array
  readonly checkpoints: readonly Uint8Array[]
  readonly cores: readonly Uint8Array[]
  readonly transcripts: readonly Uint8Array[]
  readonly lastCheckpoint: Uint8Array
  readonly receipts: readonly Uint8Array[]
}

function wholeChannel(story: Story): WholeChannel {
  const { channelId, opened, payments, checkpoints } = story
  const encoded = checkpoints.map((checkpoint) => Checkpoint.encode(checkpoint))
  return {
    terms: story.encodedTerms,
    commitment: opened.commitment,
    grant: opened.grant,
    checkpoints: encoded.slice(0, -1),
    cores: payments.map(({ core }) => Transcript.encode(core)),
    transcripts: [Transcript.first(channelId, opened.commitment), ...payments.map(({ transcript }) => transcript)],
    lastCheckpoint: encoded.at(-1)!,
    receipts: [opened.receipt, ...payments.map(({ receipt }) => receipt)],
  }
}

/** A core that claims coin 2 where it has coin 1, its amount raised to match. */
function worthMore(core: Uint8Array, coin: Uint8Array): Uint8Array {
  const raised = patch(core, 36, fromHex('0000000000000028'))
  return patch(patch(raised, 88, fromHex('00000002')), 92, coin)
}

const stranger = Schnorr.keyPair(seed('a stranger'))

function resigned({ scheme, payments }: Story): Uint8Array {
  const digest = Transaction.transactionDigest(payments.at(-1)!.core.transaction)
  return lockSchemes[scheme].sign(stranger, digest)
}

function forged(story: Story, whole: WholeChannel): Partial<WholeChannel> {
  const { channelId, payments } = story
  const scheme = lockSchemes[story.scheme]
  const receipt = resigned(story)
  const lock = scheme.lock({ channelId, index: 4, previous: payments[2]!.receipt, receipt })
  const core = { ...payments[3]!.core, commitment: scheme.commit(receipt), lock }
  return { ...endingWith(story, whole, core, stranger), receipts: whole.receipts.toSpliced(4, 1, receipt) }
}

function wronglyLocked(story: Story, whole: WholeChannel): Partial<WholeChannel> {
  const { core } = story.payments[3]!
  return endingWith(story, whole, { ...core, lock: flip(core.lock, 31) }, story.keys.channelKey)
}

/** Another payment 4, with the transcript and the last checkpoint that go with it. */
function endingWith(
  story: Story,
  whole: WholeChannel,
  core: Transcript.Core,
  signer: Schnorr.KeyPair,
): Pick<WholeChannel, 'cores' | 'transcripts' | 'lastCheckpoint'> {
  const encoded = Transcript.encode(core)
  const transcript = Transcript.next(whole.transcripts[3]!, encoded)
  const last = { ...story.checkpoints.at(-1)!, transcript }
  return {
    cores: whole.cores.toSpliced(3, 1, encoded),
    transcripts: whole.transcripts.toSpliced(4, 1, transcript),
    lastCheckpoint: Checkpoint.encode(Checkpoint.sign(signer, story.channelId, last)),
  }
}

function overAnotherTranscript({ keys, channelId, checkpoints }: Story): Uint8Array {
  const other = { ...checkpoints[0]!, transcript: seed('another transcript') }
  return Checkpoint.encode(Checkpoint.sign(keys.channelKey, channelId, other))
}

interface End {
  readonly publicKey: Uint8Array
  readonly digest: Uint8Array
  readonly commitment: Uint8Array
  readonly receipt: Uint8Array
}

export function lockVectors(stories: readonly Story[]): readonly object[] {
  const [schnorr, mask] = [stories[0]!, stories[1]!]
  return [...schnorrLocks(schnorr), ...maskLocks(mask)]
}

function ends({ keys, opening, opened, payments }: Story): readonly End[] {
  const digest = Transaction.openingDigest(Transaction.openingLayout.encode(opening))
  const { receipt, commitment } = opened
  return [
    { publicKey: keys.bank.publicKey, digest, commitment, receipt },
    ...payments.map((payment) => ({
      publicKey: keys.channelKey.publicKey,
      digest: Transaction.transactionDigest(payment.core.transaction),
      commitment: payment.core.commitment,
      receipt: payment.receipt,
    })),
  ]
}

function schnorrLocks(story: Story): readonly object[] {
  const chain = ends(story)
  const link = (
    index: number,
  ): { channelId: Uint8Array; index: number; previous: End; current: End; lock: Uint8Array } => ({
    channelId: story.channelId,
    index,
    previous: chain[index - 1]!,
    current: chain[index]!,
    lock: story.payments[index - 1]!.core.lock,
  })
  const between = (end: End): object => {
    const { publicKey, digest, commitment: nonce } = end
    return {
      ...end,
      challenge: Schnorr.challenge({ publicKey, digest, nonce }),
      point: Schnorr.signaturePoint({ publicKey, digest, nonce }),
    }
  }
  const invalid = (name: string, change: object, reason: string): object => ({
    name,
    scheme: 'schnorr',
    valid: false,
    ...link(2),
    ...change,
    reason,
  })
  const { lock, current } = link(2)
  const odd = oddNonce(story, chain[1]!, current)
  return [
    ...story.payments.map((_, offset) => {
      const { previous, current: next, ...rest } = link(offset + 1)
      return {
        name: `lock ${offset + 1} of the schnorr channel`,
        scheme: 'schnorr',
        valid: true,
        ...rest,
        previous: between(previous),
        current: between(next),
      }
    }),
    invalid('a lock one more', { lock: backend.addScalars(lock, fromHex('01'.padStart(64, '0'))) }, 'equation'),
    invalid('a lock of q', { lock: order }, 'lock'),
    invalid('a lock of 2^256 − 1', { lock: new Uint8Array(32).fill(255) }, 'lock'),
    invalid('a lock over a gap', { previous: chain[0] }, 'equation'),
    invalid('another digest', { current: { ...current, digest: seed('another digest') } }, 'equation'),
    invalid('another key', { current: { ...current, publicKey: story.keys.vendor.publicKey } }, 'equation'),
    invalid('a commitment that is no x-coordinate', { current: { ...current, commitment: noPoint } }, 'commitment'),
    invalid('a nonce with odd y, whose x is the commitment', odd, 'equation'),
  ]
}

const noPoint = fromHex('0000000000000000000000000000000000000000000000000000000000000005')

/** A receipt whose nonce point has the x committed to but odd y: no BIP-340 signature, and its lock adds up all the same. */
function oddNonce(story: Story, previous: End, current: End): object {
  const { secret, publicKey } = story.keys.channelKey
  let nonce = seed('a nonce with odd y')
  if (backend.multiplyBase(nonce)[0] === 2) nonce = backend.negateScalar(nonce)
  const commitment = backend.multiplyBase(nonce).slice(1)
  const e = Schnorr.challenge({ publicKey, digest: current.digest, nonce: commitment })
  const s = backend.addScalars(nonce, backend.multiplyScalars(e, secret))
  const lock = backend.addScalars(previous.receipt.subarray(32), s)
  return { lock, current: { ...current, commitment, receipt: concat(commitment, s) } }
}

function maskLocks(story: Story): readonly object[] {
  const chain = ends(story)
  const { channelId } = story
  const link = (index: number): { previous: End; current: End; lock: Uint8Array } => ({
    previous: chain[index - 1]!,
    current: chain[index]!,
    lock: story.payments[index - 1]!.core.lock,
  })
  const invalid = (name: string, change: object, reason: string): object => ({
    name,
    scheme: 'ecdsa-xor',
    valid: false,
    channelId,
    index: 2,
    ...link(2),
    ...change,
    reason,
  })
  const { current, lock } = link(2)
  const high = concat(current.receipt.subarray(0, 32), backend.negateScalar(current.receipt.subarray(32)))
  return [
    ...story.payments.map((_, offset) => {
      const { previous, current: next, lock: closed } = link(offset + 1)
      return {
        name: `lock ${offset + 1} of the ecdsa-xor channel`,
        scheme: 'ecdsa-xor',
        valid: true,
        channelId,
        index: offset + 1,
        previous,
        current: next,
        lock: closed,
        mask: xor(closed, previous.receipt),
      }
    }),
    invalid('a lock with a bit changed', { lock: flip(lock, 40) }, 'opening'),
    invalid('the mask of another index', { index: 3 }, 'opening'),
    invalid('the mask of another channel', { channelId: seed('another channel') }, 'opening'),
    invalid('a receipt with high s', { current: { ...current, receipt: high } }, 'receipt'),
    invalid('a receipt that was not committed to', { current: { ...current, commitment: noPoint } }, 'commitment'),
  ]
}
