import * as Closing from '../wire/Closing.ts'
import type { BankOfChannel } from './bank.ts'
import { JournalError, RefusedError } from './errors.ts'
import type { Outcome } from './journal/contract.ts'

/** A channel whose end is near, as far as it takes part in it. */
export interface Ending {
  readonly bank: BankOfChannel
  /** The vendor's closing and the answer to it, where they were made. */
  readonly kept: { readonly closing: Uint8Array | undefined; readonly release: Uint8Array | undefined }
  /** Vendor or bank took the release, as far as this process knows. */
  isDelivered: boolean
  /** Nothing more is paid: what the vendor left at the bank is looked for. */
  readonly isOver: boolean
  /**
   * Answers a closing with the release, stored before it leaves; with none where nothing was paid. Throws
   * {@link RefusedError} for a closing that is not right. Absent where the channel's secrets are.
   */
  readonly answer?: (closing: Uint8Array) => Promise<Uint8Array | undefined>
}

/** A channel that its vendor can be asked to close. */
export interface Closable extends Ending {
  readonly answer: NonNullable<Ending['answer']>
  /** The vendor's last word, once it has every payment. */
  askClosing(): Promise<Uint8Array>
  /** Gives the vendor the release; how many receipts it opened. */
  giveRelease(release: Uint8Array): Promise<number>
}

/** How a channel was closed, as its client knows. */
export interface Closed {
  readonly closing: Closing.Closing
  /** σ_0 … σ_n, as the vendor says; 0 where it does not have the release yet. */
  readonly receiptsOpened: number
  /** Who has the release: `bank` where the vendor did not take it. `nobody` needs one where nothing was paid. */
  readonly released: 'vendor' | 'bank' | 'nobody'
}

/** Asks for the closing and answers it: at the vendor, or at the bank where the vendor is away or does not take the release. */
export async function close(channel: Closable): Promise<Closed> {
  const { bytes, isFetched } = await lastOf(channel)
  const release = isFetched ? await answerFetched(channel, bytes) : await channel.answer(bytes)
  const closing = read(bytes)
  if (release === undefined) return { closing, receiptsOpened: 0, released: 'nobody' }
  try {
    const receiptsOpened = await channel.giveRelease(release)
    channel.isDelivered = true
    return { closing, receiptsOpened, released: 'vendor' }
  } catch (error) {
    if (error instanceof JournalError) throw error
    if (!isFetched) await leave(channel, bytes, release)
    return { closing, receiptsOpened: 0, released: 'bank' }
  }
}

/**
 * What became of a channel, as its bank has it; `undefined` while it is open. Does on the way what is due: asks for the funds
 * after the deadline, answers a closing that was left there, leaves a release that the vendor may not have, has an
 * overcharge returned. Safe to repeat.
 */
export async function settle(ending: Ending, now: bigint): Promise<Outcome | undefined> {
  const { bank } = ending
  const status = await bank.status()
  switch (status.status) {
    case 'open': {
      const refund = now > status.deadline ? await bank.expire() : undefined
      if (refund !== undefined) return { status: 'expired', settled: 0n, refund, returned: 0n }
      if (ending.isOver) await answerAtBank(ending)
      return undefined
    }
    case 'closed': {
      const { settled, refund } = status
      await answerAtBank(ending)
      const { closing } = ending.kept
      const returned = closing !== undefined && read(closing).spent < settled ? await bank.overcharge(closing) : 0n
      return { status: 'closed', settled, refund, returned }
    }
    case 'expired':
      return { status: 'expired', settled: 0n, refund: status.refund, returned: 0n }
  }
}

/** The closing: the one that is known, or the vendor's, or what it left at the bank when it was last seen. */
async function lastOf(channel: Closable): Promise<{ readonly bytes: Uint8Array; readonly isFetched: boolean }> {
  const { closing } = channel.kept
  if (closing !== undefined) return { bytes: closing, isFetched: false }
  try {
    return { bytes: await channel.askClosing(), isFetched: false }
  } catch (error) {
    if (error instanceof JournalError) throw error
    // What the vendor said, or did not, is what the caller has to hear, unless the bank has what it was asked for.
    const bytes = await channel.bank.fetchClosing().catch(() => undefined)
    if (bytes === undefined) throw error
    return { bytes, isFetched: true }
  }
}

/** Leaves the release that was made, or answers the closing that the vendor left. */
async function answerAtBank(ending: Ending): Promise<void> {
  const { bank, kept, answer } = ending
  if (kept.closing !== undefined) {
    const release = answer === undefined ? kept.release : await answer(kept.closing)
    if (release !== undefined && !ending.isDelivered) await leave(ending, kept.closing, release)
    return
  }
  // Without its secrets nothing can be released: what is not fetched needs no answer.
  if (answer === undefined) return
  const left = await bank.fetchClosing()
  if (left !== undefined) await answerFetched({ bank, answer }, left).catch(unlessRefused)
}

/** Who fetched a closing from the bank shows there that it answered, whoever else has the answer. */
async function answerFetched(
  { bank, answer }: Pick<Required<Ending>, 'bank' | 'answer'>,
  closing: Uint8Array,
): Promise<Uint8Array | undefined> {
  let release: Uint8Array | undefined
  try {
    release = await answer(closing)
  } catch (error) {
    if (error instanceof RefusedError) await bank.dispute()
    throw error
  }
  if (release !== undefined) await bank.leaveRelease(release)
  return release
}

async function leave(ending: Ending, closing: Uint8Array, release: Uint8Array): Promise<void> {
  await ending.bank.leaveClosing(closing)
  await ending.bank.leaveRelease(release)
  ending.isDelivered = true
}

function read(bytes: Uint8Array): Closing.Closing {
  const closing = Closing.parse(bytes)
  if (!closing.ok) throw new RefusedError(closing)
  return closing.value
}

/** What was disputed is no failure of whoever only looks how the channel stands. */
function unlessRefused(error: unknown): undefined {
  if (error instanceof RefusedError) return undefined
  throw error
}
