import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ProblemReason } from '../http/problems.ts'
import { listen } from '../net/listen.ts'
import { StoreError } from '../sqlite/open.ts'
import { type Answer, problem } from './answer.ts'
import { answer } from './routes.ts'
import type { Bank } from './service.ts'

export interface ServeOptions {
  /** Default: the loopback interface. */
  readonly host?: string
  /** 0, the default, takes a free one. */
  readonly port?: number
  /** What a request may take to arrive, head and body. */
  readonly requestTimeoutMs?: number
  /** What answers under way may take once the server closes. */
  readonly closeTimeoutMs?: number
  /** Who a request is from, where a proxy stands before the bank: what does not hold is counted by it. */
  readonly senderOf?: (request: IncomingMessage) => string | undefined
  /** Told of every failure; a client learns no more than that there was one. */
  readonly onError?: (error: unknown) => void
}

export interface BankServer {
  readonly url: string
  /** Takes no more connections and returns once the answers under way are sent. The bank itself goes on. */
  close(): Promise<void>
}

/** Serves a bank over HTTP: the paths are in `http/bank.ts`. Errors are problem documents, RFC 9457. */
export async function serveBank(bank: Bank, options: ServeOptions = {}): Promise<BankServer> {
  const { host = '127.0.0.1', port = 0, requestTimeoutMs = 10_000, closeTimeoutMs = 5000 } = options
  const { onError = (error): void => process.emitWarning(asError(error)), senderOf = addressOf } = options
  /** The newest answer of each connection. */
  const latest = new WeakMap<Duplex, ServerResponse>()
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    latest.set(request.socket, response)
    answer(bank, request, senderOf(request))
      .catch((error: unknown) => {
        // Where the request broke off nobody waits for an answer.
        if (request.errored === null) return failure(error, onError)
        return undefined
      })
      .then((ready) => ready && send(response, ready))
      .catch(onError)
  }
  const server = createServer(
    {
      maxHeaderSize: headerSizeMax,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 10),
      // Refused by what answers, with a reason.
      requireHostHeader: false,
    },
    take,
  )
  // What else it expects is its own affair.
  server.on('checkExpectation', take)
  server.on('connect', (_request, socket) => {
    // Node has taken its own listener off.
    socket.on('error', () => socket.destroy())
    refuseSocket(socket, { reason: 'MethodNotAllowed', detail: 'nobody else is reached through here' })
  })
  server.on('clientError', (error, socket) => refuseConnection(error, socket, latest.get(socket)))
  const url = await listen(server, 'the bank', { host, port })
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        // A connection that was answering is idle afterwards, and its client may keep it open.
        const sweep = setInterval(() => server.closeIdleConnections(), 20)
        const impatience = setTimeout(() => server.closeAllConnections(), closeTimeoutMs)
        server.close(() => {
          clearInterval(sweep)
          clearTimeout(impatience)
          resolve()
        })
      }),
  }
}

const headerSizeMax = 8192

function send(response: ServerResponse, { status, type, body, headers }: Answer): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    // A wallet in a page may ask: what it sends is signed, and there are no cookies.
    'Access-Control-Allow-Origin': '*',
    ...headers,
  })
  response.end(body)
}

/** What never becomes a request: a head that is too long or cannot be read, a client that is too slow. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex, response: ServerResponse | undefined): void {
  // A connection that is gone, or in the middle of an answer, can take no other one.
  if (!socket.writable || answering(response)) return void socket.destroy()
  refuseSocket(socket, connectionProblems[error.code ?? ''] ?? { reason: 'Malformed', detail: 'this is not HTTP/1.1' })
}

/** A problem document on a connection that has no response object, and its end. */
function refuseSocket(socket: Duplex, why: Parameters<typeof problem>[0]): void {
  const refused = problem(why)
  socket.end(
    `HTTP/1.1 ${refused.status} ${STATUS_CODES[refused.status]}\r\nContent-Type: ${refused.type}\r\n` +
      `Content-Length: ${Buffer.byteLength(refused.body)}\r\nConnection: close\r\n\r\n${refused.body}`,
  )
}

const connectionProblems: Readonly<Record<string, { readonly reason: ProblemReason; readonly detail: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { reason: 'RequestTimeout', detail: 'the request did not arrive in time' },
  HPE_HEADER_OVERFLOW: { reason: 'HeaderTooLarge', detail: `the headers have more than ${headerSizeMax} bytes` },
}

/** Whether something of an answer is on its way already, or the rest of what it answers is still coming in. */
function answering(response: ServerResponse | undefined): boolean {
  return response?.headersSent === true && !(response.writableFinished && response.req.complete)
}

/** Its address; of IPv6 the first half, which names the network that one sender has all of. */
function addressOf({ socket }: IncomingMessage): string | undefined {
  const address = socket.remoteAddress
  if (address === undefined || isIP(address) !== 6 || address.includes('.')) return address
  const [before = '', after = ''] = address.split('::')
  const [head, tail] = [before.split(':'), after.split(':')]
  const zeros = address.includes('::') ? 8 - head.length - tail.length : 0
  return [...head, ...Array.from({ length: zeros }, () => '0'), ...tail].slice(0, 4).join(':')
}

function failure(error: unknown, onError: (error: unknown) => void): Answer {
  onError(error)
  if (error instanceof StoreError)
    return problem({ reason: 'StoreUnavailable', detail: 'the bank cannot reach its store' })
  return problem({ reason: 'Internal', detail: 'the bank failed; its operator finds the cause in its log' })
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
