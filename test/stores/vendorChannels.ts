/** Channels as a vendor stores them. */

import type { PaymentChange, StoredChannel, StoredSegment } from '../../src/vendor/store/contract.ts'
import { amount } from '../../src/wire/amount.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { bytesOf, createWorld, now } from '../protocol/world.ts'

/** A channel that was opened just now. */
export function channelNamed(label: string, change: Partial<StoredChannel> = {}): StoredChannel {
  const { client } = createWorld({ label })
  const { terms, commitment, grant } = client.attachment
  return {
    channelId: client.channelId,
    terms,
    commitment,
    grant,
    phase: 'open',
    suspended: undefined,
    strikes: 0,
    paid: 0n,
    spent: 0n,
    contiguous: 0,
    transcript: bytesOf(`${label} transcript`),
    amount: 0n,
    segments: [segment(0)],
    ahead: [],
    closing: undefined,
    release: undefined,
    claim: undefined,
    epoch: 0,
    ...change,
  }
}

export function segment(number: number, step = 0): StoredSegment {
  const checkpoint = number === 0 ? undefined : bytesOf(`checkpoint ${number}`, 32)
  return { number, checkpoint, step, coin: bytesOf(`coin ${number} ${step}`) }
}

/** Payment `index` of a channel, 10 units each. */
export function payment(
  { channelId }: StoredChannel,
  index: number,
  change: Partial<PaymentChange> = {},
): PaymentChange {
  const digest = bytesOf(`goods ${index}`)
  const reached = amount(BigInt(index) * 10n)
  const transaction = Transaction.encode({ channelId, index, amount: reached, paidAt: now, digest })
  const core = Transcript.encode({
    transaction,
    segment: 0,
    step: index,
    coin: bytesOf(`coin ${index}`),
    commitment: bytesOf(`commitment ${index}`),
    lock: bytesOf(`lock ${index}`),
  })
  const status = 'charged' as const
  return {
    channelId,
    index,
    segment: 0,
    amount: reached,
    digest,
    core,
    status,
    charged: 10n,
    answer: undefined,
    ...change,
  }
}

/** The channel after its payments up to `last`, all charged. */
export function paidUpTo(channel: StoredChannel, last: number, change: Partial<StoredChannel> = {}): StoredChannel {
  const paid = BigInt(last) * 10n
  const transcript = bytesOf(`transcript ${last}`)
  return {
    ...channel,
    paid,
    spent: paid,
    amount: paid,
    contiguous: last,
    transcript,
    segments: [segment(0, Math.min(last, 1024))],
    ...change,
  }
}
