/** One channel from its opening to its close, in either lock scheme: what most vectors are taken from. */

import { concat, utf8 } from '../../src/crypto/bytes.ts'
import * as CoinChain from '../../src/crypto/CoinChain.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { type LockSchemeName, lockSchemes } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import type * as Frame from '../../src/wire/Frame.ts'
import { version } from '../../src/wire/kinds.ts'
import { type ChannelMacs, channelMacs } from '../../src/wire/mac.ts'
import type * as Open from '../../src/wire/Open.ts'
import * as Terms from '../../src/wire/Terms.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'

/** `SHA-256("lockstep vector: " ‖ label)`: every secret, salt and digest of the vectors. */
export function seed(label: string): Uint8Array {
  return sha256(utf8(`lockstep vector: ${label}`))
}

type Role = 'bank' | 'account' | 'channelKey' | 'vendor' | 'vendorFrameKey'

export interface Segment {
  readonly number: number
  readonly base: bigint
  readonly unitPrice: bigint
  readonly length: number
  readonly seed: Uint8Array
  /** w_0 … w_length. */
  readonly coins: readonly Uint8Array[]
}

interface Payment {
  readonly transaction: Transaction.Transaction
  readonly core: Transcript.Core
  readonly frame: Frame.Payment
  /** σ_i. */
  readonly receipt: Uint8Array
  /** t_i. */
  readonly transcript: Uint8Array
}

export interface Story {
  readonly scheme: LockSchemeName
  readonly keys: Readonly<Record<Role, Schnorr.KeyPair>>
  readonly channelSeed: Uint8Array
  readonly terms: Terms.Terms
  readonly encodedTerms: Uint8Array
  readonly channelId: Uint8Array
  readonly opening: Transaction.Opening
  readonly opened: Open.Opened
  readonly macs: ChannelMacs
  readonly segments: readonly Segment[]
  readonly payments: readonly Payment[]
  readonly ticks: readonly Frame.Tick[]
  /** The first is made after payment 2 and itself pays payment 3, the last stands at n. */
  readonly checkpoints: readonly Checkpoint.SignedCheckpoint[]
}

const length = 8
const openedAt = 1_767_225_600n

/** Payments 1 and 2 by coins with a tick between, 3 by a checkpoint alone, 4 and a tick by coins of its segment. */
export function tell(scheme: LockSchemeName): Story {
  const secret = (role: Role): Schnorr.KeyPair => Schnorr.keyPair(seed(`${scheme} ${role}`))
  const keys = {
    bank: secret('bank'),
    account: secret('account'),
    channelKey: secret('channelKey'),
    vendor: secret('vendor'),
    vendorFrameKey: secret('vendorFrameKey'),
  }
  const channelSeed = seed(`${scheme} channelSeed`)
  const coinSalt = seed(`${scheme} coinSalt`).slice(0, 16)
  const first = createSegment(channelSeed, coinSalt, { number: 0, base: 0n, unitPrice: 20n, length })
  const terms: Terms.Terms = {
    version,
    lockScheme: scheme,
    segmentLength: length,
    graceSeconds: 86_400,
    funds: amount(1_000_000n),
    unitPrice: amount(20n),
    openedAt: unixSeconds(openedAt),
    expiresAt: unixSeconds(openedAt + 604_800n),
    coinSalt,
    network: 'eip155:31337',
    asset: 'USD/6',
    bank: keys.bank.publicKey,
    channelKey: keys.channelKey.publicKey,
    vendor: keys.vendor.publicKey,
    vendorFrameKey: keys.vendorFrameKey.publicKey,
    anchor: first.coins[0]!,
    clientIdentity: seed(`${scheme} clientIdentity`),
    vendorIdentity: seed(`${scheme} vendorIdentity`),
  }
  const encodedTerms = Terms.encode(terms)
  const channelId = Terms.channelId(encodedTerms)
  const opening = {
    channelId,
    funds: terms.funds,
    openedAt: terms.openedAt,
    clientIdentity: terms.clientIdentity,
    vendorIdentity: terms.vendorIdentity,
  }
  const opened = grant(scheme, keys.bank, opening)
  const channel = { scheme, channelId, key: keys.channelKey }

  let last: Last = { receipt: opened.receipt, transcript: Transcript.first(channelId, opened.commitment) }
  const payments: Payment[] = []
  const pay = (segment: Segment, step: number): Last => {
    const payment = purchase(channel, segment, step, payments.length + 1, last)
    payments.push(payment)
    last = payment
    return payment
  }
  const checkpoints: Checkpoint.SignedCheckpoint[] = []
  const check = (paid: bigint, next: Omit<Segment, 'seed' | 'base'>): void => {
    const { number: segment, unitPrice, length: nextLength, coins } = next
    const body = { segment, index: payments.length, amount: amount(paid), transcript: last.transcript }
    const after = { nextAnchor: coins[0]!, nextUnitPrice: amount(unitPrice), nextLength }
    checkpoints.push(Checkpoint.sign(keys.channelKey, channelId, { ...body, ...after }))
  }

  pay(first, 1)
  pay(first, 4)
  const second = createSegment(channelSeed, coinSalt, { number: 1, base: 50_080n, unitPrice: 7n, length })
  check(50_080n, second)
  pay(second, 0)
  pay(second, 5)
  check(50_136n, { number: 2, unitPrice: 7n, length: 0, coins: [new Uint8Array(32)] })

  const reference = Terms.reference(channelId)
  return {
    scheme,
    keys,
    channelSeed,
    terms,
    encodedTerms,
    channelId,
    opening,
    opened,
    macs: channelMacs({ secret: keys.channelKey.secret, publicKey: keys.vendorFrameKey.publicKey, channelId }),
    segments: [first, second],
    payments,
    ticks: [
      { reference, segment: 0, step: 3, coin: first.coins[3]! },
      { reference, segment: 1, step: 8, coin: second.coins[8]! },
    ],
    checkpoints,
  }
}

type Last = Pick<Payment, 'receipt' | 'transcript'>

export function createSegment(
  channelSeed: Uint8Array,
  salt: Uint8Array,
  segment: Pick<Segment, 'number' | 'base' | 'unitPrice' | 'length'>,
): Segment {
  const start = CoinChain.segmentSeed({ channelSeed, segment: segment.number, ...segment })
  return { ...segment, seed: start, coins: CoinChain.create({ seed: start, length: segment.length, salt }) }
}

function grant(scheme: LockSchemeName, bank: Schnorr.KeyPair, opening: Transaction.Opening): Open.Opened {
  const encoded = Transaction.openingLayout.encode(opening)
  const receipt = lockSchemes[scheme].sign(bank, Transaction.openingDigest(encoded))
  const commitment = lockSchemes[scheme].commit(receipt)
  return { receipt, commitment, grant: Schnorr.sign(bank, Transaction.grantDigest(opening.channelId, commitment)) }
}

function purchase(
  channel: { readonly scheme: LockSchemeName; readonly channelId: Uint8Array; readonly key: Schnorr.KeyPair },
  segment: Segment,
  step: number,
  index: number,
  last: Last,
): Payment {
  const { channelId, key } = channel
  const scheme = lockSchemes[channel.scheme]
  const digest = seed(`${scheme.name} purchase ${index}`)
  const transaction: Transaction.Transaction = {
    channelId,
    index,
    amount: amount(segment.base + BigInt(step) * segment.unitPrice),
    paidAt: unixSeconds(openedAt + 60n * BigInt(index)),
    digest,
  }
  const encoded = Transaction.encode(transaction)
  const receipt = scheme.sign(key, Transaction.transactionDigest(encoded))
  const core: Transcript.Core = {
    transaction: encoded,
    segment: segment.number,
    step,
    coin: step === 0 ? new Uint8Array(32) : segment.coins[step]!,
    commitment: scheme.commit(receipt),
    lock: scheme.lock({ channelId, index, previous: last.receipt, receipt }),
  }
  const { coin, commitment, lock } = core
  const frame: Frame.Payment = {
    reference: Terms.reference(channelId),
    segment: segment.number,
    step,
    index,
    paidAt: transaction.paidAt,
    digest,
    coin,
    commitment,
    lock,
  }
  return { transaction, core, frame, receipt, transcript: Transcript.next(last.transcript, Transcript.encode(core)) }
}

/** The bytes with some of them replaced. */
export function patch(bytes: Uint8Array, offset: number, replacement: Uint8Array): Uint8Array {
  return concat(bytes.subarray(0, offset), replacement, bytes.subarray(offset + replacement.length))
}

/** The bytes with one bit changed. */
export function flip(bytes: Uint8Array, offset: number): Uint8Array {
  return patch(bytes, offset, Uint8Array.of(bytes[offset]! ^ 1))
}
