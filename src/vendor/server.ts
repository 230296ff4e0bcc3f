import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { clientMessageMax, subprotocol } from '../http/stream.ts'
import { matchPath, problemResponse } from './paywall.ts'
import { type StreamRoute, StreamSession } from './stream.ts'
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
}

export type Handler = (request: Request) => Promise<Response | undefined>

export interface RunningServer {
  readonly url: string
  /** Stops taking connections, lets what runs end, and resolves when all is durable. */
  close(): Promise<void>
}

/** Serves handlers of the Fetch API and paid WebSocket streams over `node:http`. Listens on loopback unless told otherwise. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  let handlers: readonly Handler[] = []
  const server = createServer({ maxHeaderSize: 16_384, requestTimeout: 30_000 }, (incoming, outgoing) => {
    answer(handlers, incoming, outgoing).catch((error: unknown) => outgoing.destroy(asError(error)))
  })
  const url = await listen(server, options.host ?? '127.0.0.1', options.port ?? 0)
  const publicUrl = options.publicUrl ?? url
  handlers = options.handlers(publicUrl)
  const sessions = new Set<StreamSession>()
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: clientMessageMax,
    perMessageDeflate: false,
    handleProtocols: (offered) => offered.has(subprotocol) && subprotocol,
  })
  server.on('upgrade', (incoming, socket, head) => {
    const upgrade = matchStream(options.streams, incoming, publicUrl)
    if (upgrade === undefined) return refuseUpgrade(socket)
    sockets.handleUpgrade(incoming, socket, head, (webSocket) => {
      const session = attach(webSocket, { ...upgrade, till: options.till })
      sessions.add(session)
      webSocket.once('close', () => {
        sessions.delete(session)
        session.leave().catch((error: unknown) => process.emitWarning(asError(error)))
      })
    })
  })
  return {
    url,
    async close() {
      for (const webSocket of sockets.clients) webSocket.close(1001)
      await Promise.all([...sessions].map((session) => session.leave()))
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      })
      await options.till.flush()
    },
  }
}

/** Starts listening. A port in use is an error that says what to do. */
export function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const busy = error.code === 'EADDRINUSE'
      reject(busy ? new PortBusyError(host, port, error) : error)
    })
    server.listen(port, host, () => {
      const { port: bound } = server.address() as AddressInfo
      resolve(`http://${host.includes(':') ? `[${host}]` : host}:${bound}`)
    })
  })
}

/** Another program listens on this port. */
export class PortBusyError extends Error {
  override readonly name: string = 'PortBusyError'

  constructor(host: string, port: number, cause: unknown) {
    super(`port ${port} on ${host} is in use: stop what listens there, or name another port (0 takes a free one)`, {
      cause,
    })
  }
}

async function answer(
  handlers: readonly Handler[],
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const request = toRequest(incoming)
  const response = await handle(handlers, request)
  outgoing.writeHead(response.status, [...response.headers].flat())
  if (response.body === null) {
    outgoing.end()
    return
  }
  for await (const chunk of response.body) {
    if (!outgoing.write(chunk)) await new Promise((resolve) => outgoing.once('drain', resolve).once('close', resolve))
    if (outgoing.destroyed) return
  }
  outgoing.end()
}

async function handle(handlers: readonly Handler[], request: Request): Promise<Response> {
  try {
    for (const handler of handlers) {
      const response = await handler(request)
      if (response !== undefined) return response
    }
    return problemResponse({ reason: 'NotFound', detail: `nothing at ${new URL(request.url).pathname}` })
  } catch (error) {
    // What failed is this side's business: the client learns that nothing was charged, and no more.
    process.emitWarning(asError(error))
    return problemResponse({ reason: 'StoreUnavailable', detail: 'the vendor could not store the payment' })
  }
}

function toRequest(incoming: IncomingMessage): Request {
  const headers = new Headers()
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at]!, incoming.rawHeaders[at + 1]!)
  }
  const method = incoming.method ?? 'GET'
  const hasBody = method !== 'GET' && method !== 'HEAD'
  // The path alone comes from the request: its Host header names nothing that is trusted.
  const url = new URL(incoming.url?.startsWith('/') ? incoming.url : '/', 'http://vendor.invalid')
  const body = hasBody ? { body: incoming as unknown as ReadableStream<Uint8Array>, duplex: 'half' as const } : {}
  return new Request(url, { method, headers, ...body })
}

function matchStream(
  streams: readonly StreamRoute[],
  incoming: IncomingMessage,
  publicUrl: string,
): { route: StreamRoute; params: Record<string, string>; target: string } | undefined {
  const path = incoming.url ?? '/'
  const { pathname } = new URL(path, 'http://vendor.invalid')
  for (const route of streams) {
    const params = matchPath(route.path, pathname)
    if (params !== undefined) return { route, params, target: publicUrl + path }
  }
  return undefined
}

function attach(
  webSocket: WebSocket,
  options: { route: StreamRoute; params: Record<string, string>; target: string; till: Till },
): StreamSession {
  const session = new StreamSession({ ...options, socket: webSocket })
  webSocket.on('message', (data, isBinary) => {
    if (!isBinary) return webSocket.close(1003)
    return void session.receive(new Uint8Array(data as Buffer))
  })
  // A broken connection closes as well: what follows from it happens there.
  webSocket.on('error', () => webSocket.terminate())
  return session
}

function refuseUpgrade(socket: Duplex): void {
  socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
