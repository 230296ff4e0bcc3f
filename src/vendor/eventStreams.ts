import { randomBytes } from 'node:crypto'
import { utf8 } from '../crypto/bytes.ts'
import { encodeEvent, eventsType, parsePost, postSizeMax } from '../http/events.ts'
import { headerNames } from '../http/headers.ts'
import { managementPaths } from '../http/management.ts'
import { paymentMessageMax } from '../http/stream.ts'
import { refuse } from '../protocol/index.ts'
import { parseAmount } from '../wire/amount.ts'
import { parseBase64url } from '../wire/base64url.ts'
import { kinds } from '../wire/kinds.ts'
import { methodResponse, problemResponse, type Refused, readBody } from './responses.ts'
import { matchPath } from './routes.ts'
import { StreamSession } from './stream.ts'
import type { StreamServerOptions } from './streams.ts'
import { readTimeoutDefaultMs, unlessUnread } from './unread.ts'

/** Without a public address, each request's own is taken. */
export type EventStreamOptions = Omit<StreamServerOptions, 'publicUrl'> &
  Partial<Pick<StreamServerOptions, 'publicUrl'>>

export interface EventStreams {
  /** Answers who asks a stream's address for events, and takes what they post. `undefined`: it is neither. */
  handle(request: Request): Promise<Response | undefined>
  /** Ends every stream; resolves when what they charged is durable. */
  close(): Promise<void>
}

/** Paid streams as server-sent events, their payments posted beside them: Design 3.10. */
export function eventStreams(options: EventStreamOptions): EventStreams {
  const { streams, publicUrl, onError, readTimeoutMs = readTimeoutDefaultMs } = options
  const sessions = new Map<string, Open>()

  const open = async (request: Request, { origin, pathname, search }: URL): Promise<Response | undefined> => {
    const route = streams.find(({ path }) => matchPath(path, pathname) !== undefined)
    if (route === undefined) return undefined
    const first = firstMessages(request.headers)
    if ('reason' in first) return problemResponse(first)
    const price = request.headers.get(headerNames.price)
    const agreed = price === null ? undefined : parseAmount(price)
    if (agreed?.ok === false) return problemResponse({ ...agreed, detail: `${headerNames.price}: ${agreed.detail}` })
    const id = randomBytes(16).toString('hex')
    const socket = new EventSocket(() => {
      sessions.delete(id)
      session.leave().catch(onError)
    })
    const params = matchPath(route.path, pathname)!
    const session = new StreamSession({
      ...options,
      route,
      params,
      target: (publicUrl ?? origin) + pathname + search,
      agreed: agreed?.value,
      socket,
    })
    sessions.set(id, { session, socket })
    for (const message of first.messages) await session.receive(message)
    // What is wrong from the start is said by the status.
    if (socket.problem !== undefined) return problemResponse(socket.problem)
    const headers = { 'Content-Type': eventsType, 'Cache-Control': 'private, no-store', [headerNames.stream]: id }
    return new Response(unlessUnread(socket.body, readTimeoutMs), { headers })
  }

  const take = async (request: Request): Promise<Response> => {
    if (request.method !== 'POST') return methodResponse(['POST'], request)
    const session = sessions.get(request.headers.get(headerNames.stream) ?? '')?.session
    if (session === undefined) {
      const detail = 'this stream has ended: it charged what it delivered, and the credit stays'
      return problemResponse({ reason: 'NotFound', detail })
    }
    const body = await readBody(request, postSizeMax)
    if (body === undefined) {
      return problemResponse({ reason: 'BodyTooLarge', detail: `at most ${postSizeMax} bytes of messages at once` })
    }
    const messages = parsePost(body)
    if (!messages.ok) return problemResponse(messages)
    await Promise.all(messages.value.map((message) => session.receive(message)))
    return new Response(null, { status: 204 })
  }

  return {
    async handle(request) {
      const url = new URL(request.url)
      if (request.method === 'OPTIONS') return undefined
      if (url.pathname === managementPaths.stream) return take(request)
      const isAsked = request.method === 'GET' && request.headers.get('Accept')?.includes(eventsType) === true
      return isAsked ? open(request, url) : undefined
    },
    async close() {
      const left = await Promise.allSettled([...sessions.values()].map(({ session }) => session.leave()))
      for (const result of left) if (result.status === 'rejected') onError(result.reason)
      for (const { socket } of sessions.values()) socket.close()
      sessions.clear()
    },
  }
}

interface Open {
  readonly session: StreamSession
  readonly socket: EventSocket
}

/** The messages that the headers of a request carry, in the order a stream takes them. */
function firstMessages(headers: Headers): Refused | { readonly messages: readonly Uint8Array[] } {
  const messages: Uint8Array[] = []
  for (const name of [headerNames.attachment, headerNames.checkpoint, headerNames.payment]) {
    const value = headers.get(name)
    if (value === null) continue
    const message = parseBase64url(value, paymentMessageMax)
    if (!message.ok) return { ...message, detail: `${name}: ${message.detail}` }
    messages.push(message.value)
  }
  const isPaid = headers.has(headerNames.payment)
  return isPaid ? { messages } : refuse('PaymentRequired', 'the first unit of a stream is paid in the headers')
}

/** What {@link StreamSession} needs of a socket, as the body of a response. */
class EventSocket {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>
  /** Why the session refused the stream, if so. */
  problem: Refused | undefined
  readyState = openState
  readonly #controller: ReadableStreamDefaultController<Uint8Array>
  readonly #gone: () => void
  readonly #heartbeat: ReturnType<typeof setInterval>
  /** To be told once something of what was sent is on its way. */
  #leaving: (() => void)[] = []

  constructor(gone: () => void) {
    this.#gone = gone
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined
    this.body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (given) => {
          controller = given
        },
        pull: () => {
          const left = this.#leaving
          this.#leaving = []
          for (const tell of left) tell()
        },
        cancel: () => this.#end(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark }),
    )
    this.#controller = controller!
    // A client that is gone is found out when something is sent.
    this.#heartbeat = setInterval(() => this.#write(': \n\n'), heartbeatMs)
    this.#heartbeat.unref()
  }

  get bufferedAmount(): number {
    return highWaterMark - (this.#controller.desiredSize ?? highWaterMark)
  }

  send(message: Uint8Array, left: () => void): void {
    if (this.readyState !== openState) {
      left()
      return
    }
    if (message[0] === kinds.problem)
      this.problem = JSON.parse(new TextDecoder().decode(message.subarray(1))) as Refused
    this.#leaving.push(left)
    this.#write(encodeEvent(message))
  }

  close(): void {
    if (this.readyState !== openState) return
    this.#controller.close()
    this.#end()
  }

  #write(text: string): void {
    if (this.readyState === openState) this.#controller.enqueue(utf8(text))
  }

  #end(): void {
    if (this.readyState !== openState) return
    this.readyState = closedState
    clearInterval(this.#heartbeat)
    this.#gone()
  }
}

const openState = 1
const closedState = 3
/** Bytes of events that wait in memory before those who write them are told to wait. */
const highWaterMark = 65_536
const heartbeatMs = 15_000
