/** Vectors of locks, and of whole channels gone through as docs/reference/settlement.md says a verifier does. */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, test } from 'vitest'
import { concat, equal, isZero, xor } from '../../src/crypto/bytes.ts'
import { backend, CoinChain, lockSchemes, Schnorr, taggedHash } from '../../src/crypto/index.ts'
import { Attachment, Checkpoint, Terms, Transaction, Transcript } from '../../src/wire/index.ts'
import { type Case, readVectors } from './vectors.ts'

const locks = readVectors('locks')
const channels = readVectors('transcript')
const transactions = readVectors('transactions')

describe('a schnorr lock', () => {
  const scheme = lockSchemes.schnorr
  const cases = locks.filter((item) => item.scheme === 'schnorr')

  test.each(cases.filter((item) => item.valid === true))('$name', (item) => {
    const { channelId, index, lock, previous, current } = item
    for (const { publicKey, digest, commitment, receipt, challenge, point } of [previous, current]) {
      expect(scheme.verify({ publicKey, digest, receipt })).toBe(true)
      expect(receipt.subarray(0, 32)).toEqual(commitment)
      // e mod q: no vector has a hash of q or above, a chance of 2^-128.
      expect(taggedHash('BIP0340/challenge')(commitment, publicKey, digest)).toEqual(challenge)
      expect(backend.multiplyBase(receipt.subarray(32))).toEqual(point)
      expect(Schnorr.signaturePoint({ publicKey, digest, nonce: commitment })).toEqual(point)
    }
    expect(backend.addScalars(previous.receipt.subarray(32), current.receipt.subarray(32))).toEqual(lock)
    expect(sumOf(previous.point, current.point)).toEqual(backend.multiplyBase(lock))
    expect(scheme.lock({ channelId, index, previous: previous.receipt, receipt: current.receipt })).toEqual(lock)
    expect(scheme.check!({ lock, previous, current })).toBe(true)
    const { receipt } = current
    const previousCommitment = previous.commitment
    expect(scheme.unlock({ channelId, index, lock, receipt, previousCommitment })).toEqual(previous.receipt)
    const { commitment } = current
    expect(scheme.unlockNext!({ channelId, index, lock, previous: previous.receipt, commitment })).toEqual(receipt)
  })

  test.each(cases.filter((item) => item.valid === false))('is refused: $name', (item) => {
    const { lock, previous, current, reason } = item
    expect(scheme.check!({ lock, previous, current })).toBe(false)
    const malformed = scheme.isLock(lock)
      ? scheme.isCommitment(current.commitment)
        ? 'equation'
        : 'commitment'
      : 'lock'
    expect(malformed).toBe(reason)
  })
})

describe('an ecdsa-xor lock', () => {
  const scheme = lockSchemes['ecdsa-xor']
  const cases = locks.filter((item) => item.scheme === 'ecdsa-xor')

  test.each(cases.filter((item) => item.valid === true))('$name', (item) => {
    const { channelId, index, lock, mask, previous, current } = item
    for (const { publicKey, digest, commitment, receipt } of [previous, current]) {
      expect(scheme.verify({ publicKey, digest, receipt })).toBe(true)
      expect(taggedHash('lockstep/receipt')(receipt)).toEqual(commitment)
    }
    const number = Uint8Array.of(0, 0, 0, index)
    const half = (counter: number): Uint8Array =>
      taggedHash('lockstep/mask')(current.receipt, channelId, number, Uint8Array.of(counter))
    expect(concat(half(0), half(1))).toEqual(mask)
    expect(xor(previous.receipt, mask)).toEqual(lock)
    expect(scheme.lock({ channelId, index, previous: previous.receipt, receipt: current.receipt })).toEqual(lock)
    expect(openMask(item)).toBeUndefined()
  })

  test.each(cases.filter((item) => item.valid === false))('does not open: $name', (item) => {
    expect(openMask(item)).toBe(item.reason)
  })

  function openMask({ channelId, index, lock, previous, current }: Case): string | undefined {
    const { publicKey, digest, receipt } = current
    if (!scheme.verify({ publicKey, digest, receipt })) return 'receipt'
    if (!equal(scheme.commit(receipt), current.commitment)) return 'commitment'
    const opened = scheme.unlock({ channelId, index, lock, receipt, previousCommitment: previous.commitment })
    return scheme.verify({ ...previous, receipt: opened }) ? undefined : 'opening'
  }
})

describe('a receipt', () => {
  test.each(transactions.filter(({ receipt }) => receipt !== undefined))('of $name', (item) => {
    const { lockScheme, signer, signerSecret, digest, receipt } = item
    const scheme = lockSchemes[lockScheme as keyof typeof lockSchemes]
    expect(scheme.sign(Schnorr.keyPair(signerSecret), digest)).toEqual(receipt)
    expect(scheme.verify({ publicKey: signer, digest, receipt })).toBe(true)
    expect(scheme.commit(receipt)).toEqual(item.commitment)
  })
})

describe('a saved transcript', () => {
  test.each(channels.filter((item) => item.valid === true))('$name', (item) => {
    expect(firstFault(item)).toBeUndefined()
  })

  test.each(channels.filter((item) => item.valid === false))('is refused: $name', ({ of, change, reason }) => {
    const whole = channels.find(({ name }) => name === of)!
    expect(firstFault({ ...whole, ...change })).toBe(reason)
  })
})

/** By another library than the backend of this process. */
function sumOf(left: Uint8Array, right: Uint8Array): Uint8Array {
  return secp256k1.Point.fromBytes(left).add(secp256k1.Point.fromBytes(right)).toBytes()
}

interface Segment {
  readonly base: bigint
  readonly unitPrice: bigint
  readonly length: number
  readonly anchor: Uint8Array
}

/** The procedure of docs/reference/settlement.md, step by step; the first thing that is wrong. */
function firstFault(channel: Case): string | undefined {
  const { commitment, grant, cores, transcripts, receipts } = channel
  const agreed = Terms.parse(channel.terms)
  if (!agreed.ok) return 'terms'
  const terms = agreed.value
  const channelId = Terms.channelId(channel.terms)
  if (!Attachment.verify({ terms: channel.terms, agreed: terms, commitment, grant })) return 'grant'

  const checkpointOf = (encoded: Uint8Array): Checkpoint.Checkpoint | undefined => {
    const checkpoint = Checkpoint.parse(encoded)
    const signed = checkpoint.ok && Checkpoint.verify(terms.channelKey, channelId, checkpoint.value)
    return signed ? checkpoint.value : undefined
  }
  const segments = new Map<number, Segment>()
  const { unitPrice, segmentLength: length, anchor } = terms
  segments.set(0, { base: 0n, unitPrice, length, anchor })
  const standings: Checkpoint.Checkpoint[] = []
  for (const encoded of channel.checkpoints) {
    const checkpoint = checkpointOf(encoded)
    if (checkpoint === undefined) return 'checkpoint'
    const { segment, index, amount: base, nextUnitPrice, nextLength, nextAnchor } = checkpoint
    const before = standings.at(-1) ?? { segment: 0, index: 0, amount: 0n }
    if (segment <= before.segment || index < before.index || base < before.amount) return 'checkpoint'
    if (base + BigInt(nextLength) * nextUnitPrice > terms.funds) return 'checkpoint'
    segments.set(segment, { base, unitPrice: nextUnitPrice, length: nextLength, anchor: nextAnchor })
    standings.push(checkpoint)
  }

  const scheme = lockSchemes[terms.lockScheme]
  const digests = [Transaction.openingDigest(Transaction.opening(terms, channelId))]
  const commitments = [commitment]
  const parsed: Transcript.Core[] = []
  let amount = 0n
  const amounts = [amount]
  let transcript = Transcript.first(channelId, commitment)
  if (!equal(transcript, transcripts[0])) return 'transcript 0'
  if (transcripts.length !== cores.length + 1 || receipts.length !== cores.length + 1) return 'count of payments'
  for (const [offset, encoded] of cores.entries()) {
    const index = offset + 1
    const core = Transcript.coreLayout(scheme.lockSize).parse(encoded)
    if (!core.ok) return `core ${index}`
    const transaction = Transaction.transactionLayout.parse(core.value.transaction)
    if (!transaction.ok) return `core ${index}`
    if (!equal(transaction.value.channelId, channelId)) return `channel of payment ${index}`
    if (transaction.value.index !== index) return `index of payment ${index}`
    const { step, coin } = core.value
    const segment = segments.get(core.value.segment)
    if (segment === undefined || step > segment.length) return `coin of payment ${index}`
    const isPaid =
      step === 0
        ? core.value.segment > 0 && isZero(coin)
        : equal(CoinChain.walk({ coin, steps: step, salt: terms.coinSalt }), segment.anchor)
    if (!isPaid) return `coin of payment ${index}`
    const paid = segment.base + BigInt(step) * segment.unitPrice
    if (transaction.value.amount !== paid || paid < amount || paid > terms.funds) return `amount of payment ${index}`
    amount = paid
    amounts.push(paid)
    transcript = Transcript.next(transcript, encoded)
    if (!equal(transcript, transcripts[index])) return `transcript ${index}`
    digests.push(Transaction.transactionDigest(core.value.transaction))
    commitments.push(core.value.commitment)
    parsed.push(core.value)
  }

  for (const checkpoint of standings) {
    const { index } = checkpoint
    if (index > cores.length || !equal(checkpoint.transcript, transcripts[index])) return 'checkpoint'
    if (checkpoint.amount < amounts[index]!) return 'checkpoint'
  }
  const last = checkpointOf(channel.lastCheckpoint)
  if (last === undefined || last.index !== cores.length || !equal(last.transcript, transcript)) return 'last checkpoint'
  if (last.amount < amount || last.amount > terms.funds) return 'last checkpoint'

  for (const [index, receipt] of receipts.entries()) {
    const publicKey = index === 0 ? terms.bank : terms.channelKey
    if (!equal(scheme.commit(receipt), commitments[index])) return `receipt ${index}`
    if (!scheme.verify({ publicKey, digest: digests[index]!, receipt })) return `receipt ${index}`
  }
  for (const [offset, { lock }] of parsed.entries()) {
    const index = offset + 1
    const [previous, receipt] = [receipts[offset], receipts[index]]
    if (!equal(scheme.lock({ channelId, index, previous, receipt }), lock)) return `lock ${index}`
  }
  return undefined
}
