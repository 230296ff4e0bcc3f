import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { drained } from '../connection.ts'

/** What a handler of `node:http` writes to its response, kept until it is known what the client gets. */
export interface HeldAnswer {
  /** Resolves when the handler has said how it answers; its body follows as it is written. */
  readonly response: Promise<Response>
  /** Sends what the client gets: that answer with the statement, or another one. Whatever the handler still writes goes into it. */
  send(response: Response): Promise<void>
}

type Chunk = string | Uint8Array | (() => void) | null | undefined
type Encoding = BufferEncoding | (() => void) | undefined
type GivenHeaders = OutgoingHttpHeaders | readonly OutgoingHttpHeader[] | undefined

/** Bytes that wait for a reader at which the handler is told to stop writing. */
const waitingMax = 65_536

/** What a handler may take to end once its client has gone: it is still charged, and its answer kept for a retry. */
const abandonedMs = 60_000

/** Holds back what is written to a response. The handler sees a response that was sent. */
export function holdAnswer(outgoing: ServerResponse): HeldAnswer {
  const before = outgoing.getHeaderNames().map((name) => [name, outgoing.getHeader(name)!] as const)
  const held = ['writeHead', 'write', 'end', 'flushHeaders', 'destroy'] as const
  const real = Object.fromEntries(held.map((name) => [name, outgoing[name]])) as Pick<
    ServerResponse,
    (typeof held)[number]
  >
  const begun = Promise.withResolvers<Response>()
  let controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined
  let state: 'waiting' | 'begun' | 'ended' = 'waiting'
  let isGivenUp = false
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start: (own) => {
        controller = own
      },
      pull: () => void outgoing.emit('drain'),
      cancel: () => {
        isGivenUp = true
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: waitingMax }),
  )

  function begin(): void {
    if (state !== 'waiting') return
    state = 'begun'
    const isEmpty = [204, 205, 304].includes(outgoing.statusCode)
    try {
      begun.resolve(new Response(isEmpty ? null : body, { status: outgoing.statusCode, headers: headersOf(outgoing) }))
    } catch (error) {
      // A status or a header that no response can have.
      begun.reject(error)
    }
  }

  function take(chunk: Chunk, encoding: Encoding, callback: Encoding): boolean {
    begin()
    const done = [chunk, encoding, callback].find((one) => typeof one === 'function')
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, textEncoding(encoding)) : chunk
    if (bytes instanceof Uint8Array && bytes.length > 0 && state === 'begun' && !isGivenUp) {
      controller!.enqueue(new Uint8Array(bytes))
    }
    if (done !== undefined) setImmediate(done)
    return isGivenUp || (controller!.desiredSize ?? 0) > 0
  }

  function fail(error: Error): void {
    if (state === 'ended') return
    if (state === 'waiting') begun.reject(error)
    else if (!isGivenUp) controller!.error(error)
    state = 'ended'
  }

  const abandoned = (): void => {
    const says = 'its handler did not end its answer, and the client is gone'
    setTimeout(() => fail(new Error(says)), abandonedMs).unref()
  }
  outgoing.once('close', abandoned)

  Object.assign(outgoing, {
    writeHead(status: number, message?: string | GivenHeaders, headers?: GivenHeaders) {
      outgoing.statusCode = status
      setHeaders(outgoing, typeof message === 'string' ? headers : message)
      begin()
      return outgoing
    },
    flushHeaders: begin,
    write: take,
    end(chunk?: Chunk, encoding?: Encoding, callback?: Encoding) {
      if (state === 'ended') return outgoing
      take(typeof chunk === 'function' ? undefined : chunk, encoding, undefined)
      state = 'ended'
      const done = [chunk, encoding, callback].find((one) => typeof one === 'function')
      if (done !== undefined) outgoing.once('finish', done)
      outgoing.off('close', abandoned)
      if (!isGivenUp) controller!.close()
      return outgoing
    },
    destroy(error?: Error) {
      fail(error ?? new Error('its handler broke the connection off'))
      return real.destroy.call(outgoing, error)
    },
  })
  Object.defineProperties(outgoing, {
    headersSent: { configurable: true, get: () => state !== 'waiting' },
    writableEnded: { configurable: true, get: () => state === 'ended' },
  })

  return {
    response: begun.promise,
    async send(response) {
      const reader = response.body?.getReader()
      const giveUp = (): void => void reader?.cancel().catch(() => undefined)
      if (outgoing.destroyed) return giveUp()
      outgoing.once('close', giveUp)
      // Also while it waits for a client that takes nothing more.
      reader?.closed.catch(() => outgoing.destroy())
      restoreHeaders(outgoing, before)
      setResponseHeaders(outgoing, response)
      real.writeHead.call(outgoing, response.status)
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
        if (done) break
        if (!(real.write as (chunk: Uint8Array) => boolean).call(outgoing, value)) await drained(outgoing)
      }
      Object.assign(outgoing, real)
      for (const name of ['headersSent', 'writableEnded'] as const) Reflect.deleteProperty(outgoing, name)
      outgoing.end()
    },
  }
}

/** Sets a response's headers. Who may read it is said by whoever said it first; cookies set before are among its own. */
export function setResponseHeaders(outgoing: ServerResponse, { headers }: Response): void {
  if (headers.has('set-cookie')) outgoing.removeHeader('set-cookie')
  for (const [name, value] of headers) {
    if (name === 'access-control-allow-origin' && outgoing.hasHeader(name)) continue
    if (name === 'set-cookie') outgoing.appendHeader(name, value)
    else outgoing.setHeader(name, value)
  }
}

function restoreHeaders(
  outgoing: ServerResponse,
  before: readonly (readonly [string, number | string | readonly string[]])[],
): void {
  for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name)
  for (const [name, value] of before) outgoing.setHeader(name, value)
}

function headersOf(outgoing: ServerResponse): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(outgoing.getHeaders())) {
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, String(one))
  }
  return headers
}

function setHeaders(outgoing: ServerResponse, headers: GivenHeaders): void {
  if (headers === undefined) return
  if (!isList(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) outgoing.setHeader(name, value)
    return
  }
  for (let at = 0; at + 1 < headers.length; at += 2) {
    outgoing.appendHeader(String(headers[at]), headers[at + 1] as string | readonly string[])
  }
}

function isList(headers: NonNullable<GivenHeaders>): headers is readonly OutgoingHttpHeader[] {
  return Array.isArray(headers)
}

function textEncoding(encoding: Encoding): BufferEncoding {
  return typeof encoding === 'string' ? encoding : 'utf8'
}
