import { toHex } from '../../crypto/bytes.ts'
import { isProblemReason, type ProblemReason, problemType } from '../../http/problems.ts'
import { RefusedError, UnansweredError } from '../errors.ts'
import { type Fetch, readText } from '../remote.ts'
import type { Lane } from './lane.ts'
import type { Limits, Money } from './money.ts'
import type { PayingWalletOptions, Purchase } from './options.ts'
import { type Repeatable, repeatable } from './request.ts'
import type { Tab } from './tab.ts'

export interface BuyerOptions extends Pick<PayingWalletOptions, 'approve' | 'allowHttp'> {
  readonly fetch: Fetch
  readonly money: Money
  readonly limits: Limits
  readonly tabAt: (origin: string) => Tab
}

/** Something that is about to be bought. */
export interface Wanted {
  readonly method: string
  readonly url: URL
  readonly price: bigint
  readonly kind: Purchase['kind']
  readonly raisedFrom?: bigint | undefined
}

/** Fetches, and pays for what has a price. */
export class Buyer {
  readonly #options: BuyerOptions

  constructor(options: BuyerOptions) {
    this.#options = options
  }

  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = await repeatable(input, init)
    const { method, url } = request
    const tab = this.#options.tabAt(url.origin)
    await tab.offers.recall()
    const price = tab.offers.priceOf(method, url)
    if (price !== undefined) return this.#pay(tab, request, price)
    const response = await this.#options.fetch(url.href, request.init)
    const asking = response.status === 402 ? askingFor(request, response) : undefined
    const learnt = asking && (await tab.offers.learn(response.clone(), method, asking))
    if (asking === undefined || learnt === undefined) return response
    await response.body?.cancel()
    return this.#pay(tab, { ...request, url: asking }, learnt)
  }

  /** Throws where the wallet's own rules do not allow it: nothing was signed then. */
  async permit(tab: Tab, { method, url, price, kind, raisedFrom }: Wanted): Promise<void> {
    const { limits, money, approve, allowHttp = false } = this.#options
    const refuse = (reason: ProblemReason, detail: string): never => {
      const cause = new RefusedError({ reason, detail })
      tab.emit({ kind: 'refused', method, url: url.href, cause })
      throw cause
    }
    const what = `${method} ${url.origin}${url.pathname}`
    if (!allowHttp && (url.protocol === 'http:' || url.protocol === 'ws:') && !isLoopback(url)) {
      refuse('NotSecure', `${what} is plain http, and not on this machine`)
    }
    if (limits.request !== undefined && price > limits.request) {
      refuse('BudgetExceeded', `${what} costs ${money.say(price)}; budget.request is ${money.say(limits.request)}`)
    }
    if (approve === undefined) return
    const purchase: Purchase = {
      method,
      url: url.href,
      host: tab.host,
      price: money.format(price),
      asset: money.asset,
      kind,
      ...(raisedFrom !== undefined && { raisedFrom: money.format(raisedFrom) }),
    }
    if (!(await approve(purchase))) refuse('NotApproved', `approve did not allow ${money.say(price)} for ${what}`)
  }

  /** Pays, and pays again only what the vendor has raised its price by, or over another channel where this one has ended. */
  async #pay(tab: Tab, request: Repeatable, known: bigint): Promise<Response> {
    const { method, url } = request
    let price = known
    let raisedFrom: bigint | undefined
    for (let attempt = 1; ; attempt++) {
      await this.permit(tab, { method, url, price, kind: 'request', raisedFrom })
      const paid = await this.#payOnce(tab, request, price)
      if (paid === 'again') continue
      const { response, lane } = paid
      const reason = attempt < attemptsMax ? await reasonOf(response) : undefined
      if (reason === undefined) return response
      if (isEnded.has(reason)) {
        tab.retire(lane)
        // It may be another vendor by now: the next channel is for the one that is there.
        await tab.offers.refresh()
        continue
      }
      if (reason !== 'CreditTooLow') return response
      const asked = await tab.offers.learn(response.clone(), method, url)
      if (asked === undefined || asked <= price) return response
      raisedFrom = price
      price = asked
    }
  }

  /** `again` where the channel could not pay after all, and nothing was signed. */
  async #payOnce(
    tab: Tab,
    { method, url, init, signal }: Repeatable,
    price: bigint,
  ): Promise<{ readonly response: Response; readonly lane: Lane } | 'again'> {
    const { money } = this.#options
    const what = { method, url: url.href }
    const lane = await tab.promise({ price, signal })
    const channel = toHex(lane.channel.state.channelId)
    let isRedeemed = false
    const redeem = (): void => {
      if (!isRedeemed) tab.redeem(lane, price)
      isRedeemed = true
    }
    try {
      const { response, index, charged, settling } = await lane.channel.buy(url.href, price, init, {
        assess: (more) => {
          redeem()
          return tab.assess(more)
        },
        onRetry: (index, cause) => tab.emit({ kind: 'retried', ...what, channel, index, cause }),
      })
      const tell = (said: bigint | undefined): void => {
        const told = said === undefined ? undefined : money.format(said)
        const { status } = response
        tab.emit({ kind: 'payment', ...what, channel, index, price: money.format(price), charged: told, status })
      }
      if (settling === undefined) tell(charged)
      else {
        tab.leaves(settling)
        void settling.then(tell)
      }
      return { response, lane }
    } catch (error) {
      // As the Fetch API has it. What was signed by then is in the ledger, and is paid once.
      if (signal.aborted && error instanceof UnansweredError) throw signal.reason
      return await tab.failed(lane, what, error)
    } finally {
      redeem()
      tab.done(lane)
    }
  }
}

/** How often a request is paid for anew: its price rose, or its channel had ended. */
export const attemptsMax = 4

/** What ends a channel at its vendor: another one may be taken. */
export const isEnded: ReadonlySet<ProblemReason> = new Set([
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

/**
 * The address that a 402 is about, if it may be paid: a payment goes to the origin that was asked, so that a 402 of another one,
 * to which a redirect led, is the caller's.
 */
function askingFor({ method, url }: Repeatable, response: Response): URL | undefined {
  if (!response.redirected) return url
  const led = new URL(response.url)
  return led.origin === url.origin && (method === 'GET' || method === 'HEAD') ? led : undefined
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.[0-9]+){3}$/.test(hostname)
}
