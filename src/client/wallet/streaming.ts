import { toHex } from '../../crypto/bytes.ts'
import { RefusedError } from '../errors.ts'
import type { StreamOptions } from '../stream.ts'
import { attemptsMax, type Buyer, isEnded } from './buyer.ts'
import type { Lane } from './lane.ts'
import type { Limits, Money } from './money.ts'
import type { Tab } from './tab.ts'

/** How a stream is bought. Amounts are decimal strings in the wallet's asset. */
export interface WalletStreamOptions {
  /** The most that one unit may cost. Left out: what the offer says, within `budget.request`. */
  readonly unitPrice?: string
  /** The most that the whole stream may cost: it is paid no further. */
  readonly max?: string
  /** Units paid ahead of what came: what is at risk, and what hides the way there and back. */
  readonly ahead?: number
  /** How it travels; server-sent events pass where WebSockets do not. */
  readonly transport?: 'websocket' | 'events'
  /** Gives the stream up. What came until then is paid, and no more. */
  readonly signal?: AbortSignal
  /** What is said to the stream's source, from the first payment on: text or bytes, up to 32,768 bytes each. */
  readonly input?: StreamOptions['input']
}

export interface StreamingOptions {
  readonly buyer: Buyer
  readonly money: Money
  readonly limits: Limits
  readonly tabAt: (origin: string) => Tab
}

/** Pays for a stream unit by unit, and yields what it delivers. What its vendor has changed since is learnt before anything came. */
export async function* buyStream(
  { buyer, money, limits, tabAt }: StreamingOptions,
  input: string | URL,
  options: WalletStreamOptions,
): AsyncGenerator<Uint8Array, void> {
  const url = new URL(input)
  const tab = tabAt(originOf(url))
  let raisedFrom: bigint | undefined
  for (let attempt = 1; ; attempt++) {
    const price = await unitPriceOf(tab, url)
    assertCheap(price, options.unitPrice, money)
    await buyer.permit(tab, { method: 'GET', url, price, kind: 'stream', raisedFrom })
    const unitsMax = options.max === undefined ? undefined : unitsFor(money.parse(options.max, 'max'), price, 'max')
    const aheadMax = limits.atRisk === undefined ? aheadDefault : unitsFor(limits.atRisk, price, 'budget.atRisk')
    const ahead = Math.min(options.ahead ?? aheadDefault, aheadMax, unitsMax ?? aheadDefault)
    const total = BigInt(unitsMax ?? ahead) * price
    const lane = await tab.promise({ price: total, risk: BigInt(ahead) * price, signal: options.signal })
    const isLast = attempt === attemptsMax
    const refused = yield* run({ tab, lane, url, price, total, money, isLast }, { ...options, ahead, unitsMax })
    if (refused === undefined) return
    await tab.offers.refresh()
    if (isEnded.has(refused.reason)) tab.retire(lane)
    else if ((await unitPriceOf(tab, url)) <= price) throw refused
    else raisedFrom = price
  }
}

interface Running {
  readonly tab: Tab
  readonly lane: Lane
  readonly url: URL
  readonly price: bigint
  readonly total: bigint
  readonly money: Money
  /** It is not tried again, whatever its vendor says. */
  readonly isLast: boolean
}

/** Gives what its vendor says that has changed: nothing has come then. */
async function* run(
  { tab, lane, url, price, total, money, isLast }: Running,
  { ahead, unitsMax, transport, signal, input }: WalletStreamOptions & { readonly unitsMax: number | undefined },
): AsyncGenerator<Uint8Array, RefusedError | undefined> {
  const what = { method: 'GET', url: url.href }
  let promised = total
  let units = 0
  let changed: RefusedError | undefined
  try {
    const stream = lane.channel.stream(url.href, {
      price,
      ...(ahead !== undefined && { ahead }),
      ...(unitsMax !== undefined && { unitsMax }),
      ...(transport && { transport }),
      ...(signal && { signal }),
      ...(input && { input }),
      assess: (more) => {
        const part = price < promised ? price : promised
        promised -= part
        tab.redeem(lane, part)
        return tab.assess(more)
      },
    })
    for await (const unit of stream) {
      units += 1
      yield unit
    }
  } catch (error) {
    if (units === 0 && !isLast && error instanceof RefusedError && isChange(error)) changed = error
    else {
      // A stream is bound to its channel: another one cannot go on with it.
      await tab.failed(lane, what, error)
      const detail = `the channel of this stream was used up after ${units} units: say with max what it may cost`
      throw new RefusedError({ reason: 'FundsExhausted', detail })
    }
  } finally {
    tab.redeem(lane, promised)
    tab.done(lane)
    const channel = toHex(lane.channel.state.channelId)
    if (changed === undefined) tab.emit({ kind: 'streamed', ...what, channel, units, unitPrice: money.format(price) })
  }
  return changed
}

/** Whether a refusal says that the vendor is not as it was offered. */
function isChange({ reason }: RefusedError): boolean {
  return reason === 'CreditTooLow' || isEnded.has(reason)
}

async function unitPriceOf(tab: Tab, url: URL): Promise<bigint> {
  await tab.offers.recall()
  if (tab.offers.unitPriceOf(url) === undefined) await tab.offers.refresh()
  const asked = tab.offers.unitPriceOf(url)
  if (asked === undefined) {
    throw new RefusedError({ reason: 'NotFound', detail: `${tab.host} offers no stream at ${url.pathname}` })
  }
  return asked
}

function assertCheap(price: bigint, unitPrice: string | undefined, money: Money): void {
  const most = unitPrice === undefined ? price : money.parse(unitPrice, 'unitPrice')
  if (price <= most) return
  const detail = `a unit costs ${money.say(price)}; unitPrice allows ${money.say(most)}`
  throw new RefusedError({ reason: 'BudgetExceeded', detail })
}

/** How many units an amount pays for. */
function unitsFor(most: bigint, price: bigint, what: string): number {
  const units = price === 0n ? unitsEver : most / price
  if (units < 1n) throw new RefusedError({ reason: 'BudgetExceeded', detail: `${what} is below the price of one unit` })
  return Number(units < unitsEver ? units : unitsEver) // A count of units, not an amount.
}

/** A WebSocket's address has the offer of its http one. */
function originOf(url: URL): string {
  const { protocol, host } = url
  return `${protocol === 'wss:' || protocol === 'https:' ? 'https:' : 'http:'}//${host}`
}

const aheadDefault = 8
const unitsEver = 1_000_000_000n
