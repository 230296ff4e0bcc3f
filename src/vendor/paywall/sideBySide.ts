import { headerNames } from '../../http/headers.ts'
import { allowBrowsers } from '../answering.ts'
import { asError } from '../errors.ts'
import { problemResponse } from '../responses.ts'
import type { PriceTag } from './prices.ts'
import type { Paywall } from './types.ts'

/** A handler as any way to pay can sell it. */
export type SoldHandler = (request: Request) => Promise<Response> | Response

/** One of several ways to pay for a request. */
export interface Way {
  /** The headers of a `402` in which it says how it is paid. */
  readonly asks: readonly string[]
  /** Whether a request bears a payment of this kind. */
  bears(request: Request): boolean
  /** Serves the request for its price. One that bears no payment gets a `402` that says how this way is paid. */
  sell(request: Request, handler: SoldHandler): Promise<Response>
}

/** The protocol's own way: its headers, its offer. */
export function byLockstep(pay: Pick<Paywall, 'sell'>, tag: PriceTag): Way {
  return {
    asks: ['WWW-Authenticate'],
    bears: ({ headers }) => headers.has(headerNames.payment),
    sell: (request, handler) => pay.sell(request, tag, (paid) => handler(paid)),
  }
}

/**
 * One handler that may be paid for in several ways. A payment goes to the way that it is of; a request without one gets a single
 * `402` that says all of them, which each client reads as its own.
 *
 * ```ts
 * const joke = sideBySide([byLockstep(pay, pay.price('0.001')), byMpp(charge), byX402(x402)], () => Response.json({ joke: '…' }))
 * ```
 */
export function sideBySide(
  ways: readonly Way[],
  handler: SoldHandler,
  { onError = warn }: { readonly onError?: (error: unknown) => void } = {},
): (request: Request) => Promise<Response> {
  const run: SoldHandler = async (request) => {
    try {
      return await handler(request)
    } catch (error) {
      onError(error)
      return problemResponse({ reason: 'HandlerFailed', detail: 'the handler failed' })
    }
  }
  return async (request) => {
    const way = ways.find(({ bears }) => bears(request))
    if (way !== undefined) return way.sell(request, run)
    const asked: Asked[] = []
    for (const { sell, asks } of ways) {
      const response = await sell(request.clone(), run)
      // One that asks for nothing has served it, or has failed.
      if (response.status !== 402) return response
      asked.push({ response, asks })
    }
    return merged(asked)
  }
}

interface Asked extends Pick<Way, 'asks'> {
  readonly response: Response
}

/** The first answer, with how the others want to be paid: each in headers of its own, also where another knows those. */
function merged([first, ...others]: readonly Asked[]): Response {
  if (first === undefined) throw new Error('sideBySide needs a way to pay')
  const headers = new Headers(first.response.headers)
  for (const name of new Set(others.flatMap(({ asks }) => asks))) if (!first.asks.includes(name)) headers.delete(name)
  for (const { response, asks } of others) {
    void response.body?.cancel()
    for (const name of asks) {
      const value = response.headers.get(name)
      if (value !== null) headers.append(name, value)
      headers.append('Access-Control-Expose-Headers', name)
    }
  }
  return allowBrowsers(new Response(first.response.body, { status: 402, headers }))
}

function warn(error: unknown): void {
  process.emitWarning(asError(error).stack ?? String(error), 'LockstepWarning')
}
