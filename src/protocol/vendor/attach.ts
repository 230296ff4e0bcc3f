import { equal, toHex } from '../../crypto/bytes.ts'
import type { LockSchemeName } from '../../crypto/locks.ts'
import * as Attachment from '../../wire/Attachment.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import type { Terms } from '../../wire/Terms.ts'
import { type Refusal, refuse } from '../refusals.ts'

/** What a vendor accepts channels for. */
export interface Acceptance {
  /** Banks the vendor trusts to honour their grants. */
  readonly banks: readonly Uint8Array[]
  readonly vendor: Uint8Array
  readonly vendorFrameKey: Uint8Array
  readonly network: string
  readonly asset: string
  readonly lockSchemes: readonly LockSchemeName[]
  /** Seconds a channel must still live when it is first shown. */
  readonly lifeMin: bigint
  readonly graceMin: number
}

/** A valid attachment, as Design 3.1 says, checked in that order but for γ, the one signature, which comes last. */
export function assessAttachment(
  attachment: Attachment.Attachment & { readonly agreed: Terms },
  acceptance: Acceptance,
  now: UnixSeconds,
): Refusal | { readonly ok: true } {
  const terms = attachment.agreed
  if (!acceptance.banks.some((bank) => equal(bank, terms.bank))) {
    return refuse('BankUnknown', `the channel is at bank ${toHex(terms.bank)}, which this vendor does not name`)
  }
  if (!equal(terms.vendor, acceptance.vendor)) return refuse('VendorMismatch', 'the channel names another vendor key')
  if (!equal(terms.vendorFrameKey, acceptance.vendorFrameKey)) {
    return refuse('VendorMismatch', 'the channel names another frame key')
  }
  if (terms.asset !== acceptance.asset) {
    return refuse('AssetMismatch', `the channel holds ${terms.asset}; this vendor takes ${acceptance.asset}`)
  }
  if (terms.network !== acceptance.network) {
    return refuse('NetworkMismatch', `the channel is on ${terms.network}; this vendor is on ${acceptance.network}`)
  }
  if (!acceptance.lockSchemes.includes(terms.lockScheme)) {
    return refuse('LockSchemeUnsupported', `${terms.lockScheme} is none of ${acceptance.lockSchemes.join(', ')}`)
  }
  const life = terms.expiresAt - now
  if (life < acceptance.lifeMin) {
    return refuse('LifeTooShort', `the channel lives ${life} s more; at least ${acceptance.lifeMin} s are needed`)
  }
  if (terms.graceSeconds < acceptance.graceMin) {
    return refuse('GraceTooShort', `grace of ${terms.graceSeconds} s; at least ${acceptance.graceMin} s are needed`)
  }
  return Attachment.verify(attachment) ? { ok: true } : refuse('GrantInvalid', 'the grant is not the bank’s signature')
}
