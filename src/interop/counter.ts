import { headerNames } from '../http/headers.ts'
import { fromMembers } from '../http/members.ts'
import * as Offer from '../http/Offer.ts'
import { isProblemReason, type Problem, problemType } from '../http/problems.ts'
import type { OpenSale, Paywall, PriceTag } from '../vendor/index.ts'
import { openSale } from '../vendor/index.ts'
import { type Asset, formatDecimal, parseAsset } from '../wire/amount.ts'

/** A payment that came in the envelope of another protocol. */
export interface Presented {
  /** As it arrived, its body unread. */
  readonly request: Request
  /** What the envelope has in place of the protocol's headers. */
  readonly members: Readonly<Record<string, unknown>>
  /** Base units. */
  readonly amount: string
  /** The sale's meter says what of it is charged. */
  readonly isMetered?: boolean
}

/** What became of it. */
export type Judged =
  | { readonly state: 'open'; readonly sale: OpenSale }
  /** It was paid for before: this was the answer, and the handler does not run again. */
  | { readonly state: 'answered'; readonly response: Response }
  | { readonly state: 'refused'; readonly problem: Problem; readonly statement: string | undefined }

type ShownOffer = Readonly<Record<string, unknown>>

/** A paywall as other protocols sell through it. */
export interface Counter {
  /** As JSON, without its routes: what a wallet needs to open a channel. */
  offer(): ShownOffer
  /** Base units of a price, which the offer hears of. Throws `PriceError`. */
  unitsOf(price: string): string
  /** The other way round. */
  priceOf(units: string): string
  /** Sets the price aside. The handler that is not heard of within the time has failed. */
  judge(presented: Presented): Promise<Judged>
}

export interface CounterOptions {
  /** What a handler may take, where nobody says that it has failed. Two minutes, if not said. */
  readonly handlerTimeoutMs?: number
}

export function createCounter(pay: Paywall, { handlerTimeoutMs = 120_000 }: CounterOptions = {}): Counter {
  const asset = assetOf(pay.asset)
  const tags = new Map<string, PriceTag>()
  let shown: { readonly of: Offer.Offer; readonly json: ShownOffer } | undefined
  const tagOf = (price: string): PriceTag => {
    const known = tags.get(price)
    if (known !== undefined) return known
    const tag = pay.price(price)
    if (tags.size < tagsMax) tags.set(price, tag)
    return tag
  }
  return {
    offer() {
      const of = pay.offer()
      if (shown?.of !== of) shown = { of, json: JSON.parse(Offer.encode({ ...of, routes: [] })) as ShownOffer }
      return shown.json
    },
    unitsOf: (price) => String(tagOf(price).offered),
    priceOf: (units) => formatDecimal(BigInt(units), asset),
    async judge({ request, members, amount, isMetered = false }) {
      const headers = new Headers(request.headers)
      // The envelope's payment is the one that is meant, also where it is none. What is refused is no page for people.
      for (const name of [...Object.values(headerNames), 'Accept']) headers.delete(name)
      for (const [name, value] of Object.entries(fromMembers(members))) headers.set(name, value)
      const tag = { ...tagOf(formatDecimal(BigInt(amount), asset)), meters: isMetered }
      const sale = await openSale(pay, new Request(request, { headers }), tag)
      if (sale instanceof Response) return judged(sale)
      const fail = (): void => void sale.fail(new Error('a handler behind another protocol gave no answer in time'))
      const timer = setTimeout(fail, handlerTimeoutMs).unref()
      void sale.sold.finally(() => clearTimeout(timer))
      return { state: 'open', sale }
    },
  }
}

/** The statement that a response of the paywall brings, and the response without it: it travels in the other's receipt. */
export function takeStatement(response: Response): {
  readonly response: Response
  readonly statement: string | undefined
} {
  const headers = new Headers(response.headers)
  const statement = headers.get(headerNames.statement) ?? undefined
  headers.delete(headerNames.statement)
  return { response: new Response(response.body, { status: response.status, headers }), statement }
}

/** What the paywall answered in place of opening a sale. */
async function judged(response: Response): Promise<Judged> {
  const problem = await problemIn(response)
  if (problem === undefined) return { state: 'answered', response }
  return { state: 'refused', problem, statement: response.headers.get(headerNames.statement) ?? undefined }
}

/** The problem of a refusal. A handler that failed has answered. */
async function problemIn(response: Response): Promise<Problem | undefined> {
  if (!response.headers.get('Content-Type')?.startsWith(problemType)) return undefined
  const problem = (await response.clone().json()) as Partial<Problem>
  const { type, reason = '' } = problem
  const isOurs = isProblemReason(reason) && type === `urn:lockstep:problem:${reason}` && reason !== 'HandlerFailed'
  return isOurs ? (problem as Problem) : undefined
}

const tagsMax = 1_000

function assetOf(name: string): Asset {
  const asset = parseAsset(name)
  if (!asset.ok) throw new Error(asset.detail)
  return asset.value
}
