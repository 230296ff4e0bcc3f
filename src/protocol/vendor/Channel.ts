import type { Prefix } from '../../crypto/LockPrefix.ts'
import type { LockScheme } from '../../crypto/locks.ts'
import { lockSchemes } from '../../crypto/locks.ts'
import type * as Attachment from '../../wire/Attachment.ts'
import type { Amount } from '../../wire/amount.ts'
import { amount } from '../../wire/amount.ts'
import type { ChannelMacs } from '../../wire/mac.ts'
import { channelMacs } from '../../wire/mac.ts'
import type { Statement } from '../../wire/Statement.ts'
import * as Terms from '../../wire/Terms.ts'
import * as Transcript from '../../wire/Transcript.ts'
import { type Refusal, refuse } from '../refusals.ts'
import { firstSegment, type Segment } from './segments.ts'

/**
 * A channel as its vendor holds it. One record a channel, changed in place by the functions beside it and only after every
 * check has passed.
 *
 * | field | who may change it |
 * | --- | --- |
 * | `paid`, `segments`, `window` | `verdict.ts`, on a valid coin or checkpoint |
 * | `spent`, `reserved` | `credit.ts`, around a handler |
 * | `strikes`, `suspended` | `verdict.ts`, on a bad coin behind a valid MAC, or a checkpoint that contradicts the transcript |
 * | `locks`, `wrongLock` | `locks.ts`, sometime after the verdict; it may suspend as well |
 * | `phase` | `closing.ts` |
 * | `stale` | whoever loads it |
 *
 * Always: `spent + reserved ≤ paid ≤ funds`.
 */
export interface VendorChannel {
  readonly channelId: Uint8Array
  readonly attachment: Attachment.Attachment
  readonly terms: Terms.Terms
  readonly scheme: LockScheme
  readonly macs: ChannelMacs
  phase: 'open' | 'closing' | 'closed'
  /** Why nothing is accepted any more, if so. What was paid stays paid. */
  suspended: string | undefined
  /**
   * Its store came back from a backup since the channel was opened, and may have forgotten what it charged and stated. Nothing
   * is accepted, charged or stated any more; what the store has is claimed.
   */
  stale: boolean
  strikes: number
  paid: bigint
  spent: bigint
  reserved: bigint
  /** Ascending by number, each base at least what the segment before it proved; those no payment can need are dropped. Never empty. */
  segments: Segment[]
  readonly window: Window
  /** How far the locks of the prefix were verified; none before the first. */
  locks: Prefix | undefined
  /** i of the first lock found wrong. Whether there is one is found out again after a restart. */
  wrongLock: number | undefined
}

/** The indices: a contiguous prefix, and what came ahead of it. */
export interface Window {
  /** Every payment 1..contiguous is known. */
  contiguous: number
  /** t of the prefix. */
  transcript: Uint8Array
  /** amount of its last payment. */
  amount: bigint
  /** Payments known ahead of the prefix. */
  readonly ahead: Map<number, Accepted>
}

/** A payment that passed every check. */
export interface Accepted {
  readonly index: number
  readonly segment: number
  readonly amount: Amount
  readonly digest: Uint8Array
  readonly core: Uint8Array
}

/** Bad coins behind valid MACs that suspend a channel. */
export const strikesMax = 3

/** The channel that a valid attachment shows. `frameKey` is the secret of the vendor's frame key. */
export function create(
  attachment: Attachment.Attachment & { readonly agreed: Terms.Terms },
  frameKey: Uint8Array,
): VendorChannel {
  const { terms: encoded, commitment, grant, agreed: terms } = attachment
  const channelId = Terms.channelId(encoded)
  return {
    channelId,
    attachment: { terms: encoded, commitment, grant },
    terms,
    scheme: lockSchemes[terms.lockScheme],
    macs: channelMacs({ secret: frameKey, publicKey: terms.channelKey, channelId }),
    phase: 'open',
    suspended: undefined,
    stale: false,
    strikes: 0,
    paid: 0n,
    spent: 0n,
    reserved: 0n,
    segments: [firstSegment(terms)],
    window: {
      contiguous: 0,
      transcript: Transcript.first(channelId, commitment),
      amount: 0n,
      ahead: new Map(),
    },
    locks: undefined,
    wrongLock: undefined,
  }
}

/** A stale channel gets nothing more: a charge, or a second closing, could contradict one that was forgotten. */
export function assessFresh({ stale }: VendorChannel): Refusal | undefined {
  return stale ? refuse('ChannelClosed', 'the vendor’s store was restored since the channel was opened') : undefined
}

/** Nothing is accepted any more. What was found first is why. */
export function suspend(channel: VendorChannel, why: string): void {
  channel.suspended ??= why
}

/** `max(paid) − spent − reserved`. */
export function credit(channel: VendorChannel): bigint {
  return channel.paid - channel.spent - channel.reserved
}

/** What the vendor says of the channel, about payment `index` (0: about none). */
export function statement(channel: VendorChannel, index: number, charged: bigint): Statement {
  return {
    index,
    charged: amount(charged),
    spent: amount(channel.spent),
    paid: amount(channel.paid),
    credit: amount(credit(channel)),
    contiguous: channel.window.contiguous,
    segment: channel.segments.at(-1)!.number,
  }
}
