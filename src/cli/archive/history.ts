import { equal, isZero, toHex } from '../../crypto/bytes.ts'
import * as CoinChain from '../../crypto/CoinChain.ts'
import type { Chain } from '../../protocol/index.ts'
import * as Checkpoint from '../../wire/Checkpoint.ts'
import * as Transaction from '../../wire/Transaction.ts'
import * as Transcript from '../../wire/Transcript.ts'
import { type ArchiveFault, fault } from './archive.ts'
import type { Channel } from './channel.ts'
import { findMisfit } from './receipts.ts'

/** All that was paid: every payment in its place, every coin on its anchor, signed by the channel key at each checkpoint. */
export interface History extends Chain {
  readonly ok: true
  /** Tx_n, 84 bytes; zero where there was no payment. */
  readonly last: Uint8Array
  /** t_n. */
  readonly transcript: Uint8Array
  /** All that was paid: the amount of the last checkpoint. */
  readonly paid: bigint
  readonly checkpoints: number
}

/** The history of a channel, whose last checkpoint stands at payment n, opens nothing and so ends it. */
export function readHistory(channel: Channel): History | ArchiveFault {
  const signed = readCheckpoints(channel)
  if (!signed.ok) return signed
  const { checkpoints } = signed
  const made = readPayments(channel, checkpoints)
  if (!made.ok) return made
  const { terms, channelId, commitment } = channel
  const chain: Chain = { terms, channelId, commitment, cores: made.cores }
  const wrong = checkpointsFault(channel, chain, { checkpoints, ...made })
  if (wrong !== undefined) return wrong
  return {
    ok: true,
    ...chain,
    last: made.cores.at(-1)?.transaction ?? new Uint8Array(Transaction.transactionLayout.size),
    transcript: made.transcripts.at(-1)!,
    paid: checkpoints.at(-1)!.amount,
    checkpoints: checkpoints.length,
  }
}

type Checkpoints = readonly Checkpoint.SignedCheckpoint[]

/** Checkpoints by themselves: signed, in the order of their segments, worth no less than the one before and no more than `F`. */
function readCheckpoints(channel: Channel): { readonly ok: true; readonly checkpoints: Checkpoints } | ArchiveFault {
  const { terms, channelId, cores } = channel
  const checkpoints: Checkpoint.SignedCheckpoint[] = []
  for (const [row, bytes] of channel.checkpoints.entries()) {
    const wrong = (reason: ArchiveFault['reason'], says: string): ArchiveFault =>
      fault('checkpoints.bin', reason, `checkpoint ${row + 1} (byte ${row * Checkpoint.size}): ${says}`)
    const parsed = Checkpoint.parse(bytes)
    if (!parsed.ok) return wrong('Malformed', parsed.detail)
    const { segment, index, amount, nextLength, nextUnitPrice } = parsed.value
    if (!Checkpoint.verify(terms.channelKey, channelId, parsed.value)) {
      return wrong('SignatureInvalid', `not signed for this channel by its key ${toHex(terms.channelKey)}`)
    }
    const before = checkpoints.at(-1) ?? { segment: 0, index: 0, amount: 0n }
    if (segment <= before.segment) {
      return wrong('OrderInvalid', `opens segment ${segment}, after segment ${before.segment} was open`)
    }
    if (index < before.index || index > cores.length) {
      const span = `after one at ${before.index}, among ${cores.length}`
      return wrong('OrderInvalid', `stands at payment ${index}, ${span}`)
    }
    if (amount < before.amount) return wrong('AmountInvalid', `${amount} is paid, after ${before.amount} was`)
    const worth = amount + BigInt(nextLength) * nextUnitPrice
    if (worth > terms.funds) return wrong('AmountInvalid', `opens a segment up to ${worth} of ${terms.funds} in all`)
    checkpoints.push(parsed.value)
  }
  const { index, nextLength } = checkpoints.at(-1)!
  if (index === cores.length && nextLength === 0) return { ok: true, checkpoints }
  const found = `the last one stands at payment ${index} of ${cores.length} and opens ${nextLength} coins`
  return fault('checkpoints.bin', 'OrderInvalid', `the checkpoint of the release is missing: ${found}`)
}

/** A segment with the highest coin of it met so far. */
interface Segment {
  /** A. */
  readonly base: bigint
  readonly unitPrice: bigint
  readonly length: number
  /** What the next segment starts from: coins of this one cannot be worth more. */
  readonly ceiling: bigint
  /** j. */
  step: number
  /** w_j; at first the anchor. */
  coin: Uint8Array
}

interface Payments {
  readonly cores: readonly Transcript.Core[]
  /** t_0 … t_n. */
  readonly transcripts: readonly Uint8Array[]
  /** Of payments 1 … n, after the 0 of none. */
  readonly amounts: readonly bigint[]
}

/** Payments by themselves: of this channel, in order, each worth exactly what its coin shows. */
function readPayments(channel: Channel, checkpoints: Checkpoints): ({ readonly ok: true } & Payments) | ArchiveFault {
  const { channelId, scheme, commitment } = channel
  const layout = Transcript.coreLayout(scheme.lockSize)
  const segments = segmentsOf(channel, checkpoints)
  const cores: Transcript.Core[] = []
  const transcripts = [Transcript.first(channelId, commitment)]
  const amounts = [0n]
  for (const [row, bytes] of channel.cores.entries()) {
    const wrong = (reason: ArchiveFault['reason'], says: string): ArchiveFault =>
      fault('transcript.bin', reason, `payment ${row + 1} (byte ${row * layout.size}): ${says}`)
    const core = layout.parse(bytes)
    if (!core.ok) return wrong('Malformed', core.detail)
    const transaction = Transaction.transactionLayout.parse(core.value.transaction)
    if (!transaction.ok) return wrong('Malformed', transaction.detail)
    const { channelId: named, index, amount } = transaction.value
    if (!equal(named, channelId)) {
      return wrong('ChannelMismatch', `of channel ${toHex(named)}, not of ${toHex(channelId)}`)
    }
    if (index !== row + 1) return wrong('OrderInvalid', `numbered ${index}`)

    const { segment: number, step, coin } = core.value
    const segment = segments.get(number)
    if (segment === undefined) return wrong('CoinInvalid', `in segment ${number}, which no checkpoint opens`)
    if (step > segment.length) {
      return wrong('CoinInvalid', `coin ${step} of segment ${number}, which has ${segment.length}`)
    }
    const worth = segment.base + BigInt(step) * segment.unitPrice
    if (amount !== worth) {
      return wrong('AmountInvalid', `reaches ${amount}; coin ${step} of segment ${number} is worth ${worth}`)
    }
    if (amount < amounts[row]!) {
      return wrong('AmountInvalid', `reaches ${amount}; payment ${row} had reached ${amounts[row]}`)
    }
    if (amount > segment.ceiling) {
      return wrong('AmountInvalid', `reaches ${amount}; the segment after ${number} starts from ${segment.ceiling}`)
    }
    if (!takeCoin(segment, { number, step, coin, salt: channel.terms.coinSalt })) {
      return wrong('CoinInvalid', `${toHex(coin)} is not coin ${step} of segment ${number}`)
    }
    cores.push(core.value)
    transcripts.push(Transcript.next(transcripts[row]!, bytes))
    amounts.push(amount)
  }
  return { ok: true, cores, transcripts, amounts }
}

/** By their numbers. The last checkpoint ends the channel and opens none. */
function segmentsOf({ terms }: Channel, checkpoints: Checkpoints): ReadonlyMap<number, Segment> {
  const ceilings = checkpoints.map(({ amount }) => amount)
  const { segmentLength: length, unitPrice, anchor: coin } = terms
  const segments = new Map([[0, { base: 0n, unitPrice, length, ceiling: ceilings[0]!, step: 0, coin } as Segment]])
  for (const [row, opening] of checkpoints.slice(0, -1).entries()) {
    const { segment, amount: base, nextUnitPrice: unitPrice, nextLength: length, nextAnchor: coin } = opening
    segments.set(segment, { base, unitPrice, length, ceiling: ceilings[row + 1]!, step: 0, coin })
  }
  return segments
}

/**
 * Whether it is coin `step`: walked down to the highest one met before, so that all payments together walk a segment once.
 * Amounts do not fall, and so within a segment steps do not.
 */
function takeCoin(
  segment: Segment,
  paid: { readonly number: number; readonly step: number; readonly coin: Uint8Array; readonly salt: Uint8Array },
): boolean {
  const { number, step, coin, salt } = paid
  // A checkpoint alone pays. The terms, which open segment 0, pay nothing.
  if (step === 0) return number > 0 && isZero(coin)
  if (!equal(CoinChain.walk({ coin, steps: step - segment.step, salt }), segment.coin)) return false
  segment.step = step
  segment.coin = coin
  return true
}

/** Checkpoints and payments together: each checkpoint is over the very history before it, and over no less than it paid. */
function checkpointsFault(
  channel: Channel,
  chain: Chain,
  { checkpoints, transcripts, amounts }: Payments & { readonly checkpoints: Checkpoints },
): ArchiveFault | undefined {
  let sure = 0
  for (const [row, { index, amount, transcript }] of checkpoints.entries()) {
    const name = `checkpoint ${row + 1} (byte ${row * Checkpoint.size})`
    if (!equal(transcript, transcripts[index]!)) {
      const signed = `the channel key signed t_${index} = ${toHex(transcript)} in ${name} of checkpoints.bin`
      return changedFault(channel, chain, { sure, index, says: `${signed}; it is ${toHex(transcripts[index]!)}` })
    }
    if (amount < amounts[index]!) {
      const says = `${amount} is paid, and payment ${index} had reached ${amounts[index]}`
      return fault('checkpoints.bin', 'AmountInvalid', `${name}: ${says}`)
    }
    sure = index
  }
  return undefined
}

/** Some payment after `sure`, up to `index`, is not the one signed. Its receipt and lock may say which. */
function changedFault(
  channel: Channel,
  chain: Chain,
  { sure, index, says }: { readonly sure: number; readonly index: number; readonly says: string },
): ArchiveFault {
  const misfit = findMisfit(chain, channel.receipts, index)
  if (misfit === undefined || misfit.index <= sure) return fault('transcript.bin', 'TranscriptMismatch', says)
  const offset = (misfit.index - 1) * channel.cores[0]!.length
  return fault('transcript.bin', misfit.reason, `payment ${misfit.index} (byte ${offset}): ${misfit.says}; ${says}`)
}
