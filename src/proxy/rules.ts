import type { Paywall, PriceTag } from '../vendor/index.ts'
import { fits } from './paths.ts'
import { type Rate, rateOf } from './tokens.ts'

/** What a request to the service behind costs, and which requests those are. */
export interface ProxyRoute {
  /**
   * `'GET /weather/:city'`, `'/v1/*'` for any method and all that is below. The first that fits counts; a HEAD costs what a GET does.
   */
  readonly match: string
  readonly price: ProxyPrice
}

/** `'free'`, a decimal string in the asset for each request, or what is metered. */
export type ProxyPrice = string | TokenPrice | StreamRate

/** A price by the tokens that the `usage` of an answer counts, as OpenAI-compatible services have it, streamed or not. */
export interface TokenPrice {
  /** For tokens of the prompt. */
  readonly prompt: string
  /** For tokens of the answer. */
  readonly completion: string
  /** So many tokens for that: `1000000` as price lists have it; 1 if not said. A fraction of a base unit counts as a whole one. */
  readonly per?: number
  /** The most that one request is charged, whatever it used. A streamed answer ends there. */
  readonly max: string
}

/** A price for what a WebSocket of the service behind sends: for each message, or each second. */
export type StreamRate =
  | { readonly message: string; readonly second?: never }
  | { readonly second: string; readonly message?: never }

/** A route that was read. `method`: none stands for all. */
export interface Rule {
  readonly method: string | undefined
  readonly path: string
  readonly cost: Cost
}

export type Cost =
  | { readonly kind: 'free' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'each'; readonly tag: PriceTag }
  | { readonly kind: 'tokens'; readonly tag: PriceTag; readonly rate: Rate }
  | { readonly kind: 'stream'; readonly tag: PriceTag; readonly rate: StreamRate }

export type Pricing = Pick<Paywall, 'asset' | 'price' | 'ceiling' | 'list'>

/** Reads routes. Throws {@link ProxyError} for one that cannot be, `PriceError` for a price that is none. */
export function readRules(pay: Pricing, routes: readonly ProxyRoute[]): readonly Rule[] {
  return routes.map(({ match, price }) => {
    const [, method, path] = /^(?:([A-Z]+) )?(\/[^\s*?#]*(?:(?<=\/)\*)?)$/.exec(match) ?? []
    if (path === undefined) {
      throw new ProxyError(`a route matches 'GET /path/:name', '/path' or '/path/*'; '${match}' is none of them`)
    }
    const cost = costOf(pay, price)
    if (cost.kind === 'stream' && (method !== 'GET' || path.endsWith('*'))) {
      throw new ProxyError(`a WebSocket is at 'GET /path'; '${match}' is not`)
    }
    // What an offer cannot name, a 402 says.
    if ('tag' in cost && method !== undefined && !path.endsWith('*')) pay.list(method, path, cost.tag)
    return { method, path, cost }
  })
}

/** What a request comes under where no route fits it. */
export function readOtherwise(pay: Pricing, otherwise: string): Cost {
  return otherwise === 'refuse' ? { kind: 'refused' } : costOf(pay, otherwise)
}

/** The first rule that a request fits. */
export function ruleFor(
  rules: readonly Rule[],
  { method, segments }: { readonly method: string; readonly segments: readonly string[] },
): Rule | undefined {
  const asked = method === 'HEAD' ? ['HEAD', 'GET'] : [method]
  return rules.find((rule) => (rule.method === undefined || asked.includes(rule.method)) && fits(rule.path, segments))
}

function costOf(pay: Pricing, price: ProxyPrice): Cost {
  if (price === 'free') return { kind: 'free' }
  if (typeof price === 'string') return { kind: 'each', tag: pay.price(price) }
  if ('max' in price) return { kind: 'tokens', tag: pay.ceiling({ max: price.max }), rate: rateOf(pay.asset, price) }
  return { kind: 'stream', tag: { ...pay.price(price.message ?? price.second), per: 'unit' }, rate: price }
}

/** A proxy cannot be what it is told to be. Nothing was opened. */
export class ProxyError extends Error {
  override readonly name: string = 'ProxyError'
}
