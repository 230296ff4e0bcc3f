import type { Settlement } from '../http/bank.ts'
import { type BankOfVendor, bankOfVendor } from './bank.ts'
import { type ClosingOptions, claim, close, settled, takeLeft } from './closing.ts'
import { CollectError } from './errors.ts'
import { proveWrongLock } from './evidence.ts'
import type { Held } from './held.ts'

/** What it takes to be paid for a channel. */
export interface CollectOptions extends ClosingOptions {
  /** What the bank may take to answer. */
  readonly timeoutMs?: number
}

/** What the bank paid, now or before. σ_0 comes with the answer to the very claim that was paid. */
export type Collected = Omit<Settlement, 'receipt'> & Partial<Pick<Settlement, 'receipt'>>

/**
 * Claims from the bank what was charged on a channel; nothing is accepted on it afterwards. The claim is stored before it
 * leaves and sent again as it is, so calling this again after any failure is safe; the bank pays it once. Called again later, it
 * takes the release that a client has left there since.
 */
export async function collect(options: CollectOptions, held: Held, bankUrl: string): Promise<Collected> {
  const bank = bankOfVendor(bankUrl, options)
  // The release is evidence, and nothing that the claim may wait for.
  await takeRelease(options, held, bank).catch(() => undefined)
  await askAtBank(options, held, bank).catch(() => undefined)
  const claimed = await claim(options, held)
  if (!claimed.ok) throw new CollectError(`nothing was claimed: ${claimed.detail}. Collect again when they have ended.`)
  const settlement = await bank.claim(claimed.claim)
  // Another claim, of a store that is lost, or the deadline was first: what became of the channel its status says.
  if ('refusal' in settlement) return collectBefore(options, held, { bank, refusal: settlement.refusal })
  const { spent } = held.channel
  if (settlement.settled !== spent) {
    throw new CollectError(`the bank says that it paid ${settlement.settled}; ${spent} was claimed`)
  }
  await settled(options, held)
  await accuse(options, held, bank)
  return settlement
}

/** Fetches the release that the client left at the bank, for a closing of this store or of one that is lost. */
async function takeRelease(options: CollectOptions, held: Held, bank: BankOfVendor): Promise<void> {
  const { channel, closing, release } = held
  const isLost = channel.stale && closing === undefined
  const isWanted = isLost || (closing !== undefined && channel.window.contiguous > 0)
  if (release !== undefined || !isWanted) return
  const left = await bank.fetchRelease(channel, options.till.now)
  if (left !== undefined) await takeLeft(options, held, left)
}

/**
 * Leaves the vendor's last word at the bank, for a client that is away and without whom its receipts stay shut. Who fetches it there is
 * asked by the bank to answer: decision 24. Where receipts open from `σ_0` nobody has to.
 */
async function askAtBank(options: CollectOptions, held: Held, bank: BankOfVendor): Promise<void> {
  const { channel, release, claim: made } = held
  const isShut = !channel.scheme.checkable && channel.window.contiguous > 0
  if (!isShut || channel.stale || release !== undefined || made !== undefined) return
  const last = await close(options, held)
  if (last.ok) await bank.leaveClosing(last.closing)
}

/** Shows the bank the wrong lock for which a channel was suspended, if that was why. */
async function accuse(options: CollectOptions, held: Held, bank: BankOfVendor): Promise<void> {
  if (held.channel.suspended === undefined) return
  const proof = await proveWrongLock(options, held)
  if (proof === undefined) return
  try {
    await bank.show(proof)
  } catch {
    // The vendor is paid whatever becomes of the proof. Whoever collects again shows it again.
  }
}

/** How a channel ended that takes no claim any more. */
async function collectBefore(
  options: CollectOptions,
  held: Held,
  { bank, refusal }: { readonly bank: BankOfVendor; readonly refusal: string },
): Promise<Collected> {
  const { channelId, spent, stale } = held.channel
  const status = await bank.status(channelId)
  if (status.status === 'open') throw new CollectError(`the bank refused the claim: ${refusal.slice(0, 500)}`)
  if (status.status === 'expired') {
    await settled(options, held)
    throw new CollectError(`the channel expired before it was claimed: ${spent} went back to its client`)
  }
  // In a life that was lost more may have been charged, and claimed.
  if (status.settled !== spent && !stale) {
    throw new CollectError(`the bank says that it paid ${status.settled} for another claim; ${spent} was claimed`)
  }
  await settled(options, held)
  const { settled: paid, refund, basis } = status
  return { settled: paid, refund, basis }
}
