import { headerNames } from '../http/headers.ts'
import { EvictedError, StoreUnavailableError } from './errors.ts'
import { problemResponse } from './responses.ts'

/** Answers a request, or leaves it to the next one. */
export type Handler = (request: Request) => Promise<Response | undefined>

/** Handlers as one that always answers: to failures and what nobody takes with a problem, to a browser's preflight as well. */
export function answering(
  handlers: readonly Handler[],
  onError: (error: unknown) => void,
): (request: Request) => Promise<Response> {
  return async (request) => allowBrowsers(await answer(handlers, onError, request))
}

async function answer(
  handlers: readonly Handler[],
  onError: (error: unknown) => void,
  request: Request,
): Promise<Response> {
  try {
    for (const handler of handlers) {
      const response = await handler(request)
      if (response !== undefined) return response
    }
  } catch (error) {
    onError(error)
    return failureResponse(error)
  }
  if (request.method === 'OPTIONS') return preflightResponse()
  const { pathname } = new URL(request.url)
  return problemResponse({ reason: 'NotFound', detail: `nothing is at ${pathname.slice(0, 200)}` })
}

/** What a client hears of a failure: that there was one, and whether the same may be sent again. */
export function failureResponse(error: unknown): Response {
  const isStore = error instanceof EvictedError || error instanceof StoreUnavailableError
  return isStore
    ? problemResponse({ reason: 'StoreUnavailable', detail: 'the vendor cannot reach its store' })
    : problemResponse({ reason: 'Internal', detail: 'the vendor failed; its operator finds the cause in its log' })
}

/** What a browser asks before it sends headers that are not its own. It may remember the answer for a day. */
export function preflightResponse(): Response {
  return new Response(null, {
    status: 204,
    headers: {
      'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
      'Access-Control-Allow-Headers': `Content-Type, ${Object.values(headerNames).join(', ')}`,
      'Access-Control-Max-Age': '86400',
    },
  })
}

/** Any page may pay: a payment is what is asked for, never a cookie. */
export function allowBrowsers(response: Response): Response {
  const headers = new Headers(response.headers)
  if (!headers.has('Access-Control-Allow-Origin')) headers.set('Access-Control-Allow-Origin', '*')
  const exposed = headers.get('Access-Control-Expose-Headers') ?? ''
  if (!exposed.includes(headerNames.statement)) headers.append('Access-Control-Expose-Headers', exposedHeaders)
  return new Response(response.body, { status: response.status, headers })
}

const exposedHeaders = `${headerNames.statement}, ${headerNames.stream}, WWW-Authenticate, ETag`
