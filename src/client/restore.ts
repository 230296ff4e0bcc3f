import { Client } from '../protocol/index.ts'
import * as Open from '../wire/Open.ts'
import { RefusedError } from './errors.ts'
import type { ChannelState, StoredChannel, Today } from './journal/contract.ts'

/** A channel's state for the journal. */
export function stateOf(
  channel: Client.ClientChannel,
  kept: {
    readonly opened: Uint8Array
    readonly closing?: Uint8Array | undefined
    readonly release?: Uint8Array | undefined
    readonly today?: Today | undefined
  },
): ChannelState {
  const { number, base, unitPrice, length, index, step } = channel.segment
  return {
    opened: kept.opened,
    closing: kept.closing,
    release: kept.release,
    today: kept.today,
    index: channel.index,
    transcript: channel.transcript,
    receipt: channel.receipt,
    paid: channel.paid,
    segment: { number, base, unitPrice, length, index, step },
    checkpoint: channel.checkpoint,
    agreed: channel.agreed,
    acknowledged: channel.acknowledged,
    frozen: channel.frozen,
  }
}

/** The channel as the journal has it. */
export function restore(stored: StoredChannel & { readonly state: ChannelState }): Client.ClientChannel {
  const { state, terms, channelKey, channelSeed } = stored
  const opened = Open.parseOpened(state.opened)
  if (!opened.ok) throw new RefusedError(opened)
  const created = Client.create({ channelKey, channelSeed }, terms, opened.value)
  if (!created.ok) throw new RefusedError(created)
  const { channel } = created
  const { index, transcript, receipt, paid, checkpoint, agreed, acknowledged, frozen, segment } = state
  const { coinSalt } = channel.terms
  const spending = { ...Client.createSegment({ channelSeed, coinSalt }, segment), step: segment.step }
  return Object.assign(channel, {
    index,
    transcript,
    receipt,
    paid,
    checkpoint,
    agreed,
    acknowledged,
    // Until the vendor says what it charged, all that was paid counts as gone.
    settled: paid,
    frozen,
    segment: spending,
  })
}
