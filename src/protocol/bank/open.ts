import { equal, toHex } from '../../crypto/bytes.ts'
import { lockSchemes } from '../../crypto/locks.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import * as Open from '../../wire/Open.ts'
import * as Terms from '../../wire/Terms.ts'
import * as Transaction from '../../wire/Transaction.ts'
import { type Refusal, refuse } from '../refusals.ts'
import type { Rules } from './Rules.ts'

/** What the bank's books say about the two parties of a proposed channel. */
export interface Parties {
  readonly client: { readonly reputation: number; readonly balance: bigint } | undefined
  readonly vendor: { readonly reputation: number } | undefined
  /** Whether any channel ever had this channel key. */
  readonly channelKeySeen: boolean
}

/**
 * Decides on a proposal: what the terms say, then the signatures, then the books, which a stranger learns nothing of. A
 * repeated command never gets here: the books answer it as before.
 */
export function assessOpen(args: {
  readonly open: Open.Open & { readonly agreed: Terms.Terms }
  readonly bank: Uint8Array
  readonly rules: Rules
  readonly parties: Parties
  readonly now: UnixSeconds
}): Refusal | { readonly ok: true } {
  const { open, bank, rules, parties, now } = args
  const terms = open.agreed
  if (!equal(terms.bank, bank)) return refuse('BankMismatch', `the terms name bank ${toHex(terms.bank)}`)
  if (terms.network !== rules.network) {
    return refuse('NetworkMismatch', `the terms name ${terms.network}; this bank records on ${rules.network}`)
  }
  if (!rules.assets.includes(terms.asset)) {
    return refuse('AssetMismatch', `${terms.asset} is none of ${rules.assets.join(', ')}`)
  }
  if (open.validUntil < now)
    return refuse('CommandExpired', `the command was valid until ${open.validUntil}; it is ${now}`)
  const skew = terms.openedAt > now ? terms.openedAt - now : now - terms.openedAt
  if (skew > rules.openedWithin) {
    return refuse('ClockSkewed', `openedAt is ${skew} s from the bank's clock, which says ${now}`)
  }
  const life = terms.expiresAt - terms.openedAt
  if (life < rules.lifeMin || life > rules.lifeMax) {
    return refuse('LifeOutOfRange', `a life of ${life} s; ${rules.lifeMin} to ${rules.lifeMax} s are allowed`)
  }
  if (terms.graceSeconds < rules.graceMin || terms.graceSeconds > rules.graceMax) {
    return refuse(
      'LifeOutOfRange',
      `grace of ${terms.graceSeconds} s; ${rules.graceMin} to ${rules.graceMax} s are allowed`,
    )
  }
  if (terms.funds < rules.fundsMin)
    return refuse('FundsTooSmall', `${terms.funds} is below the minimum of ${rules.fundsMin}`)
  if (!Open.verify(open)) return refuse('SignatureInvalid', 'account and channel key both sign an opening')
  const { client, vendor } = parties
  if (client === undefined) return refuse('AccountUnknown', `account ${toHex(open.account)} is not registered`)
  if (vendor === undefined) return refuse('VendorUnknown', `vendor ${toHex(terms.vendor)} is not registered`)
  for (const [who, { reputation }] of Object.entries({ client, vendor })) {
    if (reputation <= rules.reputationAbove) {
      return refuse('ReputationTooLow', `the ${who} has ${reputation}; more than ${rules.reputationAbove} is needed`)
    }
  }
  if (parties.channelKeySeen) return refuse('ChannelKeyReused', 'a channel key serves one channel: make a fresh one')
  if (client.balance < terms.funds) {
    return refuse('BalanceTooLow', `the channel takes ${terms.funds}; the account has ${client.balance}`)
  }
  return { ok: true }
}

/** `σ_0` on `Tx_0`, its commitment and `γ`. Deterministic: asked again, the bank gives the same bytes, and `R_0` signs one message. */
export function grant(bank: Schnorr.KeyPair, encodedTerms: Uint8Array, terms: Terms.Terms): Open.Opened {
  const channelId = Terms.channelId(encodedTerms)
  const scheme = lockSchemes[terms.lockScheme]
  const receipt = scheme.sign(bank, Transaction.openingDigest(Transaction.opening(terms, channelId)))
  const commitment = scheme.commit(receipt)
  return { receipt, commitment, grant: Schnorr.sign(bank, Transaction.grantDigest(channelId, commitment)) }
}
