import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { answering, type Handler } from '../vendor/answering.ts'
import { callerOf, toRequest } from '../vendor/connection.ts'
import {
  type Paywall,
  problemResponse,
  type RunningServer,
  type StreamRoute,
  type StreamSource,
  serve,
} from '../vendor/index.ts'
import { openapiOf } from '../vendor/paywall/openapi.ts'
import { readBody } from '../vendor/responses.ts'
import { type Asset, parseAsset } from '../wire/amount.ts'
import { requestHeaders } from './headers.ts'
import { documentIn, type Pricer, pricedDocument } from './openapi.ts'
import { segmentsOf } from './paths.ts'
import { type Cost, ProxyError, type ProxyRoute, readOtherwise, readRules, ruleFor, type StreamRate } from './rules.ts'
import { askForUsage, meterTokens } from './tokens.ts'
import { type Sent, Upstream } from './upstream.ts'
import { messagesOf, tunnel } from './webSocket.ts'

export interface ProxyOptions {
  readonly pay: Paywall
  /** The service behind, as `http://127.0.0.1:8000`. A path at its end comes before every request's own. */
  readonly upstream: string
  readonly routes: readonly ProxyRoute[]
  /** What no route fits: `'refuse'` if not said, `'free'`, or a price. */
  readonly otherwise?: string
  /** What the service is told as `Authorization`, in place of what a client sends. */
  readonly authorization?: string
  /** Where the service has its OpenAPI document: there it is free, and has the prices. Without it, `/openapi.json` has them alone. */
  readonly openapi?: string
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
  /** All of it but WebSockets, as one function of the Fetch API. */
  readonly fetch: (request: Request) => Promise<Response>
  /** All of it as a server of `node:http`: on loopback unless told otherwise, port 0 takes a free one. */
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

  /** Headers of a request as the service gets them. */
  function headersOf(request: Request): Headers {
    return requestHeaders(request.headers, {
      caller: callerOf(request),
      publicUrl: new URL(publicUrl ?? request.url),
      authorization: options.authorization,
      trustProxy,
    })
  }

  /** The request as the service gets it. */
  function sent(request: Request, body: Uint8Array): Sent {
    const { pathname, search } = new URL(request.url)
    return { method: request.method, path: pathname + search, headers: headersOf(request), body }
  }

  function costAt(method: string, pathname: string): Cost | undefined {
    const segments = segmentsOf(pathname)
    return segments && (ruleFor(rules, { method, segments })?.cost ?? rest)
  }

  function costOf({ method, url }: Request): Cost | undefined {
    return costAt(method, new URL(url).pathname)
  }

  const pricer: Pricer = (method, pathname) => {
    const cost = costAt(method, pathname)
    return cost !== undefined && 'tag' in cost ? cost.tag : undefined
  }

  /** What is sold, for programs: in the service's own document where it has one. */
  async function describe(request: Request): Promise<Response> {
    const priced = { asset: assetOf(pay), assetName: pay.asset }
    if (options.openapi !== undefined) {
      const asked = sent(request, new Uint8Array(0))
      // What gets prices has to be whole, and readable.
      for (const name of ['If-None-Match', 'If-Modified-Since', 'Range']) asked.headers.delete(name)
      asked.headers.set('Accept-Encoding', 'identity')
      const document = await documentIn(await upstream.send(asked))
      if (document !== undefined) return Response.json(pricedDocument(document, pricer, priced))
    }
    return Response.json(openapiOf({ ...priced, routes: pay.offer().routes }, new URL(request.url).host))
  }

  const handle: Handler = async (request) => {
    const own = await pay.handle(request)
    if (own !== undefined) return own
    const cost = costOf(request)
    if (cost === undefined) {
      return problemResponse({ reason: 'NotFound', detail: 'this path can be read in more than one way' })
    }
    const { pathname } = new URL(request.url)
    const isDocument =
      options.openapi === undefined ? pathname === openapiPath && cost.kind === 'refused' : pathname === options.openapi
    if (isDocument && request.method === 'GET') return describe(request)
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

  /** What a WebSocket of the service sends, for a price. */
  function streamOf(path: string, rate: StreamRate): StreamRoute {
    const source: StreamSource = async function* (request, { signal, input }) {
      const { pathname, search } = new URL(request.url)
      const target = publicUrl === undefined ? pathname + search : request.url.slice(publicUrl.length)
      const messages = messagesOf(upstream.handshake({ path: target, headers: headersOf(request) }), input, signal)
      for await (const message of messages) {
        // Of those that come in one second together, each text is a line.
        yield rate.second !== undefined && typeof message === 'string' ? `${message}\n` : message
      }
    }
    const sold = rate.second === undefined ? pay.perToken(rate.message, source) : pay.perSecond(rate.second, source)
    return { path, price: sold.tag.offered!, source: sold.source }
  }
  const streams = rules.flatMap(({ path, cost }) => (cost.kind === 'stream' ? [streamOf(path, cost.rate)] : []))

  /** WebSockets that cost nothing: both sides say what they like. */
  const tunnels = new Set<Duplex>()
  function upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const request = toRequest(incoming, new Uint8Array(0))
    // The handshake with the service is a GET, whatever this one is: its price is that of a GET.
    if (request?.method !== 'GET' || request.headers.get('Upgrade')?.toLowerCase() !== 'websocket') return false
    if (costOf(request)?.kind !== 'free') return false
    const { path, headers } = sent(request, new Uint8Array(0))
    headers.set('Connection', 'Upgrade')
    headers.set('Upgrade', 'websocket')
    tunnels.add(socket)
    socket.once('close', () => tunnels.delete(socket))
    tunnel(upstream.handshake({ path, headers }), { socket, head }, onError)
    return true
  }

  const servers: RunningServer[] = []
  return {
    fetch: answering([handle], onError),
    async listen(at = {}) {
      const { bodySizeMax, closing } = pay
      const reached = publicUrl === undefined ? {} : { publicUrl }
      const common = { ...at, ...reached, till: closing.till, bodySizeMax, onError }
      const server = await serve({ ...common, streams, upgrade, handlers: () => [handle] })
      servers.push(server)
      return server
    },
    async close() {
      for (const socket of tunnels) socket.destroy()
      await Promise.all(servers.splice(0).map((server) => server.close()))
      upstream.close()
    },
  }
}

const openapiPath = '/openapi.json'

function assetOf({ asset }: Paywall): Asset {
  const parsed = parseAsset(asset)
  if (parsed.ok) return parsed.value
  throw new ProxyError(parsed.detail)
}

async function bytesOf(request: Request): Promise<Uint8Array> {
  return new Uint8Array(await request.arrayBuffer())
}

function addressOf(upstream: string): URL {
  const url = URL.canParse(upstream) ? new URL(upstream) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '') return url
  throw new ProxyError(`the service behind is at an address such as http://127.0.0.1:8000; '${upstream}' is none`)
}
