import { equal } from '../../crypto/bytes.ts'
import { lockSchemes } from '../../crypto/locks.ts'
import * as Checkpoint from '../../wire/Checkpoint.ts'
import type * as Close from '../../wire/Close.ts'
import type * as Closing from '../../wire/Closing.ts'
import * as Transaction from '../../wire/Transaction.ts'
import * as Transcript from '../../wire/Transcript.ts'
import { type Refusal, refuse } from '../refusals.ts'
import { assessChannel, assessOwner, type BookedChannel } from './channel.ts'
import type { BankChannel } from './close.ts'

export interface ReleaseVerdict {
  readonly ok: true
  /**
   * `proven`: the checkpoint signs what the vendor claimed on, and `σ_n` is the one committed to: the record is `proven` if it
   * is not on the chain yet, and what was taken for a release withheld is given back. `kept`: it answers the closing left
   * here, and is looked at again when a claim brings `core_n`; a later one takes its place.
   */
  readonly standing: 'proven' | 'kept'
}

/**
 * Judges a release that is left at the bank, before a claim or after it: Design 3.7. After a claim it proves itself. Before
 * one nobody but the client knows what `σ_n` is: a vendor that has a checkpoint at `n` could leave rubbish in the client's
 * place, so that only the client's own account leaves it.
 */
export function assessRelease(args: {
  readonly release: Closing.Release
  readonly channel: BookedChannel
  /** The vendor's, if it left one here. */
  readonly closing: Closing.Closing | undefined
  /** Whose command it came in, if it came in one. */
  readonly account: Uint8Array | undefined
}): Refusal | ReleaseVerdict {
  const { release, channel, closing, account } = args
  const { terms, channelId, standing } = channel
  const elsewhere = assessChannel(release.channelId, channel)
  if (elsewhere !== undefined) return elsewhere
  const stranger = account && assessOwner(account, channel.account)
  if (stranger !== undefined) return stranger
  const parsed = Checkpoint.parse(release.checkpoint)
  if (!parsed.ok) return parsed
  const checkpoint = parsed.value
  const close = standing.status === 'closed' && standing.close.index > 0 ? standing.close : undefined
  const claimed = close !== undefined && standsAt(checkpoint, close)
  if (!claimed && (closing === undefined || closing.index === 0 || !standsAt(checkpoint, closing))) {
    return refuse('ReleaseInvalid', `no claim or closing here is over payment ${checkpoint.index} and its transcript`)
  }
  if (!Checkpoint.verify(terms.channelKey, channelId, checkpoint)) {
    return refuse('ReleaseInvalid', 'the checkpoint is not signed by the channel key')
  }
  if (claimed) {
    return isCommitted(release.receipt, close, channel)
      ? { ok: true, standing: 'proven' }
      : refuse('ReleaseInvalid', `the receipt is not the σ_${close.index} that the client committed to`)
  }
  return account === undefined
    ? refuse('ReleaseInvalid', 'before a claim over that payment, a release comes in a command of the client’s account')
    : { ok: true, standing: 'kept' }
}

function standsAt(
  { index, transcript }: Checkpoint.Checkpoint,
  last: { readonly index: number; readonly transcript: Uint8Array },
): boolean {
  return index === last.index && equal(transcript, last.transcript)
}

/** The client signed `t_n` and so `core_n`, which says what `σ_n` is. */
function isCommitted(receipt: Uint8Array, close: Close.SignedClose, { terms }: BankChannel): boolean {
  const scheme = lockSchemes[terms.lockScheme]
  const core = Transcript.coreLayout(scheme.lockSize).parse(close.core)
  if (!core.ok) return false
  const { commitment, transaction } = core.value
  const digest = Transaction.transactionDigest(transaction)
  return equal(scheme.commit(receipt), commitment) && scheme.verify({ publicKey: terms.channelKey, digest, receipt })
}
