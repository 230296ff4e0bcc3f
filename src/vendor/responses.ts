import { utf8 } from '../crypto/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { statementHeader } from '../http/headers.ts'
import * as Offer from '../http/Offer.ts'
import { type ProblemReason, problemOf, problemType } from '../http/problems.ts'
import { amount } from '../wire/amount.ts'
import type { Statement } from '../wire/Statement.ts'
import { type Answered, type Held, statementOf } from './held.ts'
import type { Served } from './purchase.ts'
import type { Answer } from './store/contract.ts'
import { readTimeoutDefaultMs, unlessUnread } from './unread.ts'

/** Why something is refused, on its way to a problem document. */
export interface Refused {
  readonly reason: ProblemReason
  readonly detail: string
}

/** A problem document as a response. A 402 says where the offer is. `more` joins the document's members. */
export function problemResponse(
  refusal: Refused,
  headers: Readonly<Record<string, string>> = {},
  more: Readonly<Record<string, unknown>> = {},
): Response {
  const problem = problemOf(refusal)
  return new Response(JSON.stringify({ ...problem, ...more }), {
    status: problem.status,
    headers: { ...problemHeaders(problem.status), 'Cache-Control': 'no-store', ...headers },
  })
}

/** A payment that was refused. Its client hears how the channel stands. */
export function turnedResponse({ held, ...refusal }: Refused & { readonly held?: Held }): Response {
  return problemResponse(refusal, held && statementHeaders(held, statementOf(held, 0, 0n)))
}

/** A refusal of the request alone: the payment stays what it was, and the statement says so. */
export function refused(
  held: Held,
  refusal: Refused,
  payment: { readonly index: number; readonly charged: bigint },
  asking?: Asking,
): Answered {
  return { answer: problemAnswer(refusal, asking), statement: statementOf(held, payment.index, payment.charged) }
}

export function problemAnswer(refusal: Refused, asking?: Asking): Answer {
  const problem = problemOf(refusal)
  const headers = Object.entries({ ...problemHeaders(problem.status), ...asking?.headers })
  return { status: problem.status, headers, body: utf8(JSON.stringify({ ...problem, ...asking?.members })) }
}

/** What a 402 says of the price: for programs in its header, and in its body. */
export interface Asking {
  readonly headers: Readonly<Record<string, string>>
  /** Of the problem document. */
  readonly members: Readonly<Record<string, unknown>>
}

/** How the price of one request is asked for. `metered`: it is the most that may be charged. */
export function askFor(
  { asset, per, metered }: Pick<Offer.Price, 'asset' | 'per'> & { readonly metered?: boolean },
  price: bigint,
  offer?: unknown,
): Asking {
  const asked: Offer.Price = { amount: amount(price), asset, per, ...(metered === true && { metered }) }
  return {
    headers: { 'WWW-Authenticate': `Lockstep offer="${Offer.offerPath}", price="${price}", asset="${asset}"` },
    members: { price: Offer.encodePrice(asked), ...(offer !== undefined && { offer }) },
  }
}

/** What a paid request gets: the answer with the vendor's statement. A client that does not read on in time is given up. */
export function answeredResponse(
  held: Held,
  { answer, statement, rest }: Served,
  readTimeoutMs: number = readTimeoutDefaultMs,
): Response {
  const headers = new Headers(answer.headers.map(([name, value]): [string, string] => [name, value]))
  for (const [name, value] of Object.entries(statementHeaders(held, statement))) headers.set(name, value)
  const isEmpty = [204, 205, 304].includes(answer.status)
  if (rest === undefined && !isEmpty && !headers.has('Content-Length')) {
    headers.set('Content-Length', String(answer.body.length))
  }
  const body = rest === undefined ? new Uint8Array(answer.body) : unlessUnread(joined(answer.body, rest), readTimeoutMs)
  return new Response(isEmpty ? null : body, { status: answer.status, headers })
}

function joined(beginning: Uint8Array, rest: NonNullable<Served['rest']>): NonNullable<Served['rest']> {
  const reader = rest.getReader()
  let isBegun = beginning.length === 0
  return new ReadableStream(
    {
      async pull(controller) {
        if (!isBegun) {
          isBegun = true
          return controller.enqueue(new Uint8Array(beginning))
        }
        const { done, value } = await reader.read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    // Nothing is made before it can leave.
    { highWaterMark: 0 },
  )
}

/** A statement alone. */
export function statementResponse(held: Held, statement: Statement): Response {
  return new Response(null, { status: 204, headers: statementHeaders(held, statement) })
}

export function bytesResponse(bytes: Uint8Array): Response {
  return new Response(new Uint8Array(bytes), {
    headers: { 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' },
  })
}

export function methodResponse(allowed: readonly string[], { method, url }: Request): Response {
  const refusal = { reason: 'MethodNotAllowed', detail: `${method} is not for ${new URL(url).pathname}` } as const
  return problemResponse(refusal, { Allow: allowed.join(', ') })
}

/** The offer, or that the one the client has is still good. */
export function createOfferResponse(offer: Offer.Offer): (request: Request) => Response {
  const body = Offer.encode(offer)
  const etag = `"${Buffer.from(sha256(utf8(body)).subarray(0, 16)).toString('base64url')}"`
  const headers = { 'Content-Type': 'application/json', ETag: etag, 'Cache-Control': 'public, max-age=60' }
  return (request) => {
    const known = request.headers.get('If-None-Match')?.split(',') ?? []
    const isKnown = known.some((tag) => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*')
    return isKnown ? new Response(null, { status: 304, headers }) : new Response(body, { headers })
  }
}

/** A body no longer than `sizeMax`, or `undefined`. Stops reading at the limit. */
export async function readBody(request: Pick<Request, 'body'>, sizeMax: number): Promise<Uint8Array | undefined> {
  const reader = request.body?.getReader()
  if (reader === undefined) return new Uint8Array(0)
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return new Uint8Array(Buffer.concat(chunks))
    size += value.length
    if (size > sizeMax) {
      // Not cancelled: that would break the connection before the answer is on its way.
      reader.releaseLock()
      return undefined
    }
    chunks.push(value)
  }
}

function statementHeaders(held: Held, statement: Statement): Record<string, string> {
  return { ...statementHeader(statement, held.channel.macs.statement), 'Cache-Control': 'private, no-store' }
}

function problemHeaders(status: number): Record<string, string> {
  return {
    'Content-Type': problemType,
    ...(status === 402 && { 'WWW-Authenticate': `Lockstep offer="${Offer.offerPath}"` }),
  }
}
