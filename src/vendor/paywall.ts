import { sha256 } from '../crypto/hash.ts'
import { parsePaymentHeaders } from '../http/headers.ts'
import * as Offer from '../http/Offer.ts'
import { contentDigest, requestDigest } from '../http/requestDigest.ts'
import { refuse } from '../protocol/index.ts'
import { asError } from './errors.ts'
import { respond } from './purchase.ts'
import {
  answeredResponse,
  createOfferResponse,
  methodResponse,
  problemResponse,
  readBody,
  turnedResponse,
} from './responses.ts'
import { matchPath, type PaidContext, type PaidRoute } from './routes.ts'
import type { VendorStore } from './store/contract.ts'
import type { Till } from './till.ts'

export interface PaywallOptions {
  readonly till: Till
  readonly store: VendorStore
  readonly offer: Offer.Offer
  /** Where clients reach this vendor: `d_i` covers it. No slash at its end. */
  readonly publicUrl: string
  readonly routes: readonly PaidRoute[]
  /** Bytes of a request body. */
  readonly bodySizeMax?: number
  /** Told of what a handler threw; its client learns no more than that it failed. */
  readonly onError?: (error: unknown) => void
}

/** The paid routes of a vendor and its offer, as one function of the Fetch API. `undefined`: the path is not one of them. */
export function paywall(options: PaywallOptions): (request: Request) => Promise<Response | undefined> {
  const { routes, offer } = options
  const offerResponse = createOfferResponse(offer)
  const shown = { offer: JSON.parse(Offer.encode(offer)) as unknown }
  return async (request) => {
    const { method, url } = request
    const { pathname } = new URL(url)
    if (pathname === Offer.offerPath) {
      return method === 'GET' || method === 'HEAD' ? offerResponse(request) : notFor(request, ['GET', 'HEAD'])
    }
    const here = routes.flatMap((route) => {
      const params = matchPath(route.path, pathname)
      return params === undefined ? [] : [{ route, params }]
    })
    const found = here.find(({ route }) => route.method === method)
    if (found !== undefined) return serve(options, shown, found, request)
    return here.length === 0 ? undefined : notFor(request, [...new Set(here.map(({ route }) => route.method))])
  }
}

async function serve(
  options: PaywallOptions,
  shown: { readonly offer: unknown },
  { route, params }: { readonly route: PaidRoute; readonly params: Readonly<Record<string, string>> },
  request: Request,
): Promise<Response> {
  const { till, publicUrl, bodySizeMax = 1_048_576, onError = warn } = options
  const messages = parsePaymentHeaders(request.headers)
  if (messages === undefined) {
    const refusal = refuse('PaymentRequired', `${route.method} ${route.path} costs ${route.price} base units`)
    return problemResponse(refusal, {}, shown)
  }
  if (!messages.ok) return problemResponse(messages)
  const body = await readBody(request, bodySizeMax)
  if (body === undefined) {
    return problemResponse({ reason: 'BodyTooLarge', detail: `a body here has at most ${bodySizeMax} bytes` })
  }
  const { pathname, search } = new URL(request.url)
  const target = publicUrl + pathname + search
  const { method, headers } = request
  const digest = requestDigest({
    method,
    target,
    contentDigest: body.length === 0 ? undefined : contentDigest(sha256(body)),
  })
  const admission = await till.admit(messages.value)
  if (!admission.ok && admission.reason !== 'IndexSeen') return turnedResponse(admission)
  const { bytes: frame, value: payment } = messages.value.payment
  const handle = (context: PaidContext): Promise<Response> | Response =>
    route.handler(
      new Request(target, { method, headers, ...(body.length > 0 && { body: new Uint8Array(body) }) }),
      context,
    )
  const purchase = { till, route, params, digest, frame, payment, handle, onError }
  return answeredResponse(admission.held, await respond(purchase, admission))
}

/** Another method than the path has. Whoever serves this answers a preflight. */
function notFor(request: Request, allowed: readonly string[]): Response | undefined {
  return request.method === 'OPTIONS' ? undefined : methodResponse(allowed, request)
}

function warn(error: unknown): void {
  process.emitWarning(asError(error))
}
