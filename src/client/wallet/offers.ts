import * as Offer from '../../http/Offer.ts'
import { matchPath } from '../../http/routePath.ts'
import type { WalletJournal } from '../journal/contract.ts'
import { type Fetch, failureOf, reach, readOffer, readText } from '../remote.ts'

/** An offer as it was fetched. */
interface KnownOffer {
  readonly offer: Offer.Offer
  readonly body: string
  readonly etag: string | undefined
  /** Milliseconds since 1970. */
  readonly freshUntil: number
}

/** What one origin offers, and what its refusals taught of its prices. Kept in the journal: a later start needs no probe. */
export class OfferBook {
  readonly #origin: string
  readonly #ask: Fetch
  readonly #journal: WalletJournal
  readonly #learnt = new Map<string, bigint>()
  #known: KnownOffer | undefined
  #recalled: Promise<void> | undefined
  #refreshing: Promise<void> | undefined

  constructor(origin: string, { ask, journal }: { readonly ask: Fetch; readonly journal: WalletJournal }) {
    this.#origin = origin
    this.#ask = ask
    this.#journal = journal
  }

  get offer(): Offer.Offer | undefined {
    return this.#known?.offer
  }

  /** Reads what the journal has. One that is out of date is good for a price: its vendor says where that is wrong. */
  recall(): Promise<void> {
    this.#recalled ??= this.#recall()
    return this.#recalled
  }

  /** What a request costs, as far as is known; for a metered route, the most that it may. */
  priceOf(method: string, url: URL): bigint | undefined {
    if (this.#known !== undefined && this.#known.freshUntil < Date.now()) void this.refresh().catch(() => undefined)
    const learnt = this.#learnt.get(keyOf(method, url))
    if (learnt !== undefined) return learnt
    const route = this.#known?.offer.routes.find(
      ({ method: sold, path, per }) =>
        sold === method && per === 'request' && matchPath(path, url.pathname) !== undefined,
    )
    return route?.price
  }

  /** What a unit of a stream costs, as far as the offer says. */
  unitPriceOf({ pathname }: URL): bigint | undefined {
    const routes = this.#known?.offer.routes ?? []
    return routes.find(({ path, per }) => per === 'unit' && matchPath(path, pathname) !== undefined)?.price
  }

  /**
   * Takes what a 402 says: its offer and its price for this very request. Gives that price; none where it is another scheme's,
   * or for a stream.
   */
  async learn(response: Response, method: string, url: URL): Promise<bigint | undefined> {
    const { offer, price } = readTold(await readText(response, toldMax))
    if (offer !== undefined) await this.#take(offer, response.headers)
    else if (/(?:^|,)\s*Lockstep(?:\s|$)/i.test(response.headers.get('WWW-Authenticate') ?? '')) await this.refresh()
    else return undefined
    const key = keyOf(method, url)
    this.#learnt.delete(key)
    if (price === undefined) return this.priceOf(method, url)
    if (price.asset !== this.offer?.asset || price.per !== 'request') return undefined
    this.#learnt.set(key, price.amount)
    for (const oldest of this.#learnt.keys()) {
      if (this.#learnt.size <= learntMax) break
      this.#learnt.delete(oldest)
    }
    return price.amount
  }

  /** Asks for the offer, unless the one that is known is still good. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#fetch().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #fetch(): Promise<void> {
    const url = new URL(Offer.offerPath, this.#origin).href
    const etag = this.#known?.etag
    const response = await reach(this.#ask, url, etag === undefined ? {} : { headers: { 'If-None-Match': etag } })
    if (response.status === 304 && this.#known !== undefined) {
      this.#known = { ...this.#known, freshUntil: freshUntil(response.headers) }
      return
    }
    if (!response.ok) throw await failureOf(response, url)
    await this.#take(await readText(response, Offer.offerSizeMax), response.headers)
  }

  async #take(body: string, headers: Headers): Promise<void> {
    const offer = readOffer(this.#origin, body)
    const isNew = body !== this.#known?.body
    const etag = headers.get('ETag') ?? undefined
    this.#known = { offer, body, etag, freshUntil: freshUntil(headers) }
    if (!isNew) return
    // What was learnt goes with what it was learnt under.
    this.#learnt.clear()
    await this.#journal.note(this.#name, JSON.stringify({ etag, body, freshUntil: this.#known.freshUntil }))
  }

  async #recall(): Promise<void> {
    const noted = await this.#journal.recall(this.#name)
    if (noted === undefined || this.#known !== undefined) return
    const { etag, body, freshUntil } = JSON.parse(noted) as { etag?: string; body: string; freshUntil: number }
    const offer = Offer.parse(body)
    if (offer.ok) this.#known = { offer: offer.value, body, etag, freshUntil }
  }

  get #name(): string {
    return `offer ${this.#origin}`
  }
}

interface Told {
  /** As JSON. */
  readonly offer?: string
  readonly price?: Offer.Price
}

/** The most characters that are read of a 402. */
const toldMax = 131_072
const learntMax = 1_000

/** What a 402's body says beside its reason. */
function readTold(body: string): Told {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    // Another scheme's 402, or a page for people: the well-known path says more.
    return {}
  }
  const { offer, price } = Object(json) as { offer?: unknown; price?: unknown }
  const asked = Offer.parsePrice(price)
  return {
    ...(typeof offer === 'object' && offer !== null && { offer: JSON.stringify(offer) }),
    ...(asked.ok && { price: asked.value }),
  }
}

function keyOf(method: string, { pathname }: URL): string {
  return `${method} ${pathname}`
}

function freshUntil(headers: Headers): number {
  const seconds = /(?:^|[ ,])max-age=([0-9]{1,9})/.exec(headers.get('Cache-Control') ?? '')?.[1]
  return Date.now() + Number(seconds ?? 60) * 1000
}
