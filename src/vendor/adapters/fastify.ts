/** A paywall as hooks of Fastify 5, on the routes that cost something. Handlers stay as they are. */

import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import { allowBrowsers } from '../answering.ts'
import { pathnameOf, toRequest } from '../connection.ts'
import { asError } from '../errors.ts'
import type { Paywall, Price, PriceOptions, PriceTag } from '../paywall/index.ts'
import { type OpenSale, openSale } from '../paywall/openSale.ts'
import { isOwnPath } from '../paywall/ownPaths.ts'
import { answerSizeMax } from '../purchase.ts'
import { problemResponse, readBody } from '../responses.ts'
import type { MeteredPayment } from './paidMiddleware.ts'

/** A paywall as Fastify has plugins and the options of routes. */
export interface FastifyPaywall {
  /** Answers what every vendor answers: `app.register(paid.plugin)`, before the routes. */
  readonly plugin: (app: FastifyInstance) => Promise<void>
  /** Options of a route that costs as much for each request. If that fails, or answers with a status from 400 on, nothing is charged. */
  each(price: Price, options?: PriceOptions): PaidOptions
  /** Options of a route whose handler says on its payment's `meter` what it costs, up to a ceiling. */
  metered(options: PriceOptions & { readonly max: string }): PaidOptions
  /** The payment of a request, in a handler behind a price. */
  payment(request: FastifyRequest): MeteredPayment
}

/** Options of a route behind a price: give them to `app.get(path, options, handler)`. */
export type PaidOptions = Required<Pick<RouteShorthandOptions, 'preParsing' | 'onSend' | 'onResponse'>>

/** What a handler may take to answer once its client has gone: it is still charged, and its answer kept for a retry. */
const abandonedMs = 60_000

/**
 * ```ts
 * const paid = forFastify(pay)
 * await app.register(paid.plugin)
 * app.get('/joke', paid.each('0.001'), async () => ({ joke: '…' }))
 * ```
 */
export function forFastify(pay: Paywall): FastifyPaywall {
  const serving = new WeakMap<FastifyRequest, OpenSale>()
  const guard = (tag: PriceTag): PaidOptions => ({
    // Before anything is parsed: what was paid for are the bytes that arrived.
    preParsing: (request, reply, payload, done) =>
      void answerOr(done, reply, async () => {
        const body = await bodyOf(request, payload, pay.bodySizeMax)
        const asked = body && toRequest(request.raw, body)
        if (asked === undefined) return unreadable(pay, body)
        const sale = await openSale(pay, asked, tag)
        if (sale instanceof Response) return sale
        serving.set(request, sale)
        return putBack(body!)
      }),
    async onSend(request, reply, payload) {
      const found = serving.get(request)
      if (found === undefined) return payload
      serving.delete(request)
      return payloadOf(reply, await found.answer(answerOf(reply, payload)))
    },
    async onResponse(request, reply) {
      const found = serving.get(request)
      if (found === undefined) return
      const fail = (says: string): void => void found.fail(new Error(says))
      if (reply.raw.writableFinished)
        fail('a paid handler answers through its reply: reply.raw and hijack() pass it by')
      else setTimeout(() => fail('its handler did not answer, and the client is gone'), abandonedMs).unref()
    },
  })
  return {
    plugin: Object.assign((app: FastifyInstance) => serveOwn(app, pay), { [Symbol.for('skip-override')]: true }),
    each: (price, options) => guard(pay.price(price, options)),
    metered: (options) => guard(pay.ceiling(options)),
    payment(request) {
      const found = serving.get(request)
      if (found === undefined)
        throw new Error('this request is behind no price: give its route paid.each(…) as options')
      return found.payment
    },
  }
}

/** What every vendor answers, to whatever method and path: before Fastify finds that it has no such route. */
async function serveOwn(app: FastifyInstance, pay: Paywall): Promise<void> {
  app.addHook(
    'onRequest',
    (request, reply, done) =>
      void answerOr(done, reply, async () => {
        const isQuestion = request.method === 'OPTIONS'
        if (!isQuestion && !isOwnPath(pathnameOf(request.raw))) return undefined
        // A page that asks whether it may pay sends no body. One that is there is for whoever answers instead.
        const body = isQuestion ? new Uint8Array(0) : await bodyOf(request, request.raw, pay.bodySizeMax)
        const asked = body && toRequest(request.raw, body)
        return asked === undefined ? unreadable(pay, body) : pay.handle(asked)
      }),
  )
}

/** Sends what the work gives where that is a response: the rest of the hooks, and the handler, do not run then. */
async function answerOr<T>(
  done: (error?: Error, result?: T) => void,
  reply: FastifyReply,
  work: () => Promise<Response | T>,
): Promise<void> {
  let result: Response | T
  try {
    result = await work()
  } catch (error) {
    return done(asError(error))
  }
  if (!(result instanceof Response)) return done(undefined, result)
  const payload = await payloadOf(reply, result)
  reply.send(payload ?? undefined)
}

function unreadable(pay: Paywall, body: Uint8Array | undefined): Response {
  const problem =
    body === undefined
      ? ({ reason: 'BodyTooLarge', detail: `a body here has at most ${pay.bodySizeMax} bytes` } as const)
      : ({ reason: 'Malformed', detail: 'no such request is taken here' } as const)
  return allowBrowsers(problemResponse(problem, { Connection: 'close' }))
}

async function bodyOf(
  { headers }: FastifyRequest,
  payload: Readable,
  sizeMax: number,
): Promise<Uint8Array | undefined> {
  // What is announced as too large is not waited for.
  if (Number(headers['content-length'] ?? 0) > sizeMax) return undefined
  const body = Readable.toWeb(payload) as ReadableStream<Uint8Array<ArrayBuffer>>
  return readBody({ body }, sizeMax)
}

/** The body again, for Fastify's parsers. */
function putBack(body: Uint8Array): Readable & { receivedEncodedLength: number } {
  return Object.assign(Readable.from([Buffer.from(body)]), { receivedEncodedLength: body.length })
}

/** Takes over status and headers, and gives the body as Fastify sends it: whole where it is known to be short. */
async function payloadOf(reply: FastifyReply, response: Response): Promise<Buffer | Readable | null> {
  reply.code(response.status)
  for (const name of Object.keys(reply.getHeaders())) {
    if (name !== 'access-control-allow-origin') reply.removeHeader(name)
  }
  for (const [name, value] of response.headers) {
    if (name !== 'access-control-allow-origin' || !reply.hasHeader(name)) reply.header(name, value)
  }
  if (response.body === null) return null
  if (Number(response.headers.get('Content-Length') ?? Number.POSITIVE_INFINITY) > answerSizeMax) {
    // Nothing is made before it can leave.
    return Readable.fromWeb(response.body as import('node:stream/web').ReadableStream, { highWaterMark: 0 })
  }
  return Buffer.from(await response.arrayBuffer())
}

/** What a handler answered: a response of its own has the last word on status and headers, as Fastify has it. */
function answerOf(reply: FastifyReply, payload: unknown): Response {
  const headers = headersOf(reply)
  if (payload instanceof Response) {
    for (const [name, value] of payload.headers) {
      if (name === 'set-cookie') headers.append(name, value)
      else headers.set(name, value)
    }
    return new Response(payload.body, { status: payload.status, headers })
  }
  const { statusCode: status } = reply
  return new Response([204, 205, 304].includes(status) ? null : bodyIn(payload), { status, headers })
}

/** A handler's payload as Fastify has serialised it. */
function bodyIn(payload: unknown): BodyInit | null {
  if (payload === null || payload === undefined) return null
  if (payload instanceof Readable) return Readable.toWeb(payload) as ReadableStream
  return payload as string | Uint8Array<ArrayBuffer> | ReadableStream
}

function headersOf(reply: FastifyReply): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, String(one))
  }
  return headers
}
