import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ProblemReason } from '../http/problems.ts'
import { listen } from '../net/listen.ts'
import { allowBrowsers, answering, type Handler } from './answering.ts'
import { headerSizeMax, readIncoming, refuseConnection, refuseTunnel, send, toRequest } from './connection.ts'
import { asError } from './errors.ts'
import { eventStreams } from './eventStreams.ts'
import { problemResponse } from './responses.ts'
import type { StreamRoute } from './routes.ts'
import { serveStreams } from './streams.ts'
import type { Till } from './till.ts'
import { UnreadError } from './unread.ts'

/** A vendor as a server of `node:http`. */
export interface ServeOptions {
  readonly till: Till
  readonly host?: string
  /** 0 takes a free one. */
  readonly port?: number
  /** Given the public address: what answers a request, each leaving it to the next one, the last to a 404. */
  readonly handlers: (publicUrl: string) => readonly Handler[]
  readonly streams: readonly StreamRoute[]
  /** Takes a connection that asks for another protocol than a stream's, and tells whether it did. */
  readonly upgrade?: (incoming: IncomingMessage, socket: Duplex, head: Buffer) => boolean
  /** The address clients know this server by; its own one where left out. */
  readonly publicUrl?: string
  /** Bytes of a request body: none are read beyond. */
  readonly bodySizeMax?: number
  /** What a request may take to arrive, head and body. */
  readonly requestTimeoutMs?: number
  /** What a client may take to read on, before it is taken for gone: a minute if not said. */
  readonly readTimeoutMs?: number
  /** What runs may take to end once the server closes. */
  readonly closeTimeoutMs?: number
  /** Told of every failure; a client learns no more than that there was one. */
  readonly onError?: (error: unknown) => void
  /** Told of every problem that ends a stream. */
  readonly onProblem?: (reason: ProblemReason) => void
}

/** A server that listens. */
export interface RunningServer {
  readonly url: string
  /** Stops taking connections, lets what runs end, and resolves when all is durable. */
  close(): Promise<void>
}

/** Serves handlers of the Fetch API and paid WebSocket streams over `node:http`. Listens on loopback unless told otherwise. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { till, streams, host = '127.0.0.1', port = 0, requestTimeoutMs = 30_000, closeTimeoutMs = 5000 } = options
  const { bodySizeMax = 1_048_576, onError = (error): void => process.emitWarning(asError(error)) } = options
  let respond = answering([], onError)
  /** The newest answer of each connection. */
  const latest = new WeakMap<Duplex, ServerResponse>()
  const take = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    latest.set(incoming.socket, outgoing)
    answer({ respond, bodySizeMax }, incoming, outgoing).catch((error: unknown) => {
      // Where the request broke off nobody waits for an answer. Where the answer did, its client must see that.
      if (incoming.errored === null && !(error instanceof UnreadError)) onError(error)
      outgoing.destroy()
    })
  }
  const server = createServer(
    {
      maxHeaderSize: headerSizeMax,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 10),
      // Refused here, with a reason.
      requireHostHeader: false,
    },
    take,
  )
  // What else it expects is its own affair.
  server.on('checkExpectation', take)
  server.on('connect', (_incoming, socket) => refuseTunnel(socket))
  server.on('clientError', (error, socket) => refuseConnection(error, socket, latest.get(socket)))
  const url = await listen(server, 'the vendor', { host, port })
  const publicUrl = options.publicUrl ?? url
  const { onProblem, readTimeoutMs } = options
  const sold = { till, streams, publicUrl, onError, onProblem, readTimeoutMs, unpaidMs: requestTimeoutMs }
  const events = eventStreams(sold)
  respond = answering([events.handle, ...options.handlers(publicUrl)], onError)
  const sockets = serveStreams(sold)
  server.on('upgrade', (incoming, socket, head) => {
    if (options.upgrade?.(incoming, socket, head) !== true) sockets.upgrade(incoming, socket, head)
  })
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
  readonly respond: (request: Request) => Promise<Response>
  readonly bodySizeMax: number
}

async function answer(options: Answering, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const body = await readIncoming(incoming, options.bodySizeMax)
  await send(outgoing, await answerOf(options, incoming, body))
}

async function answerOf(
  { respond, bodySizeMax }: Answering,
  incoming: IncomingMessage,
  body: Uint8Array | undefined,
): Promise<Response> {
  if (body === undefined) {
    const detail = `a body here has at most ${bodySizeMax} bytes`
    return allowBrowsers(problemResponse({ reason: 'BodyTooLarge', detail }))
  }
  const request = toRequest(incoming, body)
  if (request !== undefined) return respond(request)
  return allowBrowsers(problemResponse({ reason: 'Malformed', detail: 'no such request is taken here' }))
}
