import { toHex } from '../../crypto/bytes.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import type { PayingChannel } from '../channel.ts'
import { everyChannel } from '../journal/everyChannel.ts'
import { type Fetch, withTimeout } from '../remote.ts'
import { createWallet } from '../wallet.ts'
import { openDesk, readBank } from './bank.ts'
import { Buyer } from './buyer.ts'
import type { ChannelView } from './channelViews.ts'
import type { WalletEvent } from './events.ts'
import type { Home } from './home.ts'
import type { LedgerFilter, LedgerRow } from './ledger.ts'
import { chooseAsset, limitsOf, moneyOf } from './money.ts'
import { OfferBook } from './offers.ts'
import type { PayingWalletOptions } from './options.ts'
import { findLost, type Recovered, recover } from './recovery.ts'
import { dayOf, Spending } from './spending.ts'
import { buyStream, type WalletStreamOptions } from './streaming.ts'
import { Tab, type TabContext } from './tab.ts'

/** What a platform gives beside a home. */
export interface Platform {
  readonly home: Home
  /** Seconds since 1970, as the bank has them. */
  readonly now: () => UnixSeconds
  /** Bytes that nobody can guess. */
  readonly random: (size: number) => Uint8Array
}

/** Opens a wallet in its home: what it left open at its last end is taken up again. */
export async function openWallet(options: PayingWalletOptions, platform: Platform): Promise<PayingWallet> {
  const { home, now, random } = platform
  const { journal, account } = home
  const { timeoutMs = 30_000, attempts = 5, budget = {}, channelLife = 86_400, onTraffic } = options
  const network: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  const lines = new Map<string, Fetch>()
  const fetch: Fetch = (input, init) => (lines.get(originOf(input)) ?? network)(input, init)
  const ask = withTimeout(fetch, timeoutMs)
  const desk = await openDesk({ bank: readBank(options.bank), account, journal, ask, now, random })
  const money = moneyOf(chooseAsset(options.asset, desk.offer().rules.assets))
  const limits = limitsOf(budget, money)
  const opener = createWallet({
    journal,
    account,
    bank: desk,
    // A channel's commitment hides it, and nothing is to be said.
    clientIdentity: new Uint8Array(0),
    now: desk.now,
    random,
    fetch,
    attempts,
    timeoutMs,
    ...(onTraffic && { onTraffic }),
  })
  const emit = (event: WalletEvent): void => {
    tell(options.onEvent, event)
    if (event.kind === 'payment') tell(options.onPayment, event)
  }
  const spending = new Spending(limits, money)
  const context = {
    opener,
    desk,
    money,
    limits,
    spending,
    channelLife: BigInt(channelLife),
    patienceMs: timeoutMs,
    emit,
  }
  const wallet = new PayingWallet({ options, home, fetch, lines, ask, context })
  await wallet.resume()
  return wallet
}

interface Parts {
  readonly options: PayingWalletOptions
  readonly home: Home
  readonly fetch: Fetch
  /** By origin: what is not reached over the network. */
  readonly lines: Map<string, Fetch>
  readonly ask: Fetch
  readonly context: TabContext
}

/** Pays for what it fetches, within its budget. */
export class PayingWallet {
  /** Public key of the account, in hex: what has to be funded at the bank. */
  readonly account: string
  /** As `USD/6`. */
  readonly asset: string
  readonly #journal: Home['journal']
  readonly #lines: Map<string, Fetch>
  readonly #ask: Fetch
  readonly #context: TabContext
  readonly #buyer: Buyer
  readonly #tabs = new Map<string, Tab>()
  #closed: Promise<void> | undefined

  constructor({ options, home, fetch, lines, ask, context }: Parts) {
    const { money, limits } = context
    this.account = toHex(home.account.publicKey)
    this.asset = money.asset
    this.#journal = home.journal
    this.#lines = lines
    this.#ask = ask
    this.#context = context
    this.#buyer = new Buyer({ ...options, fetch, money, limits, tabAt: (origin) => this.#tabAt(origin) })
  }

  /**
   * The Fetch API's own `fetch`, for anything that may have a price: what is free costs nothing, and what has one is paid for
   * within the budget. A response that is lost is asked for again, and paid once.
   *
   * Throws `RefusedError` where the budget, `approve` or this client's own rules refuse, and says what was paid, if anything;
   * `UnansweredError` where no response came. What the vendor itself refuses is the response. A redirect that was paid for is
   * not followed: its response is given as it is.
   */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    this.#assertOpen()
    return this.#buyer.fetch(input, init)
  }

  /**
   * Pays for a stream unit by unit, over a WebSocket or server-sent events, and yields what it delivers. Whoever stops reading
   * stops paying: `break` out of the loop, and only what came is charged.
   */
  stream(url: string | URL, options: WalletStreamOptions = {}): AsyncGenerator<Uint8Array, void> {
    this.#assertOpen()
    const { money, limits } = this.#context
    return buyStream({ buyer: this.#buyer, money, limits, tabAt: (origin) => this.#tabAt(origin) }, url, options)
  }

  /** Has requests to this origin travel over something else than the network, such as a connection to an MCP server. */
  connect(origin: string, fetch: Fetch): void {
    this.#lines.set(origin, fetch)
  }

  /** What can be spent, as decimal strings in the asset. Asks the bank. */
  async balance(): Promise<Balance> {
    const { desk, money } = this.#context
    const atBank = await desk.balance(this.asset)
    let inChannels = 0n
    for (const { channel } of this.#lanes()) inChannels += channel.state.terms.funds - channel.state.acknowledged
    return {
      account: this.account,
      asset: this.asset,
      atBank: money.format(atBank),
      inChannels: money.format(inChannels),
    }
  }

  /** What was paid today (UTC), in all or to one host, as the budgets count it: what was revealed. */
  paidToday(host?: string): string {
    const { spending, desk, money } = this.#context
    return money.format(spending.on(dayOf(desk.now()), host))
  }

  /** Every channel there is or was. */
  async channels(): Promise<readonly ChannelView[]> {
    const { viewChannels } = await import('./channelViews.ts')
    return viewChannels(this.#journal, this.#context.desk.now())
  }

  /** Every payment, oldest first: what was bought where, and what it cost. */
  async ledger(filter?: LedgerFilter): Promise<readonly LedgerRow[]> {
    const { readLedger } = await import('./ledger.ts')
    return readLedger(this.#journal, filter)
  }

  /**
   * After a crash, a loss or a restored copy: asks for openings that were not answered, and the bank for what became of every
   * channel; does what is due there, and gets back what is the account's. Once in a while is enough.
   */
  async recover(): Promise<Recovered> {
    const { opener, desk, money } = this.#context
    await desk.refresh()
    const found = await recover(opener, money)
    for (const channel of found.opened) this.#add(channel)
    const waiting = [...(await this.#journal.channels()), ...(await this.#journal.retired())]
    const known = new Set(waiting.map(({ channelId }) => toHex(channelId)))
    const { lost, failed } = await findLost(desk, money, known)
    return { ...found, lost, failed: [...found.failed, ...failed] }
  }

  /** Closes the channels and ends. What was not spent comes back once their vendors have claimed their part. */
  close(): Promise<void> {
    this.#closed ??= Promise.all([...this.#tabs.values()].map((tab) => tab.close())).then(() => this.#journal.close())
    return this.#closed
  }

  /** Ends, and leaves the channels open: the next start takes them up again. */
  stop(): Promise<void> {
    const tabs = [...this.#tabs.values()]
    this.#closed ??= Promise.all(tabs.map((tab) => tab.closings())).then(() => this.#journal.close())
    return this.#closed
  }

  /** As {@link PayingWallet.stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Takes up what the journal has: called once, before anything is paid. */
  async resume(): Promise<void> {
    const { opener, spending, desk } = this.#context
    const live = await opener.channels()
    const isLive = new Set(live.map(({ state }) => toHex(state.channelId)))
    for (const { channelId, vendorUrl, state } of await everyChannel(this.#journal)) {
      if (isLive.has(toHex(channelId)) || state?.today === undefined) continue
      const { paid, today } = state
      const paidOn = (day: bigint): bigint => (today.day >= day ? paid - today.before : 0n)
      // A budget of a day is not made anew by a restart, nor by the end of a channel.
      spending.end(new URL(vendorUrl).host, { paidOn }, dayOf(desk.now()))
    }
    for (const channel of live) {
      if (channel.isReleased) spending.add(new URL(channel.vendorUrl).host, channel)
      else this.#add(channel)
    }
    // What was closed before may be settled by now. Where the bank is away, the next start asks again.
    const isDue = live.some((channel) => channel.isReleased || channel.state.frozen !== undefined)
    const sync = async (): Promise<void> => {
      for (const channel of (await opener.sync()).opened) this.#add(channel)
    }
    if (isDue) sync().catch(() => undefined)
  }

  #add(channel: PayingChannel): void {
    this.#tabAt(new URL(channel.vendorUrl).origin).add(channel)
  }

  #tabAt(origin: string): Tab {
    const known = this.#tabs.get(origin)
    if (known !== undefined) return known
    const book = new OfferBook(origin, { ask: this.#ask, journal: this.#journal })
    const tab = new Tab(origin, book, this.#context)
    this.#tabs.set(origin, tab)
    return tab
  }

  #lanes(): Tab['lanes'] {
    return [...this.#tabs.values()].flatMap(({ lanes }) => lanes)
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new Error('this wallet is closed: open another one with wallet()')
  }
}

/** A listener that throws is its own affair, as with the events of a page: what happens to money goes on. */
function tell<E>(listener: ((event: E) => void) | undefined, event: E): void {
  try {
    listener?.(event)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

function originOf(input: Parameters<Fetch>[0]): string {
  return new URL(input instanceof Request ? input.url : input).origin
}

/** What an account can spend. */
export interface Balance {
  /** Public key, in hex. */
  readonly account: string
  readonly asset: string
  /** What new channels can be opened with. */
  readonly atBank: string
  /** What open channels hold, less what their vendors say they charged. */
  readonly inChannels: string
}
