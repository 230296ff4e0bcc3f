import { toHex } from '../crypto/bytes.ts'
import { parseCompanionHeaders, parsePaymentHeaders } from '../http/headers.ts'
import { managementPaths } from '../http/management.ts'
import * as Closing from '../wire/Closing.ts'
import * as Frame from '../wire/Frame.ts'
import * as Statement from '../wire/Statement.ts'
import * as Terms from '../wire/Terms.ts'
import { type ClosingOptions, close, release } from './closing.ts'
import { statementOf } from './held.ts'
import { settle } from './purchase.ts'
import {
  answeredResponse,
  bytesResponse,
  methodResponse,
  problemResponse,
  readBody,
  statementResponse,
  turnedResponse,
} from './responses.ts'

/** Answers questions, payments resent alone, and releases of clients over HTTP. `undefined`: the path is none of these. */
export function management(options: ClosingOptions): (request: Request) => Promise<Response | undefined> {
  const answers = new Map([
    [managementPaths.ask, answerAsk],
    [managementPaths.resend, answerResend],
    [managementPaths.release, answerRelease],
  ] as const) as ReadonlyMap<string, typeof answerAsk>
  return async (request) => {
    const answer = answers.get(new URL(request.url).pathname)
    // Whoever serves this answers a preflight.
    if (answer === undefined || request.method === 'OPTIONS') return undefined
    return request.method === 'POST' ? answer(options, request) : methodResponse(['POST'], request)
  }
}

async function answerAsk(options: ClosingOptions, request: Request): Promise<Response> {
  const body = await readBody(request, Frame.askSize)
  if (body === undefined) {
    return problemResponse({ reason: 'BodyTooLarge', detail: `a question has ${Frame.askSize} bytes` })
  }
  const ask = Frame.parseAsk(body)
  if (!ask.ok) return problemResponse(ask)
  // A channel that was never paid with is closed like any other: its client shows what it is.
  const companions = parseCompanionHeaders(request.headers)
  if (!companions.ok) return problemResponse(companions)
  const { checkpoint, attachment } = companions.value
  const found = await options.till.ask({ bytes: body, value: ask.value }, attachment)
  if (!found.ok) return problemResponse(found)
  const { held } = found
  if (checkpoint !== undefined) {
    const taken = options.till.checkpoint(held, checkpoint)
    if (!taken.ok) {
      await options.till.confirm(held)
      return turnedResponse({ ...taken, held })
    }
    await taken.durable
  }
  if (ask.value.ask === 'statement') {
    return bytesResponse(Statement.encode(statementOf(held, 0, 0n), held.channel.macs.statement))
  }
  const closing = await close(options, held)
  if (closing.ok) return bytesResponse(closing.closing)
  await options.till.confirm(held)
  return turnedResponse({ ...closing, held })
}

async function answerResend({ till }: ClosingOptions, request: Request): Promise<Response> {
  const messages = parsePaymentHeaders(request.headers)
  if (messages === undefined) return problemResponse({ reason: 'Malformed', detail: 'no payment is in the headers' })
  if (!messages.ok) return problemResponse(messages)
  const admission = await till.admit(messages.value)
  if (!admission.ok && admission.reason !== 'IndexSeen') return turnedResponse(admission)
  const { held } = admission
  if (admission.ok) {
    await admission.durable
    return statementResponse(held, statementOf(held, admission.accepted.index, 0n))
  }
  const { bytes, value } = messages.value.payment
  const { answer, statement } = await settle(till, held, value, bytes)
  // What was answered to the payment's own request is not for this one; only that another payment has its index is.
  return statement.index === 0 ? answeredResponse(held, { answer, statement }) : statementResponse(held, statement)
}

async function answerRelease(options: ClosingOptions, request: Request): Promise<Response> {
  const body = await readBody(request, Closing.releaseSize)
  if (body === undefined) {
    return problemResponse({ reason: 'BodyTooLarge', detail: `a release has ${Closing.releaseSize} bytes` })
  }
  const parsed = Closing.parseRelease(body)
  if (!parsed.ok) return problemResponse(parsed)
  const found = await options.till.find(Terms.reference(parsed.value.channelId), undefined)
  if (!found.ok) return problemResponse(found)
  const released = await within(options.releaseWaitMs ?? 10_000, release(options, found.held, body))
  if (released === undefined) return new Response(null, { status: 202, headers: { ...noStore, 'Retry-After': '1' } })
  if (!released.ok) {
    await options.till.confirm(found.held)
    return problemResponse(released)
  }
  return Response.json(
    { channelId: toHex(found.held.channel.channelId), receiptsOpened: released.receiptsOpened },
    { headers: noStore },
  )
}

const noStore = { 'Cache-Control': 'no-store' }

/** What comes of it in this time. It goes on afterwards, and who started it is told then. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), ms)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
