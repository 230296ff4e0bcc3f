/** A paywall as middleware of Express 5. Handlers and what comes before them stay as they are. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Paywall, PriceTag } from '../paywall/index.ts'
import { answerOwn, sellTo } from './node.ts'
import { type PaidMiddleware, Payments } from './paidMiddleware.ts'

export { BodyReadError } from './rawBody.ts'

/** As Express takes it, whatever its types say of requests and responses. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>

/** A paywall as Express has its middleware. */
export type ExpressPaywall = PaidMiddleware<Middleware, IncomingMessage>

/**
 * ```ts
 * const paid = forExpress(pay)
 * app.use(paid.handle)
 * app.get('/joke', paid.each('0.001'), (_request, response) => response.json({ joke: '…' }))
 * ```
 */
export function forExpress(pay: Paywall): ExpressPaywall {
  const payments = new Payments<IncomingMessage>()
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
    payment: (request) => payments.of(request),
  }
}
