/** A paywall as middleware of Express 5. Handlers and what comes before them stay as they are. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Meter, Payment, Paywall, Price, PriceOptions, PriceTag } from '../paywall/index.ts'
import { answerOwn, sellTo } from './node.ts'

export { BodyReadError } from './rawBody.ts'

/** As Express takes it, whatever its types say of requests and responses. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>

export interface ExpressPaywall {
  /** Answers what every vendor answers: `app.use(paid.handle)`, before the routes. */
  readonly handle: Middleware
  /** What follows it costs as much for each request. If that fails, or answers with a status from 400 on, nothing is charged. */
  each(price: Price, options?: PriceOptions): Middleware
  /** What follows it says on its payment's `meter` what it costs, up to a ceiling. */
  metered(options: PriceOptions & { readonly max: string }): Middleware
  /** The payment of a request, in a handler behind a price. */
  payment(request: IncomingMessage): Payment & { readonly meter: Meter }
}

/**
 * ```ts
 * const paid = forExpress(pay)
 * app.use(paid.handle)
 * app.get('/joke', paid.each('0.001'), (_request, response) => response.json({ joke: '…' }))
 * ```
 */
export function forExpress(pay: Paywall): ExpressPaywall {
  const payments = new WeakMap<IncomingMessage, Payment & { readonly meter: Meter }>()
  const guard =
    (tag: PriceTag): Middleware =>
    async (request, response, next) => {
      const selling = { tag, incoming: request, outgoing: response }
      await sellTo(pay, selling, (payment) => {
        payments.set(request, payment)
        next()
      })
    }
  return {
    async handle(request, response, next) {
      if (!(await answerOwn(pay, request, response))) next()
    },
    each: (price, options) => guard(pay.price(price, options)),
    metered: (options) => guard(pay.ceiling(options)),
    payment(request) {
      const payment = payments.get(request)
      if (payment === undefined) throw new Error('this request is behind no price: put paid.each(…) before its handler')
      return payment
    },
  }
}
