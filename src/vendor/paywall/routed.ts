import type { Handler } from '../answering.ts'
import { methodResponse } from '../responses.ts'
import { matchPath } from '../routes.ts'
import { PaywallError } from './errors.ts'
import type { PaidHandler, Paywall, Routes } from './types.ts'

/** Routes as one function, each listed in the offer. `undefined`: none of them. Throws `PaywallError` for a name that is none. */
export function routed({ sell, list, handle }: Pick<Paywall, 'sell' | 'list' | 'handle'>, routes: Routes): Handler {
  const known = Object.entries(routes).map(([name, handler]) => ({ ...readName(name), handler }))
  for (const { method, path, handler } of known) if (isPaid(handler)) list(method, path, handler.tag)
  return async (request) => {
    const { method, url } = request
    const { pathname } = new URL(url)
    const here = known.flatMap((route) => {
      const params = matchPath(route.path, pathname)
      return params === undefined ? [] : [{ ...route, params }]
    })
    const found = here.find((route) => route.method === method)
    if (found === undefined) {
      const isElsewhere = here.length === 0 || method === 'OPTIONS'
      return isElsewhere ? handle(request) : methodResponse([...new Set(here.map((route) => route.method))], request)
    }
    const { handler, params } = found
    return isPaid(handler) ? sell(request, handler.tag, handler.run, { params }) : handler(request)
  }
}

function readName(name: string): { readonly method: string; readonly path: string } {
  const [, method, path] = /^([A-Z]+) (\/\S*)$/.exec(name) ?? []
  if (method !== undefined && path !== undefined) return { method, path }
  throw new PaywallError(`a route is named 'GET /path' or 'POST /path/:name'; '${name}' is not`)
}

function isPaid(handler: Routes[string]): handler is PaidHandler {
  return 'tag' in handler
}
