import { headerNames } from '../../http/headers.ts'
import { managementPaths } from '../../http/management.ts'
import * as Offer from '../../http/Offer.ts'
import { allowBrowsers, failureResponse, type Handler, preflightResponse } from '../answering.ts'
import type { ClosingOptions } from '../closing.ts'
import { management } from '../management.ts'
import { methodResponse } from '../responses.ts'
import type { ShownOffer } from './ownOffer.ts'

export interface OwnPathsOptions {
  readonly closing: ClosingOptions
  readonly shown: () => ShownOffer
  /** Hears of a channel that its client has released. */
  readonly onReleased: (channel: string) => void
  readonly onError: (error: unknown) => void
}

const own: ReadonlySet<string> = new Set([Offer.offerPath, ...Object.values(managementPaths)])

/** Whether a request is one that every vendor answers: worth reading its body for. */
export function isOwnPath(pathname: string): boolean {
  return own.has(pathname)
}

/** Answers what every vendor answers, and a page that asks whether it may pay. `undefined`: the request is for another. */
export function ownPaths({ closing, shown, onReleased, onError }: OwnPathsOptions): Handler {
  const manage = management(closing)
  async function answer(request: Request, pathname: string): Promise<Response | undefined> {
    if (pathname === Offer.offerPath) {
      const isAsked = request.method === 'GET' || request.method === 'HEAD'
      return isAsked ? shown().respond(request) : methodResponse(['GET', 'HEAD'], request)
    }
    const response = await manage(request)
    // Every receipt is open: what was charged can be had at once, and the client has its rest back.
    if (pathname === managementPaths.release && response?.ok === true) onReleased(await channelIn(response.clone()))
    return response
  }
  return async (request) => {
    const { pathname } = new URL(request.url)
    if (request.method === 'OPTIONS')
      return isPreflight(request, pathname) ? allowBrowsers(preflightResponse()) : undefined
    try {
      const response = await answer(request, pathname)
      return response && allowBrowsers(response)
    } catch (error) {
      onError(error)
      return allowBrowsers(failureResponse(error))
    }
  }
}

/** Whether a page asks if it may pay, or use what every vendor answers. */
function isPreflight({ headers }: Request, pathname: string): boolean {
  const asked = headers.get('Access-Control-Request-Headers')?.toLowerCase() ?? ''
  return isOwnPath(pathname) || asked.includes(headerNames.payment.toLowerCase())
}

async function channelIn(response: Response): Promise<string> {
  return ((await response.json()) as { readonly channelId: string }).channelId
}
