import type { Handler } from '../answering.ts'
import { methodResponse, problemResponse } from '../responses.ts'
import { matchPath } from '../routes.ts'
import { PaywallError } from './errors.ts'
import { openapiOf, type Priced } from './openapi.ts'
import { isStream, streamsIn } from './streams.ts'
import type { PaidHandler, PaidStream, Paywall, Routes } from './types.ts'

export interface RoutedDeps extends Pick<Paywall, 'sell' | 'list' | 'handle'> {
  readonly priced: () => Priced
}

/** Routes as one function, each listed in the offer. `undefined`: none of them. Throws `PaywallError` for a name that is none. */
export function routed({ sell, list, handle, priced }: RoutedDeps, routes: Routes): Handler {
  const named = Object.entries(routes).map(([name, route]) => ({ ...readName(name), route }))
  for (const { method, path, route } of named) if ('tag' in route) list(method, path, route.tag)
  const known = named.flatMap(({ route, ...place }) => (isStream(route) ? [] : [{ ...place, handler: route }]))
  const streams = streamsIn(routes)
  return async (request) => {
    const { method, url } = request
    const { pathname } = new URL(url)
    const here = known.flatMap((route) => {
      const params = matchPath(route.path, pathname)
      return params === undefined ? [] : [{ ...route, params }]
    })
    const found = here.find((route) => route.method === method)
    if (found === undefined && here.length === 0 && method === 'GET' && pathname === openapiPath) {
      return Response.json(openapiOf(priced(), new URL(url).host))
    }
    if (found === undefined) {
      const isElsewhere = here.length === 0 || method === 'OPTIONS'
      if (!isElsewhere) return methodResponse([...new Set(here.map((route) => route.method))], request)
      const isOfStream = method === 'GET' && streams.some(({ path }) => matchPath(path, pathname) !== undefined)
      return (await handle(request)) ?? (isOfStream ? streamResponse(pathname) : undefined)
    }
    const { handler, params } = found
    return isPaid(handler) ? sell(request, handler.tag, handler.run, { params }) : handler(request)
  }
}

/** A stream is there, and a plain request is not how it is read. */
function streamResponse(pathname: string): Response {
  const detail = `${pathname} is a stream, paid unit by unit: "lockstep pay --stream", or stream() of a wallet, reads it`
  return problemResponse({ reason: 'NotFound', detail })
}

const openapiPath = '/openapi.json'

function readName(name: string): { readonly method: string; readonly path: string } {
  const [, method, path] = /^([A-Z]+) (\/\S*)$/.exec(name) ?? []
  if (method !== undefined && path !== undefined) return { method, path }
  throw new PaywallError(`a route is named 'GET /path' or 'POST /path/:name'; '${name}' is not`)
}

function isPaid(handler: Exclude<Routes[string], PaidStream>): handler is PaidHandler {
  return 'tag' in handler
}
