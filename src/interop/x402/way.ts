import type { HTTPRequestContext, HTTPResponseInstructions, x402HTTPResourceServer } from '@x402/core/http'
import { SETTLEMENT_OVERRIDES_HEADER, withPrivateCacheControl } from '@x402/core/server'
import type { SoldHandler, Way } from '../../vendor/index.ts'
import { FetchAdapter } from './fetchAdapter.ts'
import { scheme } from './scheme.ts'

type Server = Pick<
  x402HTTPResourceServer,
  'requiresPayment' | 'processHTTPRequest' | 'processSettlement' | 'createFailurePathSettlementHeaders'
>

/** Sells by the schemes of an x402 resource server, which was initialized and has a route for what is sold. */
export function byX402(server: Server): Way {
  return {
    asks: ['PAYMENT-REQUIRED'],
    bears: ({ headers }) => headers.has('PAYMENT-SIGNATURE') || headers.has('X-PAYMENT'),
    async sell(request, handler) {
      const adapter = new FetchAdapter(request)
      const { method } = request
      const path = adapter.getPath()
      const context: HTTPRequestContext = { adapter, path, method }
      if (!server.requiresPayment(context)) {
        throw new Error(`x402 has no price for ${method} ${path}: add it to the routes of its server`)
      }
      const result = await server.processHTTPRequest(context)
      if (result.type === 'no-payment-required') return handler(request)
      if (result.type === 'payment-verified') return serve(server, { context, adapter, result }, handler, request)
      const { answer } = adapter
      return answer === undefined ? instructed(result.response) : again(answer, result.response)
    },
  }
}

interface Verified {
  readonly context: HTTPRequestContext
  readonly adapter: FetchAdapter
  readonly result: Extract<Awaited<ReturnType<Server['processHTTPRequest']>>, { type: 'payment-verified' }>
}

/** Runs the handler for a payment that was verified, and settles it where it succeeded. */
async function serve(
  server: Server,
  { context, adapter, result }: Verified,
  handler: SoldHandler,
  request: Request,
): Promise<Response> {
  const { paymentPayload, paymentRequirements, declaredExtensions, beforeHandlerSettlement } = result
  const { cancel } = result.cancellationDispatcher
  let response: Response
  try {
    response = await handler(request)
  } catch (error) {
    await cancel({ reason: 'handler_threw', error })
    throw error
  }
  adapter.answer = without(response, SETTLEMENT_OVERRIDES_HEADER)
  const cached = response.headers.get('Cache-Control')
  if (response.status >= 400) {
    const canceled = await cancel({ reason: 'handler_failed', responseStatus: response.status })
    const headers = server.createFailurePathSettlementHeaders(canceled, beforeHandlerSettlement, paymentPayload, cached)
    return withHeaders(adapter.answer, headers ?? {})
  }
  // Lockstep reads its answer itself, as it is made.
  const isLockstep = paymentRequirements.scheme === scheme
  const settled = await server.processSettlement(
    paymentPayload,
    paymentRequirements,
    declaredExtensions,
    {
      request: context,
      responseHeaders: Object.fromEntries(response.headers),
      ...(!isLockstep && { responseBody: Buffer.from(await adapter.answer.clone().arrayBuffer()) }),
    },
    undefined,
    beforeHandlerSettlement,
  )
  if (!settled.success) return isLockstep ? adapter.answer : instructed(settled.response)
  return withHeaders(adapter.answer, { ...settled.headers, 'Cache-Control': withPrivateCacheControl(cached) })
}

/** What this very payment was answered before. */
function again(answer: Response, { headers }: HTTPResponseInstructions): Response {
  const settled = headers['PAYMENT-RESPONSE']
  return withHeaders(answer, settled === undefined ? {} : { 'PAYMENT-RESPONSE': settled })
}

function instructed({ status, headers, body, isHtml = false }: HTTPResponseInstructions): Response {
  return new Response(isHtml ? String(body) : JSON.stringify(body ?? {}), { status, headers })
}

function without(response: Response, name: string): Response {
  const headers = new Headers(response.headers)
  headers.delete(name)
  return new Response(response.body, { status: response.status, headers })
}

function withHeaders(response: Response, more: Readonly<Record<string, string>>): Response {
  const headers = new Headers(response.headers)
  for (const [name, value] of Object.entries(more)) headers.set(name, value)
  return new Response(response.body, { status: response.status, headers })
}
