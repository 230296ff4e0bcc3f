import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import * as RecordProof from '../chain/RecordProof.ts'
import { fromHex, toHex } from '../crypto/bytes.ts'
import {
  bankPaths,
  commandType,
  encodeBalances,
  encodeBankOffer,
  encodeChannelStatus,
  encodeRecordAnswer,
  encodeSettlement,
} from '../http/bank.ts'
import { assessVersion } from '../http/headers.ts'
import { type ProblemReason, problemOf, problemType } from '../http/problems.ts'
import type { Refusal } from '../protocol/index.ts'
import { StoreError } from '../sqlite/open.ts'
import { type Amount, amount } from '../wire/amount.ts'
import * as Close from '../wire/Close.ts'
import * as Open from '../wire/Open.ts'
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
  const { onError = (error): void => process.emitWarning(asError(error)) } = options
  /** The newest answer of each connection. */
  const latest = new WeakMap<Duplex, ServerResponse>()
  const server = createServer(
    {
      maxHeaderSize: headerSizeMax,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 10),
    },
    (request, response) => {
      latest.set(request.socket, response)
      answer(bank, request)
        .catch((error: unknown) => {
          // Where the request broke off nobody waits for an answer.
          if (request.errored === null) return failure(error, onError)
          return undefined
        })
        .then((ready) => ready && send(response, ready))
        .catch(onError)
    },
  )
  server.on('clientError', (error, socket) => refuseConnection(error, socket, latest.get(socket)))
  await listen(server, { host, port })
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
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

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

interface Route {
  readonly method: 'GET' | 'POST'
  /** Its one group, where it has one, is the hex of a key or channel id. */
  readonly path: RegExp
  /** Bytes of a request body: none are read beyond. */
  readonly bodyMax: number
  readonly answer: (bank: Bank, input: { readonly body: Uint8Array; readonly id: Uint8Array }) => Promise<Answer>
}

const routes: readonly Route[] = [
  { method: 'GET', path: exactly(bankPaths.offer), bodyMax: 0, answer: async (bank) => json(offerOf(bank)) },
  { method: 'POST', path: exactly(bankPaths.open), bodyMax: Open.size, answer: (bank, { body }) => open(bank, body) },
  {
    method: 'POST',
    path: exactly(bankPaths.close),
    bodyMax: Close.sizeMax,
    answer: (bank, { body }) => close(bank, body),
  },
  { method: 'GET', path: withId(bankPaths.channel), bodyMax: 0, answer: (bank, { id }) => status(bank, id) },
  { method: 'GET', path: withId(bankPaths.balance), bodyMax: 0, answer: (bank, { id }) => balances(bank, id) },
  { method: 'GET', path: withId(bankPaths.record), bodyMax: 0, answer: (bank, { id }) => record(bank, id) },
]

async function open(bank: Bank, body: Uint8Array): Promise<Answer> {
  const result = refusedByVersion(body) ?? (await bank.open(body))
  return result.ok ? { status: 200, type: commandType, body: result.opened } : problem(result)
}

async function close(bank: Bank, body: Uint8Array): Promise<Answer> {
  const result = refusedByVersion(body) ?? (await bank.close(body))
  return result.ok ? json(encodeSettlement(result)) : problem(result)
}

/** Another version has other sizes: it is told apart from bytes that are wrong in this one. */
function refusedByVersion(body: Uint8Array): Refusal | undefined {
  return body.length === 0 ? undefined : assessVersion(body)
}

async function status(bank: Bank, channelId: Uint8Array): Promise<Answer> {
  const found = await bank.status(channelId)
  return found === undefined ? noChannel(channelId) : json(encodeChannelStatus(found))
}

async function balances(bank: Bank, account: Uint8Array): Promise<Answer> {
  const found = new Map<string, Amount>()
  for (const asset of bank.rules.assets) {
    const result = await bank.balance(account, asset)
    if (!result.ok) return problem(result)
    found.set(asset, amount(result.balance))
  }
  return json(encodeBalances({ account, balances: found }))
}

async function record(bank: Bank, channelId: Uint8Array): Promise<Answer> {
  const found = await bank.proof(channelId)
  if (found !== undefined)
    return json(encodeRecordAnswer({ record: found.record, proof: RecordProof.encode(found.proof) }))
  const channel = await bank.status(channelId)
  if (channel === undefined) return noChannel(channelId)
  const why = channel.status === 'open' ? 'the channel is open' : 'the record is queued for the next batch'
  return problem({ reason: 'NotFound', detail: `nothing is on the chain yet: ${why}` })
}

function offerOf(bank: Bank): string {
  return encodeBankOffer({ version: 1, bank: bank.key, rules: bank.rules, chain: bank.chain, now: bank.now() })
}

async function answer(bank: Bank, request: IncomingMessage): Promise<Answer> {
  const path = request.url?.split('?', 1)[0] ?? ''
  const here = routes.filter((route) => route.path.test(path))
  if (here.length === 0) return problem({ reason: 'NotFound', detail: `nothing is at ${path.slice(0, 200)}` })
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = here.find((one) => one.method === method)
  if (route === undefined) {
    const allow = here.map((one) => (one.method === 'GET' ? 'GET, HEAD' : one.method)).join(', ')
    const refused = problem({ reason: 'MethodNotAllowed', detail: `${request.method} is not for ${path}` })
    return { ...refused, headers: { Allow: allow } }
  }
  const body = await readBody(request, route.bodyMax)
  if (body === undefined) {
    return problem({ reason: 'BodyTooLarge', detail: `a body here has at most ${route.bodyMax} bytes` })
  }
  return route.answer(bank, { body, id: fromHex(route.path.exec(path)?.[1] ?? '') })
}

/**
 * The whole body, or `undefined` as soon as it is known to be too large. What still comes of it is thrown away, so that a
 * client that is sending can read its answer, but not for long.
 */
function readBody(request: IncomingMessage, sizeMax: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let size = 0
    if (Number(request.headers['content-length'] ?? 0) > sizeMax) resolve(undefined)
    request.on('data', (chunk: Uint8Array) => {
      size += chunk.length
      if (size <= sizeMax) chunks.push(chunk)
      else resolve(undefined)
      if (size > sizeMax + discardedMax) request.destroy()
    })
    request.once('end', () => resolve(new Uint8Array(Buffer.concat(chunks))))
    request.once('error', reject)
  })
}

const headerSizeMax = 8192
const discardedMax = 1_048_576

function send(response: ServerResponse, { status, type, body, headers }: Answer): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  })
  response.end(body)
}

/** What never becomes a request: a head that is too long or cannot be read, a client that is too slow. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex, response: ServerResponse | undefined): void {
  const refused = problem(
    connectionProblems[error.code ?? ''] ?? { reason: 'Malformed', detail: 'this is not HTTP/1.1' },
  )
  // A connection that is gone, or in the middle of an answer, can take no other one.
  if (!socket.writable || answering(response)) return void socket.destroy()
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

function failure(error: unknown, onError: (error: unknown) => void): Answer {
  onError(error)
  if (error instanceof StoreError)
    return problem({ reason: 'StoreUnavailable', detail: 'the bank cannot reach its store' })
  return problem({ reason: 'Internal', detail: 'the bank failed; its operator finds the cause in its log' })
}

function json(body: string): Answer {
  return { status: 200, type: 'application/json', body }
}

function problem(refusal: {
  readonly reason: ProblemReason
  readonly detail: string
}): Answer & { readonly body: string } {
  const found = problemOf(refusal)
  return { status: found.status, type: problemType, body: JSON.stringify(found) }
}

function noChannel(channelId: Uint8Array): Answer {
  return problem({ reason: 'NotFound', detail: `this bank opened no channel ${toHex(channelId)}` })
}

function exactly(path: string): RegExp {
  return new RegExp(`^${path}$`)
}

/** The path of any id: 32 bytes of lower-case hex. */
function withId(path: (id: Uint8Array) => string): RegExp {
  const example = new Uint8Array(32)
  return exactly(path(example).replace(toHex(example), '([0-9a-f]{64})'))
}

function listen(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = listenProblems[cause.code ?? '']
      reject(
        why === undefined ? cause : new ListenError(`The bank cannot listen on ${host}:${port}: ${why}`, { cause }),
      )
    })
    server.listen(port, host, resolve)
  })
}

const listenProblems: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use. Stop what listens there, or name another port; 0 takes a free one.',
  EACCES: 'the port needs rights that this user does not have. Name one from 1024 on.',
  EADDRNOTAVAIL: 'this machine does not have the address. Name one of its own, such as 127.0.0.1.',
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** The server could not start. The message says what to do. */
export class ListenError extends Error {
  override readonly name: string = 'ListenError'
}
