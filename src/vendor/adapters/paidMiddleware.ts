import type { Meter, Payment, Price, PriceOptions } from '../paywall/index.ts'

/** A paywall as middleware of a framework that has handlers `Middleware` and knows a request by `Request`. */
export interface PaidMiddleware<Middleware, Request> {
  /** Answers what every vendor answers: `app.use(paid.handle)`, before the routes. */
  readonly handle: Middleware
  /** What follows it costs as much for each request. If that fails, or answers with a status from 400 on, nothing is charged. */
  each(price: Price, options?: PriceOptions): Middleware
  /** What follows it says on its payment's `meter` what it costs, up to a ceiling. */
  metered(options: PriceOptions & { readonly max: string }): Middleware
  /** The payment of a request, in a handler behind a price. */
  payment(request: Request): MeteredPayment
}

export type MeteredPayment = Payment & { readonly meter: Meter }

/** The payments of requests that are being served. */
export class Payments<Request extends object> {
  readonly #byRequest = new WeakMap<Request, MeteredPayment>()

  set(request: Request, payment: MeteredPayment): void {
    this.#byRequest.set(request, payment)
  }

  has(request: Request): boolean {
    return this.#byRequest.has(request)
  }

  of(request: Request): MeteredPayment {
    const payment = this.#byRequest.get(request)
    if (payment === undefined) throw new Error('this request is behind no price: put paid.each(…) before its handler')
    return payment
  }
}
