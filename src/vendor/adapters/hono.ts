/** A paywall as middleware of Hono. Handlers stay as they are. */

import type { Context, MiddlewareHandler } from 'hono'
import type { Paywall, PriceTag } from '../paywall/index.ts'
import { type PaidMiddleware, Payments } from './paidMiddleware.ts'
import { BodyReadError } from './rawBody.ts'

export { BodyReadError } from './rawBody.ts'

/** A paywall as Hono has its middleware. */
export type HonoPaywall = PaidMiddleware<MiddlewareHandler, Context>

/**
 * ```ts
 * const paid = forHono(pay)
 * app.use(paid.handle)
 * app.get('/joke', paid.each('0.001'), (context) => context.json({ joke: '…' }))
 * ```
 */
export function forHono(pay: Paywall): HonoPaywall {
  const payments = new Payments<Context>()
  const guard =
    (tag: PriceTag): MiddlewareHandler =>
    async (context, next) => {
      // The handler of one price would wait for the other, whose answer waits for that handler.
      if (payments.has(context))
        throw new Error(`${context.req.path} is behind two prices: a request is paid once. Nothing was charged`)
      let isRun = false
      const response = await pay.sell(requestOf(context), tag, async (_paid, meter, payment) => {
        isRun = true
        payments.set(context, { ...payment, meter })
        await next()
        if (context.error !== undefined) throw context.error
        return context.res
      })
      if (!isRun) return response
      // Set over another one, Hono would mix the headers of both.
      context.res = undefined
      context.res = response
      return undefined
    }
  return {
    async handle(context, next) {
      const response = await pay.handle(context.req.raw)
      return response ?? next()
    },
    each: (price, options) => guard(pay.price(price, options)),
    metered: (options) => guard(pay.ceiling(options)),
    payment: (context) => payments.of(context),
  }
}

/** The request with its body, which the handler can read again. Throws {@link BodyReadError} where something has parsed it. */
function requestOf({ req }: Context): Request {
  const { raw, bodyCache } = req
  if (!raw.bodyUsed) return raw.clone()
  const kept = bodyCache.arrayBuffer
  if (kept === undefined) {
    throw new BodyReadError(
      'a middleware has read the request before the paywall: let the paid route come before it, or read c.req.arrayBuffer() there',
    )
  }
  // Hono keeps what is being read: its bytes follow.
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async start(controller) {
      controller.enqueue(new Uint8Array(await Promise.resolve(kept)))
      controller.close()
    },
  })
  return new Request(raw.url, { method: raw.method, headers: raw.headers, body, duplex: 'half' } as RequestInit)
}
