import { Agent, type IncomingMessage, request as plain } from 'node:http'
import { Agent as SecureAgent, request as secure } from 'node:https'
import { Readable } from 'node:stream'
import { problemResponse } from '../vendor/index.ts'
import { endToEnd } from './headers.ts'
import type { Handshake } from './webSocket.ts'

export interface UpstreamOptions {
  readonly upstream: URL
  /** What it may take to begin to answer, and then from one piece to the next. */
  readonly timeoutMs: number
  readonly onError: (error: unknown) => void
}

export interface Sent {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Headers
  readonly body: Uint8Array
}

/** The service behind: it is asked over connections that are kept, and gives its answer as it comes, bytes unchanged. */
export class Upstream {
  readonly #options: UpstreamOptions
  readonly #agent: Agent
  readonly #base: string

  constructor(options: UpstreamOptions) {
    const isSecure = options.upstream.protocol === 'https:'
    this.#options = options
    this.#agent = isSecure ? new SecureAgent({ keepAlive: true }) : new Agent({ keepAlive: true })
    this.#base = options.upstream.pathname.replace(/\/$/, '')
  }

  /** Its answer; where there is none in time, a problem with status 502 or 504, which is charged to nobody. */
  async send(sent: Sent): Promise<Response> {
    const { onError, upstream } = this.#options
    try {
      return this.#responseOf(sent, await this.#ask(sent))
    } catch (cause) {
      onError(new Error(`${upstream.origin} did not answer ${sent.method} ${sent.path}: ${textOf(cause)}`, { cause }))
      return cause instanceof UpstreamTimeout
        ? problemResponse({ reason: 'UpstreamTimeout', detail: 'the service behind this one did not answer in time' })
        : problemResponse({ reason: 'UpstreamFailed', detail: 'the service behind this one cannot be reached' })
    }
  }

  /** Where a WebSocket of the service is. */
  handshake({ path, headers }: Pick<Sent, 'path' | 'headers'>): Handshake {
    const { upstream, timeoutMs } = this.#options
    return { url: new URL(upstream.origin + this.#base + path), headers, timeoutMs }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #ask(sent: Sent): Promise<IncomingMessage> {
    const { method, path, headers, body } = sent
    const { upstream, timeoutMs } = this.#options
    const request = upstream.protocol === 'https:' ? secure : plain
    const fields = Object.fromEntries(headers)
    if (body.length > 0 || !['GET', 'HEAD', 'OPTIONS'].includes(method)) fields['content-length'] = String(body.length)
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const outgoing = request(upstream, {
      method,
      path: this.#base + path,
      headers: fields,
      agent: this.#agent,
      timeout: timeoutMs,
    })
    // An upgrade that nobody asked for is no answer. Its socket is nobody's by then: an error there would have no listener.
    outgoing.once('upgrade', (_, socket) => {
      socket.destroy()
      reject(new Error('it wants to speak another protocol'))
    })
    outgoing.once('timeout', () => outgoing.destroy(new UpstreamTimeout()))
    outgoing.once('response', resolve).on('error', reject)
    outgoing.end(body)
    try {
      return await promise
    } catch (error) {
      // A kept connection may end as it is taken up again: then nothing was asked yet, and what only reads may be asked again.
      const isStale = outgoing.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
      if (isStale && (method === 'GET' || method === 'HEAD')) return this.#ask(sent)
      throw error
    }
  }

  #responseOf({ method }: Sent, incoming: IncomingMessage): Response {
    const { statusCode: status = 0, rawHeaders } = incoming
    const received = new Headers()
    for (let at = 0; at < rawHeaders.length; at += 2) received.append(rawHeaders[at]!, rawHeaders[at + 1]!)
    const headers = endToEnd(received)
    const location = headers.get('Location')
    if (location !== null) headers.set('Location', this.#publicLocation(location))
    if (method === 'HEAD' || [204, 205, 304].includes(status)) {
      incoming.resume()
      return new Response(null, { status, headers })
    }
    const body = Readable.toWeb(incoming, { strategy: new ByteLengthQueuingStrategy({ highWaterMark: 16_384 }) })
    return new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>, { status, headers })
  }

  /** A redirect within the service, as a path: its own address is nobody's business. */
  #publicLocation(location: string): string {
    const { upstream } = this.#options
    if (!location.startsWith('/') && !URL.canParse(location)) return location
    const { origin, pathname, search, hash } = new URL(location, upstream)
    const isInside = origin === upstream.origin && pathname.startsWith(this.#base)
    return isInside ? (pathname.slice(this.#base.length) || '/') + search + hash : location
  }
}

function textOf(error: unknown): string {
  // Of several addresses that were tried, each has its own.
  const { message, code } = error as NodeJS.ErrnoException
  return message || (code ?? String(error))
}

class UpstreamTimeout extends Error {
  override readonly name: string = 'UpstreamTimeout'

  constructor() {
    super('it took too long')
  }
}
