import { equal } from '../../crypto/bytes.ts'
import { type Committed, lockSchemes } from '../../crypto/locks.ts'
import type * as BadOpening from '../../wire/BadOpening.ts'
import * as Checkpoint from '../../wire/Checkpoint.ts'
import * as Transaction from '../../wire/Transaction.ts'
import * as Transcript from '../../wire/Transcript.ts'
import { isReceipt } from '../receipts.ts'
import { type Refusal, refuse } from '../refusals.ts'
import { assessChannel } from './channel.ts'
import type { BankChannel } from './close.ts'
import type { Proven } from './equivocation.ts'

/**
 * Judges a lock that does not open: Design 3.7. The client's checkpoint signs `t_m`, which fixes every core up to `m`: so
 * commitments, lock and transactions are the client's own word. With `schnorr` they contradict each other by
 * `lk_i·G ≠ S_{i-1} + S_i`. With `ecdsa-xor` it takes `σ_i`: the one that `c_i` says, and what it unlocks is not `σ_{i-1}`.
 *
 * For lock 1 the other end is the bank's own: `Tx_0` and `c_0` are those of its books, which the transcript starts from.
 */
export function assessBadOpening(evidence: BadOpening.BadOpening, channel: BankChannel): Refusal | Proven {
  const { index, lockScheme } = evidence
  const { terms } = channel
  const elsewhere = assessChannel(evidence.channelId, channel)
  if (elsewhere !== undefined) return elsewhere
  if (lockScheme !== terms.lockScheme) {
    return refuse('EvidenceInvalid', `the channel has ${terms.lockScheme} locks, not ${lockScheme}`)
  }
  const uncovered = assessCover(evidence, channel)
  if (uncovered !== undefined) return uncovered
  const ends = readEnds(evidence, channel)
  if (!ends.ok) return ends
  const { previous, current, lock } = ends
  const scheme = lockSchemes[lockScheme]
  if (scheme.check !== undefined) {
    return scheme.check({ lock, previous, current })
      ? refuse('EvidenceInvalid', `lock ${index} holds`)
      : { ok: true, cause: 'badOpening' }
  }
  return assessUnlocked(evidence, channel, ends)
}

/** The client signed these cores, up to the last one, and no others. The signature comes before the hashes. */
function assessCover(evidence: BadOpening.BadOpening, channel: BankChannel): Refusal | undefined {
  const { index, cores, previousTranscript } = evidence
  const { terms, channelId, commitment } = channel
  const checkpoint = Checkpoint.parse(evidence.checkpoint)
  if (!checkpoint.ok) return checkpoint
  const last = (index === 1 ? 0 : index - 2) + cores.length
  if (checkpoint.value.index !== last) {
    return refuse(
      'EvidenceInvalid',
      `the checkpoint stands at payment ${checkpoint.value.index}, the cores end at ${last}`,
    )
  }
  if (!Checkpoint.verify(terms.channelKey, channelId, checkpoint.value)) {
    return refuse('EvidenceInvalid', 'the checkpoint is not signed by the channel key')
  }
  const first = index === 1 ? Transcript.first(channelId, commitment) : previousTranscript
  return equal(cores.reduce(Transcript.next, first), checkpoint.value.transcript)
    ? undefined
    : refuse('EvidenceInvalid', 'the cores do not lead to the transcript that the checkpoint signs')
}

interface Ends {
  readonly previous: Committed
  readonly current: Committed
  readonly lock: Uint8Array
}

function readEnds(evidence: BadOpening.BadOpening, channel: BankChannel): Refusal | (Ends & { readonly ok: true }) {
  const { index, cores } = evidence
  const { terms, channelId, commitment } = channel
  const [before, core] = index === 1 ? [undefined, cores[0]!] : [cores[0]!, cores[1]!]
  const current = readEnd(core, index, channel)
  if (!current.ok) return current
  const previous =
    before === undefined
      ? {
          ok: true as const,
          publicKey: terms.bank,
          digest: Transaction.openingDigest(Transaction.opening(terms, channelId)),
          commitment,
        }
      : readEnd(before, index - 1, channel)
  return previous.ok ? { ok: true, previous, current, lock: current.lock } : previous
}

/** What a core says of its receipt. It must be that payment's: a vendor makes up no payments. */
function readEnd(
  encoded: Uint8Array,
  index: number,
  { terms, channelId }: BankChannel,
): Refusal | (Committed & { readonly ok: true; readonly lock: Uint8Array }) {
  const core = Transcript.coreLayout(lockSchemes[terms.lockScheme].lockSize).parse(encoded)
  if (!core.ok) return core
  const { transaction, commitment, lock } = core.value
  const said = Transaction.transactionLayout.parse(transaction)
  if (!said.ok) return said
  if (!equal(said.value.channelId, channelId) || said.value.index !== index) {
    return refuse('EvidenceInvalid', `the core is not payment ${index} of this channel`)
  }
  return { ok: true, publicKey: terms.channelKey, digest: Transaction.transactionDigest(transaction), commitment, lock }
}

function assessUnlocked(evidence: BadOpening.BadOpening, channel: BankChannel, ends: Ends): Refusal | Proven {
  const { index, receipt } = evidence
  const { previous, current, lock } = ends
  const scheme = lockSchemes[channel.terms.lockScheme]
  if (!isReceipt(scheme, current, receipt)) {
    return refuse('EvidenceInvalid', `the receipt is not the σ_${index} that the client committed to`)
  }
  const { channelId } = channel
  const previousCommitment = previous.commitment
  const opened = scheme.unlock({ channelId, index, lock, receipt, previousCommitment })
  return isReceipt(scheme, previous, opened)
    ? refuse('EvidenceInvalid', `lock ${index} opens`)
    : { ok: true, cause: 'badOpening' }
}
