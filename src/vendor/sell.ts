import { sha256 } from '../crypto/hash.ts'
import { parsePaymentHeaders } from '../http/headers.ts'
import { contentDigest, requestDigest } from '../http/requestDigest.ts'
import { type Purchase, respond } from './purchase.ts'
import { answeredResponse, problemResponse, readBody, turnedResponse } from './responses.ts'
import type { Till } from './till.ts'

/** Where requests are sold. */
export interface Counter {
  readonly till: Till
  /** Bytes of a request body. */
  readonly bodySizeMax: number
  /** Told of what a handler threw; its client learns no more than that it failed. */
  readonly onError: (error: unknown) => void
  /** What a client may take to read on, before it is taken for gone. */
  readonly readTimeoutMs?: number | undefined
}

/** What one request is sold for, and what happens once that is paid. */
export interface Sale extends Pick<Purchase, 'idempotent' | 'onCrash' | 'params' | 'asking'> {
  /** Base units to set aside. Where it throws, the handler has failed. */
  readonly price: (request: Request) => Promise<bigint> | bigint
  /** The public address of the request, as its client knows it: `d_i` covers it. */
  readonly target: string
  /** What an unpaid request gets. */
  readonly demand: (request: Request) => Promise<Response> | Response
  /** Runs for a payment that has not run yet, and never for one that is repeated. */
  readonly handle: (request: Request, ...context: Parameters<Purchase['handle']>) => ReturnType<Purchase['handle']>
}

/** Serves one request for a price: refuses, admits, runs, charges, answers. */
export async function sell(counter: Counter, request: Request, sale: Sale): Promise<Response> {
  const { till, bodySizeMax, onError, readTimeoutMs } = counter
  const { target } = sale
  const messages = parsePaymentHeaders(request.headers)
  if (messages === undefined) return sale.demand(request)
  if (!messages.ok) return problemResponse(messages)
  const body = await readBody(request, bodySizeMax)
  if (body === undefined) {
    return problemResponse({ reason: 'BodyTooLarge', detail: `a body here has at most ${bodySizeMax} bytes` })
  }
  const { method, headers } = request
  const digest = requestDigest({
    method,
    target,
    contentDigest: body.length === 0 ? undefined : contentDigest(sha256(body)),
  })
  const admission = await till.admit(messages.value)
  if (!admission.ok && admission.reason !== 'IndexSeen') return turnedResponse(admission)
  const { bytes: frame, value: payment } = messages.value.payment
  const paid = (): Request =>
    new Request(target, { method, headers, ...(body.length > 0 && { body: new Uint8Array(body) }) })
  const { price, idempotent, onCrash, params, asking } = sale
  const purchase: Purchase = {
    till,
    target,
    digest,
    frame,
    payment,
    agreed: messages.value.agreed,
    onError,
    params,
    idempotent,
    onCrash,
    asking,
    price: () => price(paid()),
    handle: (context) => sale.handle(paid(), context),
  }
  return answeredResponse(admission.held, await respond(purchase, admission), readTimeoutMs)
}
