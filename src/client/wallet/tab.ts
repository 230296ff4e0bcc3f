import { equal, toHex } from '../../crypto/bytes.ts'
import type * as Offer from '../../http/Offer.ts'
import { type Refusal, refuse } from '../../protocol/index.ts'
import type { PayingChannel } from '../channel.ts'
import { JournalError, RefusedError } from '../errors.ts'
import type { Wallet } from '../wallet.ts'
import type { BankDesk } from './bank.ts'
import type { WalletEvent } from './events.ts'
import { isUsable, type Lane, restOf, riskWith } from './lane.ts'
import type { Limits, Money } from './money.ts'
import type { OfferBook } from './offers.ts'
import { openFor } from './opening.ts'
import { dayOf, type Spending } from './spending.ts'

/** What the tabs of a wallet share. */
export interface TabContext {
  readonly opener: Wallet
  readonly desk: BankDesk
  readonly money: Money
  readonly limits: Limits
  readonly spending: Spending
  readonly channelLife: bigint
  /** How long a request waits for others that nobody reads the answers of. */
  readonly patienceMs: number
  readonly emit: (event: WalletEvent) => void
}

/** The running account with one origin: its offer, and the channels that pay it. */
export class Tab {
  readonly origin: string
  readonly host: string
  readonly offers: OfferBook
  readonly #context: TabContext
  readonly #lanes = new Set<Lane>()
  /** Channels that pay nothing more. Until their ends are agreed on, what they paid stays at risk. */
  readonly #retired = new Set<Lane>()
  readonly #closing = new Map<Lane, Promise<void>>()
  #opening: Promise<void> | undefined
  /** Requests and streams under way, over channels that were replaced too. */
  #running = 0
  /** Answers that are still being read, whose charge is not known. */
  #leaving = 0
  #waiting: (() => void)[] = []
  /** Why this vendor is paid nothing more, if so. */
  #distrust: string | undefined

  constructor(origin: string, offers: OfferBook, context: TabContext) {
    this.origin = origin
    this.host = new URL(origin).host
    this.offers = offers
    this.#context = context
  }

  get lanes(): readonly Lane[] {
    return [...this.#lanes]
  }

  get distrust(): string | undefined {
    return this.#distrust
  }

  /** Takes a channel in, new or out of the journal. */
  add(channel: PayingChannel): void {
    const { frozen } = channel.state
    if (frozen !== undefined && !channel.isReleased) this.#distrust ??= frozen
    this.#lanes.add({ channel, promised: 0n, running: 0 })
    this.#context.spending.add(this.host, channel)
  }

  /** What a failed payment means for the channel. Gives `again` where nothing was signed and another channel may pay. */
  async failed(lane: Lane, what: { readonly method: string; readonly url: string }, error: unknown): Promise<'again'> {
    if (error instanceof JournalError) await this.#reopen(lane)
    if (!(error instanceof RefusedError)) throw error
    if (error.reason === 'FundsExhausted' || error.reason === 'ChannelExpired') {
      this.retire(lane)
      return 'again'
    }
    const { frozen } = lane.channel.state
    if (error.reason === 'ClosingDisputed' && frozen !== undefined) this.#dispute(lane, frozen)
    else this.emit({ kind: 'refused', ...what, cause: error })
    throw error
  }

  /** Promises a price out of a channel, which is opened where there is none, and waits while too much is at risk. */
  async promise({ price, risk = price, signal }: Promised): Promise<Lane> {
    for (let hasAsked = false; ; ) {
      signal?.throwIfAborted()
      this.#assertTrust()
      const lane = this.#usable(price)
      if (lane === undefined) {
        await unlessAborted(this.#openOnce(price), signal)
        continue
      }
      const risky = this.#assessRisk(lane, risk)
      if (lane.running < runningMax && risky === undefined) {
        lane.promised += price
        lane.running += 1
        this.#running += 1
        return lane
      }
      if (risky !== undefined && this.#running + this.#leaving === 0) {
        if (hasAsked) throw new RefusedError(risky)
        hasAsked = true
        await unlessAborted(this.#askAll(), signal)
        continue
      }
      const isWoken = await unlessAborted(this.#change(), signal)
      if (!isWoken && risky !== undefined && this.#running === 0) {
        const unread = `answers not read to their end: ${this.#leaving}; read or cancel them`
        throw new RefusedError({ ...risky, detail: `${risky.detail}; ${unread}` })
      }
    }
  }

  /** What was promised is signed, or will not be. */
  redeem(lane: Lane, price: bigint): void {
    lane.promised -= price
  }

  /** The answer is metered while it leaves: what it costs is known once it was read, and at risk until then. */
  leaves(settling: Promise<unknown>): void {
    this.#leaving += 1
    void settling.then(() => {
      this.#leaving -= 1
      this.#wake()
    })
  }

  /** A request has ended. */
  done(lane: Lane): void {
    lane.running -= 1
    this.#running -= 1
    this.#wake()
    // One that was opened from its journal again is another one by now.
    if (lane.running === 0 && this.#retired.has(lane)) void this.#close(lane)
  }

  /** What the budgets of a request and of a day say to revealing that much more, in the turn in which it is signed. */
  assess(more: bigint): Refusal | undefined {
    const { spending, desk } = this.#context
    const detail = spending.assess(this.host, more, dayOf(desk.now()))
    return detail === undefined ? undefined : refuse('BudgetExceeded', detail)
  }

  /** The channel pays nothing more: it is closed once what runs on it has ended. */
  retire(lane: Lane): void {
    if (!this.#lanes.delete(lane)) return
    this.#retired.add(lane)
    if (lane.running === 0) void this.#close(lane)
  }

  /** Closes every channel that was ever paid over; resolves when all have ended, well or not. */
  async close(): Promise<void> {
    while (this.#running > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    for (const lane of this.#lanes) this.retire(lane)
    await this.closings()
  }

  /** Resolves when the channels that are being closed have been, well or not. */
  async closings(): Promise<void> {
    await Promise.all(this.#closing.values())
  }

  emit(event: Bare<WalletEvent>): void {
    const { emit, money } = this.#context
    emit({ ...event, host: this.host, asset: money.asset })
  }

  /** Pays this vendor nothing more. */
  #dispute(lane: Lane, detail: string): void {
    if (this.#distrust !== undefined) return
    this.#distrust = detail
    this.emit({ kind: 'disputed', channel: idOf(lane), detail })
    this.#wake()
  }

  /** Its journal failed: what the channel is in memory is more than what is stored. It is read again. */
  async #reopen(lane: Lane): Promise<void> {
    if (!this.#lanes.delete(lane)) return
    const stored = (await this.#context.opener.channels()).find(({ state }) =>
      equal(state.channelId, lane.channel.state.channelId),
    )
    this.#context.spending.remove(lane.channel)
    if (stored !== undefined) this.add(stored)
  }

  #usable(price: bigint): Lane | undefined {
    const { desk } = this.#context
    const { offer } = this.offers
    const now = desk.now()
    let found: Lane | undefined
    for (const lane of this.#lanes) {
      const isTheirs = offer === undefined || equal(offer.vendor, lane.channel.state.terms.vendor)
      if (!isTheirs || !isUsable(lane, now)) this.retire(lane)
      else if (restOf(lane) >= price) found ??= lane
      // One that can pay nothing that is sold here has done its work.
      else if (restOf(lane) < cheapest(offer)) this.retire(lane)
    }
    return found
  }

  /** Something has changed, or nothing has for long. */
  async #change(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => resolve(false), this.#context.patienceMs)
    this.#waiting.push(() => resolve(true))
    try {
      return await promise
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Asks the vendor how its channels stand, once those that are being closed are: what it acknowledges now is at risk no more. Where it
   * says nothing, that stays.
   */
  async #askAll(): Promise<void> {
    await this.closings()
    const unsaid = [...this.#lanes, ...this.#retired].filter(
      ({ channel: { state } }) => state.paid > state.acknowledged,
    )
    await Promise.all(unsaid.map(({ channel }) => channel.resend().catch(() => undefined)))
  }

  #openOnce(price: bigint): Promise<void> {
    this.#opening ??= this.#open(price).finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(price: bigint): Promise<void> {
    const { opener, money } = this.#context
    const { offer = await opener.offer(this.origin) } = this.offers
    const channel = await openFor(this.#context, { origin: this.origin, offer, price })
    this.add(channel)
    const funds = money.format(channel.state.terms.funds)
    this.emit({ kind: 'opened', channel: toHex(channel.state.channelId), funds })
  }

  /** Asks for the closing and releases; what cannot be done now is done at the next start. */
  async #close(lane: Lane): Promise<void> {
    const { spending, desk, money } = this.#context
    const { channel } = lane
    spending.end(this.host, channel, dayOf(desk.now()))
    // What was not agreed to is not released: the bank decides when the vendor claims, or the time is up.
    if (channel.state.frozen !== undefined && !channel.isReleased) return
    const closing = channel.close().then(
      ({ closing: { spent }, receiptsOpened }) =>
        this.emit({ kind: 'closed', channel: idOf(lane), spent: money.format(spent), receiptsOpened }),
      (cause: unknown) => this.emit({ kind: 'closeFailed', channel: idOf(lane), cause }),
    )
    this.#closing.set(lane, closing)
    await closing
    if (channel.isReleased) this.#retired.delete(lane)
    this.#closing.delete(lane)
  }

  #assertTrust(): void {
    if (this.#distrust === undefined) return
    const detail = `${this.host} is paid nothing more: ${this.#distrust}`
    throw new RefusedError(refuse('ClosingDisputed', detail))
  }

  #assessRisk(lane: Lane, price: bigint): Refusal | undefined {
    const { limits, money } = this.#context
    const { atRisk } = limits
    if (atRisk === undefined) return undefined
    let risk = 0n
    for (const one of [...this.#lanes, ...this.#retired]) risk += riskWith(one, one === lane ? price : 0n)
    if (risk <= atRisk) return undefined
    const detail = `${money.say(risk)} would be paid to ${this.host} and not acknowledged; budget.atRisk is ${money.say(atRisk)}`
    return refuse('BudgetExceeded', detail)
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

interface Promised {
  /** The most that is bought for, in base units. */
  readonly price: bigint
  /** The most of it that is ahead of what was delivered. */
  readonly risk?: bigint
  readonly signal?: AbortSignal | undefined
}

type Bare<T> = T extends unknown ? Omit<T, 'host' | 'asset'> : never

/** Requests at a time on one channel: half of what a vendor's window takes. */
const runningMax = 512

/** What is waited for goes on without who gave it up. */
async function unlessAborted<T>(waiting: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return waiting
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([waiting, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function idOf({ channel }: Lane): string {
  return toHex(channel.state.channelId)
}

function cheapest(offer: Offer.Offer | undefined): bigint {
  const prices = offer?.routes.flatMap(({ price }) => (price > 0n ? [price] : [])) ?? []
  return prices.reduce((least, price) => (price < least ? price : least), prices[0] ?? 1n)
}
