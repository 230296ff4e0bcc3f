import { equal, toHex, utf8 } from '../crypto/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { headerNames, parsePaymentHeaders, statementHeader } from '../http/headers.ts'
import * as Offer from '../http/Offer.ts'
import { type ProblemReason, problemOf, problemType } from '../http/problems.ts'
import { contentDigest, requestDigest } from '../http/requestDigest.ts'
import { type Refusal, refuse, Vendor } from '../protocol/index.ts'
import type { Payment } from '../wire/Frame.ts'
import type { Statement } from '../wire/Statement.ts'
import type { Answered, Held } from './held.ts'
import { acceptedOf, readCores } from './held.ts'
import type { Answer, VendorStore } from './store/contract.ts'
import type { Till } from './till.ts'

/** What a handler learns of the payment it serves. */
export interface PaidContext {
  /** The channel's reference, in hex: one payer, unlinkable to its other channels. */
  readonly payer: string
  /** i. */
  readonly index: number
  /** Values of the `:name` segments of the route's path. */
  readonly params: Readonly<Record<string, string>>
}

/** A paid route: `price` is reserved before the handler runs and charged when it answers with a status below 400. */
export interface PaidRoute {
  readonly method: string
  /** As `/lines/:number`. */
  readonly path: string
  /** Base units. */
  readonly price: bigint
  readonly handler: (request: Request, context: PaidContext) => Promise<Response> | Response
  /** The handler may run again for one payment, as after a crash. */
  readonly idempotent?: boolean
}

export interface PaywallOptions {
  readonly till: Till
  readonly store: VendorStore
  readonly offer: Offer.Offer
  /** Where clients reach this vendor: `d_i` covers it. No slash at its end. */
  readonly publicUrl: string
  readonly routes: readonly PaidRoute[]
  /** Bytes of a request body. */
  readonly bodySizeMax?: number
}

/** The largest answer that is kept for a retry. PROTOCOL 3.5. */
export const answerSizeMax = 65_536

/** The paid routes of a vendor and its offer, as one function of the Fetch API. `undefined`: the path is not one of them. */
export function paywall(options: PaywallOptions): (request: Request) => Promise<Response | undefined> {
  return async (request) => {
    const { pathname } = new URL(request.url)
    if (pathname === Offer.offerPath && request.method === 'GET') return offerResponse(options.offer)
    for (const route of options.routes) {
      const params = matchPath(route.path, pathname)
      if (params !== undefined && route.method === request.method) return serve(options, route, params, request)
    }
    return undefined
  }
}

/** A problem document as a response. A 402 carries where the offer is. */
export function problemResponse(
  refusal: { readonly reason: ProblemReason; readonly detail: string },
  headers: Readonly<Record<string, string>> = {},
): Response {
  const problem = problemOf(refusal)
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      'Content-Type': problemType,
      'Cache-Control': 'no-store',
      ...(problem.status === 402 ? { 'WWW-Authenticate': `Lockstep offer="${Offer.offerPath}"` } : {}),
      ...headers,
    },
  })
}

/** A body no longer than `sizeMax`, or `undefined`. Stops reading at the limit. */
export async function readBody(request: Request, sizeMax: number): Promise<Uint8Array | undefined> {
  if (request.body === null) return new Uint8Array(0)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body) {
    size += chunk.length
    if (size > sizeMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The values of a pattern's `:name` segments, or `undefined` where the path does not fit it. */
export function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/')
  const found = path.split('/')
  if (wanted.length !== found.length) return undefined
  const params: Record<string, string> = {}
  for (const [at, segment] of wanted.entries()) {
    const value = found[at]!
    if (segment.startsWith(':') && value !== '') params[segment.slice(1)] = value
    else if (segment !== value) return undefined
  }
  return params
}

async function serve(
  options: PaywallOptions,
  route: PaidRoute,
  params: Readonly<Record<string, string>>,
  request: Request,
): Promise<Response> {
  const messages = parsePaymentHeaders(request.headers)
  if (messages === undefined) {
    return problemResponse(refuse('PaymentRequired', `${route.method} ${route.path} costs ${route.price} base units`))
  }
  if (!messages.ok) return problemResponse(messages)
  const body = await readBody(request, options.bodySizeMax ?? 1_048_576)
  if (body === undefined)
    return problemResponse({ reason: 'BodyTooLarge', detail: 'the body is over the limit of this route' })
  const { pathname, search } = new URL(request.url)
  const digest = requestDigest({
    method: request.method,
    target: options.publicUrl + pathname + search,
    contentDigest: body.length === 0 ? undefined : contentDigest(sha256(body)),
  })

  const purchase = { route, params, request, body, digest }
  const admission = await options.till.admit(messages.value)
  if (admission.ok) return respond(options, purchase, admission.held, admission.accepted)
  if (admission.reason !== 'IndexSeen' || !('held' in admission)) return problemResponse(admission)
  return respond(options, purchase, admission.held, messages.value.payment.value)
}

interface Purchase {
  readonly route: PaidRoute
  readonly params: Readonly<Record<string, string>>
  readonly request: Request
  readonly body: Uint8Array
  readonly digest: Uint8Array
}

/**
 * Answers a request whose payment was accepted, now or before. Whatever arrives while it runs, for the same payment, waits
 * for the same answer: a handler runs once.
 */
async function respond(
  options: PaywallOptions,
  purchase: Purchase,
  held: Held,
  paid: Vendor.Accepted | Payment,
): Promise<Response> {
  const { index } = paid
  let running = held.running.get(index)
  if (running !== undefined && !equal(running.digest, purchase.digest)) {
    return problemResponse(refuse('IndexConflict', `payment ${index} is being served for another request`))
  }
  if (running === undefined) {
    const answered = 'core' in paid ? start(options, purchase, held, paid) : repeat(options, purchase, held, paid)
    running = { digest: purchase.digest, answered }
    held.running.set(index, running)
    // From its end on, the store answers a retry.
    answered.finally(() => held.running.delete(index)).catch(() => undefined)
  }
  return toResponse(held, await running.answered)
}

/** A payment whose request has not run: reserves its price and runs it, or says why not. */
async function start(
  options: PaywallOptions,
  purchase: Purchase,
  held: Held,
  accepted: Vendor.Accepted,
): Promise<Answered> {
  const { index } = accepted
  const { route, request } = purchase
  const mismatch = equal(accepted.digest, purchase.digest)
    ? undefined
    : refuse('RequestMismatch', `payment ${index} names another request than ${request.method} at this address`)
  const reserved = mismatch ?? Vendor.reserve(held.channel, index, route.price)
  if (reserved.ok) return run(options, purchase, { held, accepted, reservation: reserved.reservation })
  await options.till.write(held, { accepted, status: 'accepted', charged: 0n })
  return refused(held, reserved, index, 0n)
}

/** Runs the handler once, between two writes: that it runs, and what came of it. */
async function run(
  options: PaywallOptions,
  purchase: Purchase,
  started: { readonly held: Held; readonly accepted: Vendor.Accepted; readonly reservation: Vendor.Reservation },
): Promise<Answered> {
  const { till } = options
  const { held, accepted, reservation } = started
  const { route, params } = purchase
  const { channel } = held
  try {
    await till.write(held, { accepted, status: 'running', charged: 0n })
    const context = {
      payer: toHex(channel.channelId.subarray(0, 16)),
      index: accepted.index,
      params,
    }
    const answer = await answerOf(route, purchase, context)
    const { status } = answer
    if (status < 400) Vendor.charge(channel, reservation, route.price)
    Vendor.settle(channel, reservation)
    const { charged } = reservation
    const kept = answer.body.length <= answerSizeMax ? answer : undefined
    const outcome = charged > 0n || status < 400 ? 'charged' : 'released'
    await till.write(held, { accepted, status: outcome, charged, answer: kept })
    return { answer, statement: Vendor.statement(channel, accepted.index, charged) }
  } finally {
    if (!reservation.settled) Vendor.settle(channel, reservation)
  }
}

/** What the handler answers; a handler that throws answers 500 and is not charged. */
async function answerOf(route: PaidRoute, purchase: Purchase, context: PaidContext): Promise<Answer> {
  const { request, body } = purchase
  const again = new Request(request.url, {
    method: request.method,
    headers: request.headers,
    ...(body.length > 0 && { body: new Uint8Array(body) }),
  })
  const response = await Promise.resolve(route.handler(again, context)).catch((error: unknown) =>
    problemResponse({ reason: 'HandlerFailed', detail: error instanceof Error ? error.name : 'the handler threw' }),
  )
  return {
    status: response.status,
    headers: [...response.headers],
    body: new Uint8Array(await response.arrayBuffer()),
  }
}

/** A payment whose index was taken: the same one gets the same answer, another one gets none. */
async function repeat(options: PaywallOptions, purchase: Purchase, held: Held, payment: Payment): Promise<Answered> {
  const { index } = payment
  await options.till.flush()
  const stored = await options.store.payment(held.channel.channelId, index)
  if (stored === undefined || !isSame(held, stored.core, payment)) {
    return refused(held, refuse('IndexConflict', `payment ${index} was accepted with other contents`), index, 0n)
  }
  const { status, charged, answer } = stored
  switch (status) {
    case 'accepted':
      return start(options, purchase, held, acceptedOf(stored))
    case 'running':
      return purchase.route.idempotent === true
        ? start(options, purchase, held, acceptedOf(stored))
        : refused(held, refuse('InDoubt', `the vendor stopped while payment ${index} was served`), index, charged)
    case 'charged':
    case 'released':
      if (!equal(stored.digest, purchase.digest)) {
        return refused(
          held,
          refuse('IndexConflict', `payment ${index} was ${status} for another request`),
          index,
          charged,
        )
      }
      return answer === undefined
        ? refused(held, refuse('AnswerGone', `payment ${index} was ${status}`), index, charged)
        : { answer, statement: Vendor.statement(held.channel, index, charged) }
  }
}

/** Whether a frame is the very payment that was stored: all but its time and MAC, which the core and the MAC check cover. */
function isSame(held: Held, stored: Uint8Array, payment: Payment): boolean {
  const [core] = readCores(held.channel.terms.lockScheme, [stored])
  return (
    core!.segment === payment.segment &&
    core!.step === payment.step &&
    equal(core!.coin, payment.coin) &&
    equal(core!.commitment, payment.commitment) &&
    equal(core!.lock, payment.lock)
  )
}

/** A refusal of the request alone: the payment stays what it was, and the statement says so. */
function refused(held: Held, refusal: Refusal, index: number, charged: bigint): Answered {
  const problem = problemOf(refusal)
  const answer: Answer = {
    status: problem.status,
    headers: [['Content-Type', problemType]],
    body: utf8(JSON.stringify(problem)),
  }
  return { answer, statement: Vendor.statement(held.channel, index, charged) }
}

function toResponse(held: Held, { answer, statement }: Answered): Response {
  const headers = new Headers(answer.headers.map(([name, value]): [string, string] => [name, value]))
  for (const [name, value] of Object.entries(statementHeaders(held, statement))) headers.set(name, value)
  const empty = answer.status === 204 || answer.status === 304
  return new Response(empty ? null : new Uint8Array(answer.body), { status: answer.status, headers })
}

function statementHeaders(held: Held, statement: Statement): Record<string, string> {
  return {
    ...statementHeader(statement, held.channel.macs.statement),
    'Cache-Control': 'private, no-store',
    'Access-Control-Expose-Headers': headerNames.statement,
  }
}

function offerResponse(offer: Offer.Offer): Response {
  const body = Offer.encode(offer)
  const etag = `"${Buffer.from(sha256(new TextEncoder().encode(body)))
    .toString('base64url')
    .slice(0, 22)}"`
  return new Response(body, {
    headers: { 'Content-Type': 'application/json', ETag: etag, 'Cache-Control': 'public, max-age=60' },
  })
}
