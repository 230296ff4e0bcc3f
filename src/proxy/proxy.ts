import { answering, type Handler } from '../vendor/answering.ts'
import { callerOf } from '../vendor/connection.ts'
import { type Paywall, problemResponse, type RunningServer, serve } from '../vendor/index.ts'
import { readBody } from '../vendor/responses.ts'
import { requestHeaders } from './headers.ts'
import { segmentsOf } from './paths.ts'
import { ProxyError, type ProxyRoute, readOtherwise, readRules, ruleFor } from './rules.ts'
import { askForUsage, meterTokens } from './tokens.ts'
import { type Sent, Upstream } from './upstream.ts'

export interface ProxyOptions {
  readonly pay: Paywall
  /** The service behind, as `http://127.0.0.1:8000`. A path at its end comes before every request's own. */
  readonly upstream: string
  readonly routes: readonly ProxyRoute[]
  /** What no route fits: `'refuse'` if not said, `'free'`, or a price. */
  readonly otherwise?: string
  /** What the service is told as `Authorization`, in place of what a client sends. */
  readonly authorization?: string
  /** As the paywall has it. */
  readonly publicUrl?: string
  /** As the paywall has it: X-Forwarded headers are those of another proxy of yours. */
  readonly trustProxy?: boolean
  /** What the service may take to begin to answer, and then from one piece to the next; two minutes if not said. */
  readonly timeoutMs?: number
  /** Told of what the service does wrong. */
  readonly onError?: (error: unknown) => void
}

/** A service behind payment. */
export interface Proxy {
  /** All of it as one function of the Fetch API. */
  readonly fetch: (request: Request) => Promise<Response>
  /** The same as a server of `node:http`: on loopback unless told otherwise, port 0 takes a free one. */
  listen(at?: { readonly host?: string; readonly port?: number }): Promise<RunningServer>
  /** Ends servers and connections to the service. The paywall stays open. */
  close(): Promise<void>
}

/**
 * Puts a service of HTTP behind payment without touching it. Answers from status 400 on, and those that do not come, are passed on
 * and not charged.
 *
 * ```ts
 * const { listen } = proxy({ pay, upstream: 'http://127.0.0.1:8000', routes: [{ match: 'GET /weather/:city', price: '0.001' }] })
 * await listen({ port: 8080 })
 * ```
 *
 * Throws {@link ProxyError}, or `PriceError`.
 */
export function proxy(options: ProxyOptions): Proxy {
  const { pay, otherwise = 'refuse', timeoutMs = 120_000, publicUrl, trustProxy = false } = options
  const onError = options.onError ?? ((error: unknown): void => process.emitWarning(String(error)))
  const rules = readRules(pay, options.routes)
  const rest = readOtherwise(pay, otherwise)
  const upstream = new Upstream({ upstream: addressOf(options.upstream), timeoutMs, onError })

  /** The request as the service gets it. */
  function sent(request: Request, body: Uint8Array): Sent {
    const { pathname, search, origin } = new URL(request.url)
    const headers = requestHeaders(request.headers, {
      caller: callerOf(request),
      publicUrl: new URL(publicUrl ?? origin),
      authorization: options.authorization,
      trustProxy,
    })
    return { method: request.method, path: pathname + search, headers, body }
  }

  const handle: Handler = async (request) => {
    const own = await pay.handle(request)
    if (own !== undefined) return own
    const { pathname } = new URL(request.url)
    const segments = segmentsOf(pathname)
    if (segments === undefined) {
      return problemResponse({ reason: 'NotFound', detail: 'this path can be read in more than one way' })
    }
    const cost = ruleFor(rules, { method: request.method, segments })?.cost ?? rest
    switch (cost.kind) {
      case 'refused':
      case 'stream':
        return undefined
      case 'free': {
        const body = await readBody(request, pay.bodySizeMax)
        if (body !== undefined) return upstream.send(sent(request, body))
        return problemResponse({ reason: 'BodyTooLarge', detail: `a body here has at most ${pay.bodySizeMax} bytes` })
      }
      case 'each':
        return pay.sell(request, cost.tag, async (paid) => upstream.send(sent(request, await bytesOf(paid))))
      case 'tokens':
        return pay.sell(request, cost.tag, async (paid, meter) => {
          const { body, addsUsage } = askForUsage(await bytesOf(paid))
          const asked = sent(request, body)
          // What is counted has to be read.
          asked.headers.set('Accept-Encoding', 'identity')
          return meterTokens(await upstream.send(asked), { rate: cost.rate, meter, addsUsage, onError })
        })
      default: {
        const unknown: never = cost
        throw new ProxyError(`no such price: ${JSON.stringify(unknown)}`)
      }
    }
  }

  const servers: RunningServer[] = []
  return {
    fetch: answering([handle], onError),
    async listen(at = {}) {
      const { bodySizeMax, closing } = pay
      const reached = publicUrl === undefined ? {} : { publicUrl }
      const common = { ...at, ...reached, till: closing.till, bodySizeMax, onError }
      const server = await serve({ ...common, streams: [], handlers: () => [handle] })
      servers.push(server)
      return server
    },
    async close() {
      await Promise.all(servers.splice(0).map((server) => server.close()))
      upstream.close()
    },
  }
}

async function bytesOf(request: Request): Promise<Uint8Array> {
  return new Uint8Array(await request.arrayBuffer())
}

function addressOf(upstream: string): URL {
  const url = URL.canParse(upstream) ? new URL(upstream) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '') return url
  throw new ProxyError(`the service behind is at an address such as http://127.0.0.1:8000; '${upstream}' is none`)
}
