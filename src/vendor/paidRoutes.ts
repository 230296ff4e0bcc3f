import * as Offer from '../http/Offer.ts'
import { refuse } from '../protocol/index.ts'
import { asError } from './errors.ts'
import { askFor, createOfferResponse, methodResponse, problemResponse } from './responses.ts'
import { matchPath, type PaidRoute } from './routes.ts'
import { sell } from './sell.ts'
import type { Till } from './till.ts'

/** Paid routes at fixed prices, for a vendor that is put together by hand. `paywall` does all of it. */
export interface PaidRoutesOptions {
  readonly till: Till
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
export function paidRoutes(options: PaidRoutesOptions): (request: Request) => Promise<Response | undefined> {
  const { routes, offer } = options
  const offerResponse = createOfferResponse(offer)
  const shown = JSON.parse(Offer.encode(offer)) as unknown
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

function serve(
  options: PaidRoutesOptions,
  shown: unknown,
  { route, params }: { readonly route: PaidRoute; readonly params: Readonly<Record<string, string>> },
  request: Request,
): Promise<Response> {
  const { till, publicUrl, offer, bodySizeMax = 1_048_576, onError = warn } = options
  const { price, idempotent = false, onCrash = 'release' } = route
  const { pathname, search } = new URL(request.url)
  const asked = { asset: offer.asset, per: 'request' } as const
  return sell({ till, bodySizeMax, onError }, request, {
    params,
    idempotent,
    onCrash,
    price: () => price,
    asking: (due) => askFor(asked, due),
    target: publicUrl + pathname + search,
    demand() {
      const refusal = refuse('PaymentRequired', `${route.method} ${route.path} costs ${price} base units`)
      const { headers, members } = askFor(asked, price, shown)
      return problemResponse(refusal, headers, members)
    },
    handle: async (paid, context) => ({
      response: await route.handler(paid, context),
      charge: () => price,
    }),
  })
}

/** Another method than the path has. Whoever serves this answers a preflight. */
function notFor(request: Request, allowed: readonly string[]): Response | undefined {
  return request.method === 'OPTIONS' ? undefined : methodResponse(allowed, request)
}

function warn(error: unknown): void {
  process.emitWarning(asError(error))
}
