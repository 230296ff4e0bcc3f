import { concat } from '../../crypto/bytes.ts'
import { taggedHash } from '../../crypto/hash.ts'
import type { LockSchemeName } from '../../crypto/locks.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import type { Amount, UnixSeconds } from '../../wire/amount.ts'
import { version } from '../../wire/kinds.ts'
import * as Open from '../../wire/Open.ts'
import * as Terms from '../../wire/Terms.ts'
import { type ChannelSecrets, createSegment } from './Channel.ts'

/** What the client decides, and what it learnt from the vendor's offer. */
export interface Proposal {
  readonly lockScheme: LockSchemeName
  readonly funds: Amount
  readonly unitPrice: Amount
  readonly segmentLength: number
  readonly openedAt: UnixSeconds
  readonly expiresAt: UnixSeconds
  readonly graceSeconds: number
  readonly network: string
  readonly asset: string
  readonly bank: Uint8Array
  readonly vendor: Uint8Array
  readonly vendorFrameKey: Uint8Array
  readonly clientIdentity: Uint8Array
  readonly vendorIdentity: Uint8Array
  readonly validUntil: UnixSeconds
}

/** Fresh randomness for one channel. */
export interface Entropy extends ChannelSecrets {
  /** 16 bytes. */
  readonly coinSalt: Uint8Array
  /** Id of the command, 16 bytes. */
  readonly commandId: Uint8Array
}

/** The command that asks the bank for a channel. Pure: the caller stores `entropy` before the command leaves. */
export function propose(
  account: Schnorr.KeyPair,
  proposal: Proposal,
  entropy: Entropy,
): { readonly terms: Uint8Array; readonly open: Open.Open } {
  const channel = Schnorr.keyPair(entropy.channelKey)
  const { unitPrice, segmentLength: length } = proposal
  const { coins } = createSegment(entropy, { number: 0, base: 0n, unitPrice, length, index: 0 })
  const terms = Terms.encode({
    ...proposal,
    version,
    coinSalt: entropy.coinSalt,
    channelKey: channel.publicKey,
    anchor: coins[0]!,
  })
  const open = Open.sign({ account, channel }, { id: entropy.commandId, validUntil: proposal.validUntil, terms })
  return { terms, open }
}

const hashIdentity = taggedHash('lockstep/identity')

const hashSalt = taggedHash('lockstep/identity-salt')

/**
 * O_C of one channel. Its salt derives from the channel's seed: with the same one for all of them, vendors could tell that two
 * channels are one client's.
 */
export function channelIdentity(channelSeed: Uint8Array, information: Uint8Array): Uint8Array {
  return commitIdentity(hashSalt(channelSeed), information)
}

/** O_C or O_V: a commitment to identity information that says nothing without its 32-byte salt. */
export function commitIdentity(salt: Uint8Array, information: Uint8Array): Uint8Array {
  return hashIdentity(concat(salt, information))
}
