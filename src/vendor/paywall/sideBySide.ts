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
  /** Whether a request bears a payment of this kind. */
  bears(request: Request): boolean
  /** Serves the request for its price. One that bears no payment gets a `402` that says how this way is paid. */
  sell(request: Request, handler: SoldHandler): Promise<Response>
}

/** The protocol's own way: its headers, its offer. */
export function byLockstep(pay: Pick<Paywall, 'sell'>, tag: PriceTag): Way {
  return {
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
    const asked: Response[] = []
    for (const { sell } of ways) {
      const response = await sell(request.clone(), run)
      // One that asks for nothing has served it, or has failed.
      if (response.status !== 402) return response
      asked.push(response)
    }
    return merged(asked)
  }
}

/** The first answer, with how the others want to be paid. */
function merged([first, ...others]: readonly Response[]): Response {
  if (first === undefined) throw new Error('sideBySide needs a way to pay')
  const headers = new Headers(first.headers)
  for (const other of others) {
    void other.body?.cancel()
    for (const name of asking) {
      const value = other.headers.get(name)
      if (value !== null) headers.append(name, value)
    }
  }
  return allowBrowsers(new Response(first.body, { status: 402, headers }))
}

/** Where a `402` says how it is paid: every scheme of HTTP, and x402. */
const asking = ['WWW-Authenticate', 'PAYMENT-REQUIRED', 'Access-Control-Expose-Headers']

function warn(error: unknown): void {
  process.emitWarning(asError(error).stack ?? String(error), 'LockstepWarning')
}
