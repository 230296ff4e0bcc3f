/** A paywall before handlers of `node:http`, which stay as they are. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { allowBrowsers, failureResponse } from '../answering.ts'
import { pathnameOf, send, toRequest } from '../connection.ts'
import type { Paywall, Price, PriceOptions, PriceTag } from '../paywall/index.ts'
import { isOwnPath } from '../paywall/ownPaths.ts'
import { problemResponse } from '../responses.ts'
import { type HeldAnswer, holdAnswer, setResponseHeaders } from './heldAnswer.ts'
import type { MeteredPayment } from './paidMiddleware.ts'
import { BodyReadError, rawBodyOf } from './rawBody.ts'

export { BodyReadError } from './rawBody.ts'

/** A handler as `node:http` has them, told of the payment. */
export type PaidListener = (incoming: IncomingMessage, outgoing: ServerResponse, payment: MeteredPayment) => unknown

/** A paywall as `node:http` has its listeners. */
export interface NodePaywall {
  /** Answers what every vendor answers; tells whether it did. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<boolean>
  /** A listener that costs as much for each request. One that throws, or answers with a status from 400 on, charges nothing. */
  each(price: Price, listener: PaidListener, options?: PriceOptions): NodeListener
  /** A listener that says on `payment.meter` what its answer costs, up to a ceiling. */
  metered(options: PriceOptions & { readonly max: string }, listener: PaidListener): NodeListener
}

/** A listener of `node:http`. */
export type NodeListener = (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>

/**
 * ```ts
 * const paid = forNode(pay)
 * const joke = paid.each('0.001', (_request, response) => response.end('…'))
 * createServer(async (request, response) => {
 *   if (await paid.handle(request, response)) return
 *   await joke(request, response)
 * })
 * ```
 */
export function forNode(pay: Paywall): NodePaywall {
  const guard =
    (tag: PriceTag, listener: PaidListener): NodeListener =>
    (incoming, outgoing) =>
      sellTo(pay, { tag, incoming, outgoing }, (payment) => listener(incoming, outgoing, payment))
  return {
    handle: (incoming, outgoing) => answerOwn(pay, incoming, outgoing),
    each: (price, listener, options) => guard(pay.price(price, options), listener),
    metered: (options, listener) => guard(pay.ceiling(options), listener),
  }
}

/** One request on its way to a handler, and its price. */
export interface Selling {
  readonly tag: PriceTag
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/** Sells one request. `run` has the handler write to `outgoing`; what it writes leaves once the charge is durable. */
export async function sellTo(
  pay: Paywall,
  { tag, incoming, outgoing }: Selling,
  run: (payment: MeteredPayment) => unknown,
): Promise<void> {
  // The handler of one price would wait for the other, whose answer waits for that handler.
  if (running.has(incoming))
    throw new Error(`${incoming.url} is behind two prices: a request is paid once. Nothing was charged`)
  const request = await requestOf(pay, incoming)
  let held: HeldAnswer | undefined
  const sold = await (request instanceof Response
    ? request
    : pay.sell(request, tag, async (_paid, meter, payment) => {
        running.add(incoming)
        held = holdAnswer(outgoing)
        // A listener may return before it has answered; one that fails has answered.
        const failure = Promise.withResolvers<never>()
        const ran = (async () => run({ ...payment, meter }))()
        ran.catch(failure.reject)
        return Promise.race([held.response, failure.promise])
      }))
  await deliver(outgoing, sold, held)
}

/** Requests whose handlers a payment has started. */
const running = new WeakSet<IncomingMessage>()

/** What every vendor answers. Gives whether it was that. */
export async function answerOwn(pay: Paywall, incoming: IncomingMessage, outgoing: ServerResponse): Promise<boolean> {
  const isQuestion = incoming.method === 'OPTIONS'
  if (!isQuestion && !isOwnPath(pathnameOf(incoming))) return false
  // A page that asks whether it may pay sends no body. One that is there is for whoever answers instead.
  const request = isQuestion ? readable(toRequest(incoming, new Uint8Array(0))) : await requestOf(pay, incoming)
  const response = request instanceof Response ? request : await pay.handle(request)
  if (response === undefined) return false
  await deliver(outgoing, response, undefined)
  return true
}

/** The request as the Fetch API has it, or why there is none. Throws {@link BodyReadError}. */
async function requestOf(pay: Paywall, incoming: IncomingMessage): Promise<Request | Response> {
  try {
    const body = await rawBodyOf(incoming, pay.bodySizeMax)
    if (body === undefined) {
      const detail = `a body here has at most ${pay.bodySizeMax} bytes`
      return allowBrowsers(problemResponse({ reason: 'BodyTooLarge', detail }, { Connection: 'close' }))
    }
    return readable(toRequest(incoming, body))
  } catch (error) {
    if (error instanceof BodyReadError) throw error
    return failureResponse(error)
  }
}

function readable(request: Request | undefined): Request | Response {
  if (request !== undefined) return request
  return allowBrowsers(problemResponse({ reason: 'Malformed', detail: 'no such request is taken here' }))
}

/** Sends the response, with the headers that others have set on this one before. */
async function deliver(outgoing: ServerResponse, response: Response, held: HeldAnswer | undefined): Promise<void> {
  try {
    if (held !== undefined) return await held.send(response)
    setResponseHeaders(outgoing, response)
    await send(outgoing, new Response(response.body, { status: response.status }))
  } catch {
    // An answer that breaks off in the middle: its client must see that it did.
    outgoing.destroy()
  }
}
