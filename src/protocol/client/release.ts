import { equal } from '../../crypto/bytes.ts'
import * as Closing from '../../wire/Closing.ts'
import { type Refusal, refuse } from '../refusals.ts'
import type { ClientChannel } from './Channel.ts'
import { signCheckpoint } from './pay.ts'

/**
 * Answers the vendor's closing with `σ_n` and the final checkpoint; every receipt unlocks. There is none to release where no
 * payment was made. Refuses, and gives nothing, where the closing is not the vendor's, counts other payments than were made,
 * or charges more than was agreed.
 *
 * The channel signs nothing afterwards; the same closing gets the same bytes.
 */
export function answer(
  channel: ClientChannel,
  closing: Closing.Closing,
): Refusal | { readonly ok: true; readonly release: Uint8Array | undefined } {
  const disputed = takeClosing(channel, closing)
  if (disputed !== undefined) return disputed
  if (channel.index === 0) return { ok: true, release: undefined }
  const checkpoint = signCheckpoint(channel, {
    number: channel.segment.number + 1,
    amount: channel.paid,
    anchor: new Uint8Array(32),
    length: 0,
  })
  const { channelId, receipt } = channel
  return { ok: true, release: Closing.encodeRelease({ channelId, receipt, checkpoint }) }
}

/** The release of a channel that made payments. */
export function release(
  channel: ClientChannel,
  closing: Closing.Closing,
): Refusal | { readonly ok: true; readonly release: Uint8Array } {
  const nothing = refuse('ClosingInvalid', 'a channel without payments has no receipt to release')
  if (closing.index === 0 && channel.index === 0) return nothing
  const answered = answer(channel, closing)
  if (!answered.ok) return answered
  return answered.release === undefined ? nothing : { ok: true, release: answered.release }
}

/** Takes the vendor's last word: nothing is signed afterwards but the release. What it refuses changes nothing. */
function takeClosing(channel: ClientChannel, closing: Closing.Closing): Refusal | undefined {
  if (!equal(closing.channelId, channel.channelId)) return refuse('ClosingInvalid', 'the closing names another channel')
  if (!Closing.verify(channel.terms.vendor, closing))
    return refuse('ClosingInvalid', 'the closing is not signed by the vendor')
  if (closing.index !== channel.index) {
    return refuse(
      'PaymentsMissing',
      `the closing counts ${closing.index} payments; ${channel.index} were made: resend them`,
    )
  }
  if (!equal(closing.transcript, channel.transcript)) {
    return refuse('ClosingDisputed', 'the closing is over another transcript than the payments made')
  }
  if (closing.spent > channel.agreed) {
    return refuse('ClosingDisputed', `the closing charges ${closing.spent}; ${channel.agreed} was agreed to`)
  }
  if (closing.spent > channel.paid) {
    return refuse('ClosingDisputed', `the closing charges ${closing.spent}; ${channel.paid} was paid`)
  }
  channel.acknowledged = closing.spent
  channel.outstanding.clear()
  channel.successors.clear()
  channel.frozen = 'the channel was released'
  return undefined
}
