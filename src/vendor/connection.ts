import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { problemOf, problemType } from '../http/problems.ts'
import type { Refused } from './responses.ts'

/** Bytes of a request's headers together. */
export const headerSizeMax = 16_384

/** The path and query of a request, whole where a router has taken what it is mounted at off its address. */
export function pathOf({ url = '/', originalUrl = url }: IncomingMessage & { readonly originalUrl?: string }): string {
  return originalUrl.startsWith('/') ? originalUrl : '/'
}

/** The path alone. Whatever a client sends has one: `//[` is a path, and no address of another host. */
export function pathnameOf(incoming: IncomingMessage): string {
  return new URL(`http://vendor.invalid${pathOf(incoming)}`).pathname
}

/**
 * The whole body, or `undefined` as soon as it is known to be too large. What still comes of it is thrown away, so that a
 * client that is sending can read its answer, but not for long.
 */
export function readIncoming(incoming: IncomingMessage, sizeMax: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let size = 0
    if (Number(incoming.headers['content-length'] ?? 0) > sizeMax) resolve(undefined)
    incoming.on('data', (chunk: Uint8Array) => {
      size += chunk.length
      if (size <= sizeMax) chunks.push(chunk)
      else resolve(undefined)
      if (size > sizeMax + discardedMax) incoming.destroy()
    })
    incoming.once('end', () => resolve(new Uint8Array(Buffer.concat(chunks))))
    incoming.once('error', reject)
  })
}

const discardedMax = 1_048_576

/** A request of the Fetch API; `undefined` where it can be none, as with the method TRACE, or HTTP/1.1 that names no host. */
export function toRequest(incoming: IncomingMessage, body: Uint8Array): Request | undefined {
  const { method = 'GET', rawHeaders, headers: given, httpVersion } = incoming
  if (given.host === undefined && httpVersion === '1.1') return undefined
  const mayHaveBody = method !== 'GET' && method !== 'HEAD' && body.length > 0
  try {
    const headers = new Headers()
    for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!)
    const request = new Request(originOf(incoming) + pathOf(incoming), {
      method,
      headers,
      ...(mayHaveBody && { body: new Uint8Array(body) }),
    })
    callers.set(request, incoming.socket.remoteAddress)
    return request
  } catch {
    // Methods and header values that Node takes and the Fetch API does not.
    return undefined
  }
}

/** The address that a request came from, where it came over a socket. */
export function callerOf(request: Request): string | undefined {
  return callers.get(request)
}

const callers = new WeakMap<Request, string | undefined>()

/** Where the request says that it goes. Whoever publishes an address of its own does not look at this. */
function originOf({ headers: { host = '' }, socket }: IncomingMessage): string {
  const scheme = 'encrypted' in socket ? 'https' : 'http'
  return /^[A-Za-z0-9._-]+(?::[0-9]{1,5})?$|^\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?$/.test(host)
    ? `${scheme}://${host}`
    : `${scheme}://vendor.invalid`
}

/** Writes a response as fast as its client reads it, and gives its body up as soon as that is gone. */
export async function send(outgoing: ServerResponse, response: Response): Promise<void> {
  const reader = response.body?.getReader()
  // What fails in giving up has nobody left to tell.
  const giveUp = (): void => void reader?.cancel().catch(() => undefined)
  if (outgoing.destroyed) return giveUp()
  outgoing.once('close', giveUp)
  // Also while it waits for a client that takes nothing more.
  reader?.closed.catch(() => outgoing.destroy())
  outgoing.writeHead(response.status, [...response.headers].flat())
  // A client that waits for events hears at once that they will come.
  outgoing.flushHeaders()
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done) break
    if (!outgoing.write(value)) await drained(outgoing)
  }
  outgoing.end()
}

export function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.removeListener('drain', done).removeListener('close', done)
      resolve()
    }
    if (outgoing.destroyed) done()
    else outgoing.once('drain', done).once('close', done)
  })
}

/** What never becomes a request: headers that are too long or cannot be read, a client that is too slow. */
export function refuseConnection(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  latest: ServerResponse | undefined,
): void {
  // A connection that is gone, or in the middle of an answer, can take no other one.
  const isAnswering = latest?.headersSent === true && !(latest.writableFinished && latest.req.complete)
  if (!socket.writable || isAnswering) return void socket.destroy()
  refuseSocket(socket, connectionProblems[error.code ?? ''] ?? { reason: 'Malformed', detail: 'this is not HTTP/1.1' })
}

const connectionProblems: Readonly<Record<string, Refused>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { reason: 'RequestTimeout', detail: 'the request did not arrive in time' },
  HPE_HEADER_OVERFLOW: { reason: 'HeaderTooLarge', detail: `the headers have more than ${headerSizeMax} bytes` },
}

/** Who asks to be connected with somebody else. */
export function refuseTunnel(socket: Duplex): void {
  // Node has taken its own listener off.
  socket.on('error', () => socket.destroy())
  refuseSocket(socket, { reason: 'MethodNotAllowed', detail: 'nobody else is reached through here' })
}

/** A problem document on a connection that has no response object, and its end. */
export function refuseSocket(socket: Duplex, refusal: Refused): void {
  const problem = problemOf(refusal)
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: ${problemType}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}
