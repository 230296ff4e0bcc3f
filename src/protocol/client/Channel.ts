import { equal } from '../../crypto/bytes.ts'
import * as CoinChain from '../../crypto/CoinChain.ts'
import { type LockScheme, lockSchemes } from '../../crypto/locks.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import * as Attachment from '../../wire/Attachment.ts'
import type { ChannelMacs } from '../../wire/mac.ts'
import { channelMacs } from '../../wire/mac.ts'
import type * as Open from '../../wire/Open.ts'
import type { Statement } from '../../wire/Statement.ts'
import * as Terms from '../../wire/Terms.ts'
import * as Transaction from '../../wire/Transaction.ts'
import * as Transcript from '../../wire/Transcript.ts'
import { assert } from '../assert.ts'
import { type Refusal, refuse } from '../refusals.ts'

/** What only the client holds. Random, and left out of backups: Design 3.1. */
export interface ChannelSecrets {
  /** Secret of the channel key. */
  readonly channelKey: Uint8Array
  /** Every segment's seed derives from it. */
  readonly channelSeed: Uint8Array
}

/** The segment being spent. */
export interface Spending {
  readonly number: number
  /** A. */
  readonly base: bigint
  readonly unitPrice: bigint
  readonly length: number
  /** i of the last payment made before it. */
  readonly index: number
  /** w_0 … w_length. */
  readonly coins: readonly Uint8Array[]
  /** j of the last coin revealed. */
  step: number
}

/**
 * A channel as its client holds it. Changed in place by `pay.ts` and `release.ts`; whoever calls them stores the result
 * before anything leaves the process.
 *
 * Always: `acknowledged ≤ agreed`, `acknowledged ≤ paid ≤ funds`, `index − segment.index ≤ 1,024`.
 */
export interface ClientChannel {
  readonly channelId: Uint8Array
  readonly attachment: Attachment.Attachment
  readonly terms: Terms.Terms
  readonly scheme: LockScheme
  readonly key: Schnorr.KeyPair
  readonly channelSeed: Uint8Array
  readonly macs: ChannelMacs
  /** i of the last payment made. */
  index: number
  /** t_i. */
  transcript: Uint8Array
  /** σ_i, at first the bank's σ_0. */
  receipt: Uint8Array
  /** All that the coins and checkpoints revealed are worth. A revealed coin counts as spent. */
  paid: bigint
  segment: Spending
  /** The last checkpoint, sent along until a statement acknowledges its segment. */
  checkpoint: Uint8Array | undefined
  /** The most that the client agreed to be charged so far. */
  agreed: bigint
  /** What the vendor says it charged. */
  acknowledged: bigint
  /**
   * What payments that were answered were charged. Differs from `acknowledged` by what payments under way were charged so
   * far, which stays promised to them. All of `paid` after a restart, until the vendor says more.
   */
  settled: bigint
  /** Prices of payments whose answer has not come: index → price. A stream's last payment holds what the stream still may cost. */
  readonly outstanding: Map<number, bigint>
  /** In streams: index → the payment that took over from it, both outstanding. */
  readonly successors: Map<number, number>
  /** Why nothing is signed any more, if so. */
  frozen: string | undefined
}

/** Segment `number` of a channel, its coins made from the channel's seed. */
export function createSegment(
  channel: { readonly channelSeed: Uint8Array; readonly coinSalt: Uint8Array },
  segment: Pick<Spending, 'number' | 'base' | 'unitPrice' | 'length' | 'index'>,
): Spending {
  const { number, base, unitPrice, length } = segment
  const seed = CoinChain.segmentSeed({ channelSeed: channel.channelSeed, segment: number, base, unitPrice, length })
  return { ...segment, coins: CoinChain.create({ seed, length, salt: channel.coinSalt }), step: 0 }
}

/**
 * The channel that the bank's answer opens. `σ_0` is verified against `Tx_0` and `c_0`, and `γ` against both, before anything
 * is signed over them.
 */
export function create(
  secrets: ChannelSecrets,
  encodedTerms: Uint8Array,
  opened: Open.Opened,
): Refusal | { readonly ok: true; readonly channel: ClientChannel } {
  const agreed = Terms.parse(encodedTerms)
  if (!agreed.ok) return agreed
  const terms = agreed.value
  const channelId = Terms.channelId(encodedTerms)
  const scheme = lockSchemes[terms.lockScheme]
  const digest = Transaction.openingDigest(Transaction.opening(terms, channelId))
  const attachment = { terms: encodedTerms, commitment: opened.commitment, grant: opened.grant }
  if (!equal(scheme.commit(opened.receipt), opened.commitment)) {
    return refuse('SignatureInvalid', 'the bank committed to another receipt than it gave')
  }
  if (!scheme.verify({ publicKey: terms.bank, digest, receipt: opened.receipt })) {
    return refuse('SignatureInvalid', 'the bank’s receipt does not sign this opening')
  }
  if (!Attachment.verify({ ...attachment, agreed: terms })) {
    return refuse('GrantInvalid', 'the grant is not the bank’s signature')
  }
  const { channelSeed } = secrets
  const { coinSalt, unitPrice, segmentLength } = terms
  const key = Schnorr.keyPair(secrets.channelKey)
  assert(equal(key.publicKey, terms.channelKey), 'a channel’s secrets are those of its terms')
  const channel: ClientChannel = {
    channelId,
    attachment,
    terms,
    scheme,
    key,
    channelSeed,
    macs: channelMacs({ secret: key.secret, publicKey: terms.vendorFrameKey, channelId }),
    index: 0,
    transcript: Transcript.first(channelId, opened.commitment),
    receipt: opened.receipt,
    paid: 0n,
    segment: createSegment(
      { channelSeed, coinSalt },
      { number: 0, base: 0n, unitPrice, length: segmentLength, index: 0 },
    ),
    checkpoint: undefined,
    agreed: 0n,
    acknowledged: 0n,
    settled: 0n,
    outstanding: new Map(),
    successors: new Map(),
    frozen: undefined,
  }
  return { ok: true, channel }
}

/** Credit as the client sees it: what is paid and neither charged for good nor promised to a payment under way. */
export function credit(channel: ClientChannel): bigint {
  let promised = 0n
  for (const price of channel.outstanding.values()) promised += price
  return channel.paid - channel.settled - promised
}

/**
 * Takes in what the vendor says. Statements may arrive in any order; what they count only grows. A vendor that charges more
 * than was agreed freezes the channel: nothing more is signed on it.
 */
export function acknowledge(channel: ClientChannel, statement: Statement): Refusal | { readonly ok: true } {
  const price = channel.outstanding.get(statement.index)
  const previous = predecessor(channel, statement.index)
  // What the payment before it in a stream has left is known when that one is answered: until then the totals are the limit.
  if (price !== undefined && previous === undefined && statement.charged > price) {
    return freeze(channel, `payment ${statement.index} was charged ${statement.charged} instead of at most ${price}`)
  }
  if (statement.spent > channel.agreed) {
    return freeze(channel, `the vendor charged ${statement.spent} in all; ${channel.agreed} was agreed to`)
  }
  if (statement.paid > channel.paid) {
    return freeze(channel, `the vendor says ${statement.paid} was paid; it was ${channel.paid}`)
  }
  // What was agreed to and then not charged is agreed to again: the sum of it may be more than was ever paid.
  if (statement.spent > channel.paid) {
    return freeze(channel, `the vendor charged ${statement.spent} in all; ${channel.paid} was paid`)
  }
  if (statement.spent > channel.acknowledged) channel.acknowledged = statement.spent
  if (price !== undefined) {
    channel.settled += statement.charged
    settle(channel, { index: statement.index, previous, left: price - statement.charged })
  }
  // With nothing under way, what the vendor charged is what was charged for good: so it is known again after a restart.
  if (channel.outstanding.size === 0) channel.settled = channel.acknowledged
  if (channel.checkpoint !== undefined && statement.segment >= channel.segment.number) channel.checkpoint = undefined
  return { ok: true }
}

/**
 * A payment is answered. What a stream's payment has left, or took of what the one before it has left, goes to the one that
 * took over; otherwise it is credit.
 */
function settle(
  { outstanding, successors }: ClientChannel,
  answered: { readonly index: number; readonly previous: number | undefined; readonly left: bigint },
): void {
  const { index, previous, left } = answered
  const successor = successors.get(index)
  outstanding.delete(index)
  successors.delete(index)
  if (successor !== undefined) outstanding.set(successor, outstanding.get(successor)! + left)
  if (previous === undefined) return
  if (successor === undefined) successors.delete(previous)
  else successors.set(previous, successor)
}

/** The payment that `index` took over from, as long as that one is outstanding. */
function predecessor({ successors }: ClientChannel, index: number): number | undefined {
  for (const [previous, next] of successors) if (next === index) return previous
  return undefined
}

function freeze(channel: ClientChannel, detail: string): Refusal {
  channel.frozen = detail
  return refuse('ClosingDisputed', detail)
}
