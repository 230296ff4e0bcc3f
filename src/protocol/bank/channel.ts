import { equal, toHex } from '../../crypto/bytes.ts'
import type { SignedClose } from '../../wire/Close.ts'
import { type Refusal, refuse } from '../refusals.ts'
import type { BankChannel } from './close.ts'

/**
 * A channel as the bank's books have it.
 *
 * ```mermaid
 * stateDiagram-v2
 *   [*] --> open: Open
 *   open --> closed: a claim, until the deadline
 *   open --> expired: after the deadline
 * ```
 * Whoever makes a transition does it as one compare-and-set on `open`: the decisions here say what may be, the books that it
 * happens once.
 */
export interface BookedChannel extends BankChannel {
  /** The client's. */
  readonly account: Uint8Array
  /** The uptime from which its grace counts, as `BankClock.graceFrom` gave it; absent before. */
  readonly graceFrom: bigint | undefined
  readonly standing: Standing
}

export type Standing =
  | { readonly status: 'open' }
  | { readonly status: 'closed'; readonly close: SignedClose; readonly settled: bigint }
  | { readonly status: 'expired' }

/** Evidence and commands name a channel; this is where it is compared with the one they are judged on. */
export function assessChannel(named: Uint8Array, { channelId }: Pick<BankChannel, 'channelId'>): Refusal | undefined {
  return equal(named, channelId) ? undefined : refuse('ChannelUnknown', `what came is about channel ${toHex(named)}`)
}

/** Some commands are the client's, some the vendor's; neither learns here who the other is. */
export function assessOwner(account: Uint8Array, owner: Uint8Array): Refusal | undefined {
  return equal(account, owner) ? undefined : refuse('ChannelNotYours', 'the channel belongs to another account')
}
