import { equal } from '../../crypto/bytes.ts'
import * as CoinChain from '../../crypto/CoinChain.ts'
import { lockSchemes } from '../../crypto/locks.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import { amount } from '../../wire/amount.ts'
import * as Checkpoint from '../../wire/Checkpoint.ts'
import * as Close from '../../wire/Close.ts'
import type * as Record from '../../wire/Record.ts'
import * as Terms from '../../wire/Terms.ts'
import * as Transaction from '../../wire/Transaction.ts'
import * as Transcript from '../../wire/Transcript.ts'
import { type Refusal, refuse } from '../refusals.ts'
import * as BankClock from './BankClock.ts'

/** An open channel as the bank holds it. */
export interface BankChannel {
  readonly channelId: Uint8Array
  readonly terms: Terms.Terms
  /** c_0. */
  readonly commitment: Uint8Array
  /** σ_0. */
  readonly receipt: Uint8Array
}

export interface Settlement {
  readonly ok: true
  /** To the vendor. */
  readonly settled: bigint
  /** To the client. `settled + refund = funds`. */
  readonly refund: bigint
  readonly record: Omit<Record.Record, 'salt'>
}

/**
 * Decides a claim on an open channel: Design 3.7. That the channel is open, the caller's compare-and-set makes sure of.
 * `now` is `BankClock.timeOf` this channel, so that a claim is in time exactly while an expiry is not.
 */
export function assessClose(close: Close.SignedClose, channel: BankChannel, now: UnixSeconds): Refusal | Settlement {
  const { terms, channelId } = channel
  if (!equal(close.channelId, channelId)) return refuse('ChannelUnknown', 'the claim names another channel')
  const deadline = BankClock.deadline(terms)
  if (now > deadline) return refuse('DeadlinePassed', `claims were taken until ${deadline}; it is ${now}`)
  if (!Close.verify(terms.vendor, close)) return refuse('SignatureInvalid', 'the claim is not signed by the vendor')

  const last = assessLast(close, channel)
  if (!last.ok) return last
  const evidence = assessEvidence(close, channel, last.transaction)
  if (!evidence.ok) return evidence
  const limit = evidence.proven < terms.funds ? evidence.proven : terms.funds
  if (close.amount > limit)
    return refuse('AmountUnproven', `the claim is ${close.amount}; its evidence proves ${limit}`)

  return {
    ok: true,
    settled: close.amount,
    refund: terms.funds - close.amount,
    record: {
      channelId,
      opening: Transaction.opening(terms, channelId),
      last: last.encoded,
      settled: amount(close.amount),
      basis: evidence.basis,
    },
  }
}

type Last =
  | { readonly ok: true; readonly encoded: Uint8Array; readonly transaction: Transaction.Transaction | undefined }
  | Refusal

/** `core_n` belongs to this channel and index, and carries `t_{n-1}` to `t_n`. */
function assessLast(close: Close.SignedClose, channel: BankChannel): Last {
  const { channelId, commitment, terms } = channel
  if (close.index === 0) {
    const empty = close.core.length === 0 && equal(close.transcript, Transcript.first(channelId, commitment))
    if (!empty) return refuse('EvidenceInvalid', 'a channel without payments has no core, and t_0 as its transcript')
    return { ok: true, encoded: new Uint8Array(Transaction.transactionLayout.size), transaction: undefined }
  }
  const core = Transcript.coreLayout(lockSchemes[terms.lockScheme].lockSize).parse(close.core)
  if (!core.ok) return core
  const transaction = Transaction.transactionLayout.parse(core.value.transaction)
  if (!transaction.ok) return transaction
  if (!equal(transaction.value.channelId, channelId) || transaction.value.index !== close.index) {
    return refuse('EvidenceInvalid', `the core is not payment ${close.index} of this channel`)
  }
  if (!equal(Transcript.next(close.previousTranscript, close.core), close.transcript)) {
    return refuse('EvidenceInvalid', 'the transcript before the core does not lead to the one after it')
  }
  return { ok: true, encoded: core.value.transaction, transaction: transaction.value }
}

type Proof = { readonly ok: true; readonly proven: bigint; readonly basis: Record.Record['basis'] } | Refusal

function assessEvidence(
  close: Close.SignedClose,
  channel: BankChannel,
  last: Transaction.Transaction | undefined,
): Proof {
  const { evidence } = close
  switch (evidence.kind) {
    case 'none':
      return { ok: true, proven: 0n, basis: 'claimed' }
    case 'coins':
      return assessCoins(close, channel, evidence)
    case 'receipts': {
      if (last === undefined) return refuse('EvidenceInvalid', 'a channel without payments has no last receipt')
      const { terms, receipt } = channel
      const digest = Transaction.transactionDigest(Transaction.encode(last))
      const signed = lockSchemes[terms.lockScheme].verify({
        publicKey: terms.channelKey,
        digest,
        receipt: evidence.last,
      })
      if (!equal(evidence.first, receipt)) return refuse('EvidenceInvalid', 'σ_0 is not the one this bank gave')
      if (!signed) return refuse('EvidenceInvalid', 'σ_n is not the channel key’s signature on Tx_n')
      return { ok: true, proven: last.amount, basis: 'proven' }
    }
  }
}

function assessCoins(
  close: Close.SignedClose,
  channel: BankChannel,
  evidence: Close.Evidence & { readonly kind: 'coins' },
): Proof {
  const { terms, channelId } = channel
  let segment = { base: 0n, unitPrice: terms.unitPrice as bigint, length: terms.segmentLength, anchor: terms.anchor }
  let basis: Record.Record['basis'] = 'claimed'
  if (evidence.checkpoint !== undefined) {
    const checkpoint = Checkpoint.parse(evidence.checkpoint)
    if (!checkpoint.ok) return checkpoint
    const { amount: base, nextUnitPrice: unitPrice, nextLength: length, nextAnchor: anchor } = checkpoint.value
    if (
      !equal(checkpoint.value.reference, Terms.reference(channelId)) ||
      !Checkpoint.verify(terms.channelKey, channelId, checkpoint.value)
    ) {
      return refuse('EvidenceInvalid', 'the checkpoint is not signed by the channel key')
    }
    if (base + BigInt(length) * unitPrice > terms.funds) {
      return refuse('EvidenceInvalid', `the checkpoint opens a segment past the ${terms.funds} in the channel`)
    }
    segment = { base, unitPrice, length, anchor }
    if (checkpoint.value.index === close.index && equal(checkpoint.value.transcript, close.transcript)) basis = 'proven'
  }
  if (evidence.step > segment.length) {
    return refuse('EvidenceInvalid', `coin ${evidence.step} of a segment of ${segment.length}`)
  }
  if (evidence.step > 0) {
    const anchor = CoinChain.walk({ coin: evidence.coin, steps: evidence.step, salt: terms.coinSalt })
    if (!equal(anchor, segment.anchor)) return refuse('EvidenceInvalid', 'the coin does not hash to its anchor')
  }
  return { ok: true, proven: segment.base + BigInt(evidence.step) * segment.unitPrice, basis }
}
