import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { headerNames } from '../http/headers.ts'
import { headerSizeMax, listen, readIncoming, refuseConnection, send, toRequest } from './connection.ts'
import { asError, EvictedError, StoreUnavailableError } from './errors.ts'
import { eventStreams } from './eventStreams.ts'
import { problemResponse } from './responses.ts'
import type { StreamRoute } from './routes.ts'
import { serveStreams } from './streams.ts'
import type { Till } from './till.ts'

export interface ServeOptions {
  readonly till: Till
  readonly host?: string
  /** 0 takes a free one. */
  readonly port?: number
  /** Given the public address: what answers a request, each leaving it to the next one, the last to a 404. */
  readonly handlers: (publicUrl: string) => readonly Handler[]
  readonly streams: readonly StreamRoute[]
  /** The address clients know this server by; its own one where left out. */
  readonly publicUrl?: string
  /** Bytes of a request body: none are read beyond. */
  readonly bodySizeMax?: number
  /** What a request may take to arrive, head and body. */
  readonly requestTimeoutMs?: number
  /** What runs may take to end once the server closes. */
  readonly closeTimeoutMs?: number
  /** Told of every failure; a client learns no more than that there was one. */
  readonly onError?: (error: unknown) => void
}

export type Handler = (request: Request) => Promise<Response | undefined>

export interface RunningServer {
  readonly url: string
  /** Stops taking connections, lets what runs end, and resolves when all is durable. */
  close(): Promise<void>
}

/** Serves handlers of the Fetch API and paid WebSocket streams over `node:http`. Listens on loopback unless told otherwise. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { till, streams, host = '127.0.0.1', port = 0, requestTimeoutMs = 30_000, closeTimeoutMs = 5000 } = options
  const { bodySizeMax = 1_048_576, onError = (error): void => process.emitWarning(asError(error)) } = options
  let handlers: readonly Handler[] = []
  /** The newest answer of each connection. */
  const latest = new WeakMap<Duplex, ServerResponse>()
  const server = createServer(
    {
      maxHeaderSize: headerSizeMax,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 10),
    },
    (incoming, outgoing) => {
      latest.set(incoming.socket, outgoing)
      answer({ handlers, bodySizeMax, onError }, incoming, outgoing).catch((error: unknown) => {
        // Where the request broke off nobody waits for an answer. Where the answer did, its client must see that.
        if (incoming.errored === null) onError(error)
        outgoing.destroy()
      })
    },
  )
  server.on('clientError', (error, socket) => refuseConnection(error, socket, latest.get(socket)))
  const url = await listen(server, host, port)
  const publicUrl = options.publicUrl ?? url
  const sold = { till, streams, publicUrl, onError }
  const events = eventStreams(sold)
  handlers = [events.handle, ...options.handlers(publicUrl)]
  const sockets = serveStreams(sold)
  server.on('upgrade', (incoming, socket, head) => sockets.upgrade(incoming, socket, head))
  return {
    url,
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
      const impatience = setTimeout(() => server.closeAllConnections(), closeTimeoutMs)
      // A connection that was answering is idle afterwards, and its client may keep it open.
      const sweep = setInterval(() => server.closeIdleConnections(), 20)
      await Promise.all([sockets.close(), events.close()])
      await closed
      clearInterval(sweep)
      clearTimeout(impatience)
      await till.flush()
    },
  }
}

interface Answering {
  readonly handlers: readonly Handler[]
  readonly bodySizeMax: number
  readonly onError: (error: unknown) => void
}

async function answer(options: Answering, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const body = await readIncoming(incoming, options.bodySizeMax)
  const response =
    body === undefined
      ? problemResponse({ reason: 'BodyTooLarge', detail: `a body here has at most ${options.bodySizeMax} bytes` })
      : await handle(options, toRequest(incoming, body))
  await send(outgoing, allowBrowsers(response))
}

async function handle({ handlers, onError }: Answering, request: Request | undefined): Promise<Response> {
  if (request === undefined) return problemResponse({ reason: 'Malformed', detail: 'no such request is taken here' })
  try {
    for (const handler of handlers) {
      const response = await handler(request)
      if (response !== undefined) return response
    }
  } catch (error) {
    onError(error)
    const isStore = error instanceof EvictedError || error instanceof StoreUnavailableError
    return isStore
      ? problemResponse({ reason: 'StoreUnavailable', detail: 'the vendor cannot reach its store' })
      : problemResponse({ reason: 'Internal', detail: 'the vendor failed; its operator finds the cause in its log' })
  }
  if (request.method === 'OPTIONS') return preflightResponse()
  const { pathname } = new URL(request.url)
  return problemResponse({ reason: 'NotFound', detail: `nothing is at ${pathname.slice(0, 200)}` })
}

/** What a browser asks before it sends headers that are not its own. It may remember the answer for a day. */
function preflightResponse(): Response {
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
function allowBrowsers(response: Response): Response {
  const headers = new Headers(response.headers)
  if (!headers.has('Access-Control-Allow-Origin')) headers.set('Access-Control-Allow-Origin', '*')
  headers.append(
    'Access-Control-Expose-Headers',
    `${headerNames.statement}, ${headerNames.stream}, WWW-Authenticate, ETag`,
  )
  return new Response(response.body, { status: response.status, headers })
}
