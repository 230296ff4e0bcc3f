import { toHex } from '../../crypto/bytes.ts'
import { isProblemReason, type ProblemReason, problemType } from '../../http/problems.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import type { PayingChannel } from '../channel.ts'
import { RefusedError } from '../errors.ts'
import { type Fetch, readText, withTimeout } from '../remote.ts'
import { createWallet } from '../wallet.ts'
import { openDesk, readBank } from './bank.ts'
import type { WalletEvent } from './events.ts'
import type { Home } from './home.ts'
import type { Lane } from './lane.ts'
import { chooseAsset, limitsOf, moneyOf } from './money.ts'
import { OfferBook } from './offers.ts'
import type { PayingWalletOptions, Purchase } from './options.ts'
import { type Repeatable, repeatable } from './request.ts'
import { Spending } from './spending.ts'
import { Tab, type TabContext } from './tab.ts'

/** What a platform gives beside a home. */
export interface Platform {
  readonly home: Home
  readonly now: () => UnixSeconds
  readonly random: (size: number) => Uint8Array
}

/** Opens a wallet in its home: what it left open at its last end is taken up again. */
export async function openWallet(options: PayingWalletOptions, platform: Platform): Promise<PayingWallet> {
  const { home, random } = platform
  const { journal, account } = home
  const { timeoutMs = 30_000, attempts = 5, budget = {}, channelLife = 86_400 } = options
  const network: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  const lines = new Map<string, Fetch>()
  const fetch: Fetch = (input, init) => (lines.get(originOf(input)) ?? network)(input, init)
  const ask = withTimeout(fetch, timeoutMs)
  const bank = readBank(options.bank)
  const desk = await openDesk({ bank, account, journal, ask, now: platform.now, random })
  const money = moneyOf(chooseAsset(options.asset, desk.offer().rules.assets))
  const limits = limitsOf(budget, money)
  const opener = createWallet({
    journal,
    account,
    bank: desk,
    clientIdentity: new Uint8Array(0),
    now: desk.now,
    random,
    fetch,
    attempts,
    timeoutMs,
    ...(options.onTraffic && { onTraffic: options.onTraffic }),
  })
  const emit = (event: WalletEvent): void => {
    options.onEvent?.(event)
    if (event.kind === 'payment') options.onPayment?.(event)
  }
  const spending = new Spending(limits, money)
  const context = { opener, desk, money, limits, spending, channelLife: BigInt(channelLife), emit }
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
  readonly #options: PayingWalletOptions
  readonly #home: Home
  readonly #fetch: Fetch
  readonly #lines: Map<string, Fetch>
  readonly #ask: Fetch
  readonly #context: TabContext
  readonly #tabs = new Map<string, Tab>()
  #closed: Promise<void> | undefined

  constructor({ options, home, fetch, lines, ask, context }: Parts) {
    this.account = toHex(home.account.publicKey)
    this.asset = context.money.asset
    this.#options = options
    this.#home = home
    this.#fetch = fetch
    this.#lines = lines
    this.#ask = ask
    this.#context = context
  }

  /**
   * The Fetch API's own `fetch`, for anything that may have a price: what is free costs nothing, and what has one is paid for
   * within the budget. A response that is lost is asked for again, and paid once.
   *
   * Throws `RefusedError` where the budget, `approve` or this client's own rules refuse, and says what was paid, if anything;
   * `UnansweredError` where no response came. What the vendor itself refuses is the response.
   */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    this.#assertOpen()
    const request = await repeatable(input, init)
    const { method, url } = request
    const tab = this.#tabAt(url.origin)
    await tab.offers.recall()
    let price = tab.offers.priceOf(method, url)
    if (price === undefined) {
      const response = await this.#fetch(url.href, request.init)
      if (response.status !== 402 || isElsewhere(response, url)) return response
      price = await tab.offers.learn(response.clone(), method, url)
      if (price === undefined) return response
      await response.body?.cancel()
    }
    return this.#pay(tab, request, price)
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
    return { asset: this.asset, atBank: money.format(atBank), inChannels: money.format(inChannels) }
  }

  /** Closes the channels and ends. What was not spent comes back once their vendors have claimed their part. */
  close(): Promise<void> {
    this.#closed ??= Promise.all([...this.#tabs.values()].map((tab) => tab.close())).then(() =>
      this.#home.journal.close(),
    )
    return this.#closed
  }

  /** Ends, and leaves the channels open: the next start takes them up again. */
  stop(): Promise<void> {
    this.#closed ??= this.#home.journal.close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Takes up what the journal has. */
  async resume(): Promise<void> {
    const { opener } = this.#context
    for (const channel of await opener.channels()) this.#takeUp(channel)
  }

  #takeUp(channel: PayingChannel): void {
    this.#tabAt(new URL(channel.vendorUrl).origin).add(channel)
  }

  #tabAt(origin: string): Tab {
    const known = this.#tabs.get(origin)
    if (known !== undefined) return known
    const book = new OfferBook(origin, { ask: this.#ask, journal: this.#home.journal })
    const tab = new Tab(origin, book, this.#context)
    this.#tabs.set(origin, tab)
    return tab
  }

  #lanes(): readonly Lane[] {
    return [...this.#tabs.values()].flatMap((tab) => tab.lanes)
  }

  /** Pays, and pays again only what the vendor has raised its price by, or over another channel where this one has ended. */
  async #pay(tab: Tab, request: Repeatable, known: bigint): Promise<Response> {
    let price = known
    let raisedFrom: bigint | undefined
    for (let attempt = 1; ; attempt++) {
      await this.#permit(tab, request, price, raisedFrom)
      const paid = await this.#payOnce(tab, request, price)
      if (paid === 'again') continue
      const { response, lane } = paid
      const reason = attempt < attemptsMax ? await reasonOf(response) : undefined
      if (reason === undefined) return response
      if (isEnded.has(reason)) {
        tab.retire(lane)
        continue
      }
      if (reason !== 'CreditTooLow') return response
      const asked = await tab.offers.learn(response.clone(), request.method, request.url)
      if (asked === undefined || asked <= price) return response
      raisedFrom = price
      price = asked
    }
  }

  async #permit(tab: Tab, { method, url }: Repeatable, price: bigint, raisedFrom: bigint | undefined): Promise<void> {
    const { limits, money } = this.#context
    const { approve, allowHttp = false } = this.#options
    const { host } = tab
    const refuse = (reason: ProblemReason, detail: string): never => {
      const cause = new RefusedError({ reason, detail })
      tab.emit({ kind: 'refused', method, url: url.href, cause })
      throw cause
    }
    const what = `${method} ${url.origin}${url.pathname}`
    if (!allowHttp && url.protocol !== 'https:' && !isLoopback(url)) {
      refuse('NotSecure', `${what} is plain http, and not on this machine`)
    }
    if (limits.request !== undefined && price > limits.request) {
      refuse('BudgetExceeded', `${what} costs ${money.say(price)}; budget.request is ${money.say(limits.request)}`)
    }
    if (approve === undefined) return
    const purchase: Purchase = {
      method,
      url: url.href,
      host,
      price: money.format(price),
      asset: money.asset,
      kind: 'request',
      ...(raisedFrom !== undefined && { raisedFrom: money.format(raisedFrom) }),
    }
    if (!(await approve(purchase))) refuse('NotApproved', `approve did not allow ${money.say(price)} for ${what}`)
  }

  /** `again` where the channel could not pay after all, and nothing was signed. */
  async #payOnce(
    tab: Tab,
    { method, url, init, signal }: Repeatable,
    price: bigint,
  ): Promise<{ readonly response: Response; readonly lane: Lane } | 'again'> {
    const { money } = this.#context
    const lane = await tab.promise(price, signal)
    const channel = toHex(lane.channel.state.channelId)
    let isRedeemed = false
    const redeem = (): void => {
      if (!isRedeemed) tab.redeem(lane, price)
      isRedeemed = true
    }
    try {
      const { response, index, charged } = await lane.channel.buy(url.href, price, init, {
        assess: (more) => {
          redeem()
          return tab.assess(more)
        },
        onRetry: (index, cause) => tab.emit({ kind: 'retried', method, url: url.href, channel, index, cause }),
      })
      tab.emit({
        kind: 'payment',
        method,
        url: url.href,
        channel,
        index,
        price: money.format(price),
        charged: charged === undefined ? undefined : money.format(charged),
        status: response.status,
      })
      return { response, lane }
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
      if (error.reason === 'FundsExhausted' || error.reason === 'ChannelExpired') {
        tab.retire(lane)
        return 'again'
      }
      if (error.reason === 'ClosingDisputed') tab.dispute(lane, lane.channel.state.frozen ?? error.message)
      else tab.emit({ kind: 'refused', method, url: url.href, cause: error })
      throw error
    } finally {
      redeem()
      tab.done(lane)
    }
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new Error('this wallet is closed: open another one with wallet()')
  }
}

export interface Balance {
  readonly asset: string
  /** What new channels can be opened with. */
  readonly atBank: string
  /** What open channels hold, less what their vendors say they charged. */
  readonly inChannels: string
}

/** How often a request is paid for anew: its price rose, or its channel had ended. */
const attemptsMax = 4

/** What ends a channel at its vendor: another one may be taken. */
const isEnded: ReadonlySet<ProblemReason> = new Set([
  'ChannelClosed',
  'ChannelExpired',
  'ChannelSuspended',
  'ChannelUnknown',
  'GrantInvalid',
  'LifeTooShort',
  'VendorMismatch',
])

/** The reason that a vendor's refusal gives; its body stays to be read. */
async function reasonOf(response: Response): Promise<ProblemReason | undefined> {
  if (response.ok || !response.headers.get('Content-Type')?.startsWith(problemType)) return undefined
  try {
    const { reason } = JSON.parse(await readText(response.clone(), 131_072)) as { reason?: unknown }
    return typeof reason === 'string' && isProblemReason(reason) ? reason : undefined
  } catch {
    // The caller reads the body itself, and finds what is wrong with it.
    return undefined
  }
}

/** A payment goes to the origin whose offer it is: a 402 that a redirect led to is the caller's. */
function isElsewhere(response: Response, { origin }: URL): boolean {
  return response.redirected && new URL(response.url).origin !== origin
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.[0-9]+){3}$/.test(hostname)
}

function originOf(input: Parameters<Fetch>[0]): string {
  return new URL(input instanceof Request ? input.url : input).origin
}
