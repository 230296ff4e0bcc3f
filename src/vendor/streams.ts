import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { clientMessageMax } from '../http/input.ts'
import type { ProblemReason } from '../http/problems.ts'
import { agreedIn, subprotocol } from '../http/stream.ts'
import { pathnameOf, pathOf, refuseSocket } from './connection.ts'
import { matchPath, type StreamRoute } from './routes.ts'
import { type StreamOptions, StreamSession } from './stream.ts'
import type { Till } from './till.ts'
import { readTimeoutDefaultMs } from './unread.ts'

export interface StreamServerOptions {
  readonly till: Till
  readonly streams: readonly StreamRoute[]
  readonly publicUrl: string
  readonly onError: (error: unknown) => void
  readonly onProblem?: ((reason: ProblemReason) => void) | undefined
  /** What a client may take to read on, before it is taken for gone: a minute if not said. */
  readonly readTimeoutMs?: number | undefined
  /** What the first payment of a stream may take to arrive. */
  readonly unpaidMs?: number | undefined
}

export interface StreamServer {
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Ends every stream; resolves when what they charged is durable. */
  close(): Promise<void>
}

/** Paid streams over WebSockets. A client that has gone silent, or does not read, is found out in time. */
export function serveStreams(options: StreamServerOptions): StreamServer {
  const { publicUrl, onError, readTimeoutMs = readTimeoutDefaultMs, unpaidMs = 30_000 } = options
  const sessions = new Map<WebSocket, StreamSession>()
  const silent = new WeakSet<WebSocket>()
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: clientMessageMax,
    perMessageDeflate: false,
    handleProtocols: () => subprotocol,
  })
  const heartbeat = setInterval(() => {
    for (const webSocket of sessions.keys()) {
      if (silent.has(webSocket)) webSocket.terminate()
      silent.add(webSocket)
      webSocket.ping()
    }
  }, readTimeoutMs / 2)
  heartbeat.unref()

  const attach = (webSocket: WebSocket, session: StreamSession): void => {
    sessions.set(webSocket, session)
    const unpaid = setTimeout(() => void session.lapse(), unpaidMs)
    let waiting = 0
    webSocket.on('message', (data, isBinary) => {
      // A client that sends faster than it is served waits in its own buffers, not in this process.
      const { length } = data as Buffer
      waiting += length + messageCost
      if (waiting >= waitingMax) webSocket.pause()
      void session.receive(isBinary ? new Uint8Array(data as Buffer) : undefined).then(() => {
        waiting -= length + messageCost
        if (webSocket.isPaused && waiting < waitingMax / 2) webSocket.resume()
      })
    })
    webSocket.on('pong', () => silent.delete(webSocket))
    webSocket.on('error', () => {
      // A broken connection, or a message over the limit: it closes by itself, and what follows from it happens there.
    })
    webSocket.once('close', () => {
      clearTimeout(unpaid)
      sessions.delete(webSocket)
      session.leave().catch(onError)
    })
  }

  return {
    upgrade(incoming, socket, head) {
      // Node has taken its own listener off: without one, a reset of this connection ends the process.
      socket.on('error', () => socket.destroy())
      const found = matchStream(options.streams, incoming)
      if (found === undefined) {
        return refuseSocket(socket, { reason: 'NotFound', detail: 'no stream is at this address' })
      }
      if (!protocolsOf(incoming).includes(subprotocol)) {
        return refuseSocket(socket, { reason: 'Malformed', detail: `streams speak the subprotocol ${subprotocol}` })
      }
      const target = publicUrl + pathOf(incoming)
      const agreed = agreedIn(protocolsOf(incoming))
      sockets.handleUpgrade(incoming, socket, head, (webSocket) => {
        attach(
          webSocket,
          new StreamSession({ ...options, ...found, target, agreed, socket: together(webSocket, socket) }),
        )
      })
    },
    async close() {
      clearInterval(heartbeat)
      const open = [...sessions]
      for (const [webSocket] of open) webSocket.close(1001)
      const left = await Promise.allSettled(open.map(([, session]) => session.leave()))
      for (const result of left) if (result.status === 'rejected') onError(result.reason)
      const impatience = setTimeout(() => {
        for (const [webSocket] of open) webSocket.terminate()
      }, farewellMs)
      await Promise.all(open.map(([webSocket]) => closed(webSocket)))
      clearTimeout(impatience)
    },
  }
}

/** Hands over to the system at once what is sent together: one write for a commit's answers, not one for each. */
function together(webSocket: WebSocket, connection: Duplex): StreamOptions['socket'] {
  let isHeld = false
  const release = (): void => {
    isHeld = false
    connection.uncork()
  }
  return {
    send(message, left) {
      if (!isHeld) {
        isHeld = true
        connection.cork()
        process.nextTick(release)
      }
      webSocket.send(message, left)
    },
    close: (code) => webSocket.close(code),
    get bufferedAmount() {
      return webSocket.bufferedAmount
    },
    get readyState() {
      return webSocket.readyState
    },
  }
}

const farewellMs = 1000
/** Bytes of one client's messages that wait to be taken, each counted with what it costs besides. */
const waitingMax = 131_072
const messageCost = 256

function matchStream(
  streams: readonly StreamRoute[],
  incoming: IncomingMessage,
): { route: StreamRoute; params: Record<string, string> } | undefined {
  const pathname = pathnameOf(incoming)
  for (const route of streams) {
    const params = matchPath(route.path, pathname)
    if (params !== undefined) return { route, params }
  }
  return undefined
}

function protocolsOf({ headers }: IncomingMessage): readonly string[] {
  return headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? []
}

function closed(webSocket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    if (webSocket.readyState === webSocket.CLOSED) resolve()
    else webSocket.once('close', () => resolve())
  })
}
