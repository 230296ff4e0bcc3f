import { lockSchemes } from '../../crypto/locks.ts'
import type * as Equivocation from '../../wire/Equivocation.ts'
import * as Transaction from '../../wire/Transaction.ts'
import { type Refusal, refuse } from '../refusals.ts'
import { assessChannel } from './channel.ts'
import type { BankChannel } from './close.ts'

/** A fraud of the client that stands proven. It scores once a channel, which `Reputation.step` sees to. */
export interface Proven {
  readonly ok: true
  readonly cause: 'badOpening' | 'equivocation'
}

/**
 * Judges two receipts on different transactions of one payment: Design 3.7. A client signs one `Tx_i` for each `i` and
 * stores it before it sends it, so that only one that cheats, or went on after an old backup, ever signed two.
 */
export function assessEquivocation(
  evidence: Equivocation.Equivocation & { readonly channelId: Uint8Array; readonly index: number },
  channel: BankChannel,
): Refusal | Proven {
  const elsewhere = assessChannel(evidence.channelId, channel)
  if (elsewhere !== undefined) return elsewhere
  const { channelKey: publicKey, lockScheme } = channel.terms
  for (const { transaction, receipt } of [evidence.first, evidence.second]) {
    const digest = Transaction.transactionDigest(transaction)
    if (!lockSchemes[lockScheme].verify({ publicKey, digest, receipt })) {
      return refuse('EvidenceInvalid', `a receipt is not the channel key’s signature on its Tx_${evidence.index}`)
    }
  }
  return { ok: true, cause: 'equivocation' }
}
