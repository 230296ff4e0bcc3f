import { createParser } from 'eventsource-parser'
import { encodePost, eventsType, parseEvent, postable } from '../http/events.ts'
import { headerNames, paymentHeaders } from '../http/headers.ts'
import { managementPaths } from '../http/management.ts'
import { kinds } from '../wire/kinds.ts'
import type { OnTraffic } from './channel.ts'
import { RefusedError, UnansweredError } from './errors.ts'
import { Messages, type Transport } from './messages.ts'
import { type Fetch, failureOf, reach } from './remote.ts'

export interface EventInboxOptions {
  /** Base units: the most that a unit may cost. */
  readonly price: bigint
  readonly fetch: Fetch
  /** The vendor's address: its management paths are below it. */
  readonly vendorUrl: string
  readonly onTraffic: OnTraffic
  readonly signal: AbortSignal | undefined
}

/**
 * Server-sent events as a queue of messages; what is sent is posted beside them. The request waits for the first payment,
 * which it carries with what came before it.
 */
export class EventInbox implements Transport {
  readonly opened: Promise<void> = Promise.resolve()
  readonly #accepting = Promise.withResolvers<void>()
  readonly #url: string
  readonly #options: EventInboxOptions
  readonly #messages = new Messages()
  readonly #left = new AbortController()
  /** Sent before the first payment. */
  #before: { checkpoint?: Uint8Array; attachment?: Uint8Array } = {}
  #reading: Promise<void> | undefined
  #stream: string | undefined
  #outbox: Uint8Array[] = []
  #posting: Promise<void> | undefined

  constructor(url: string, options: EventInboxOptions) {
    this.#url = url
    this.#options = options
    // Who waits for it hears of a failure, and so does who reads.
    this.accepted.catch(() => undefined)
    const { signal } = options
    const abort = (): void => {
      this.#giveUp(new UnansweredError(`the stream from ${url} was given up`, { cause: signal?.reason }))
    }
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort, { signal: this.#left.signal })
  }

  get accepted(): Promise<void> {
    return this.#accepting.promise
  }

  next(): Promise<Uint8Array | undefined> {
    return this.#messages.next()
  }

  send(message: Uint8Array): void {
    this.#options.onTraffic('sent', message.length)
    if (this.#reading !== undefined) {
      this.#outbox.push(message)
      this.#post()
    } else if (message[0] === kinds.attachment) this.#before.attachment = message
    else if (message[0] === kinds.checkpoint) this.#before.checkpoint = message
    else this.#reading = this.#read(message).catch((error: unknown) => this.#fail(error))
  }

  /** What was sent is on its way before the vendor sees the end. */
  async close(timeoutMs: number): Promise<void> {
    const impatience = setTimeout(() => this.#left.abort(), timeoutMs)
    await this.#posting
    clearTimeout(impatience)
    this.#left.abort()
    await this.#reading
  }

  async #read(frame: Uint8Array): Promise<void> {
    const { price, fetch, onTraffic } = this.#options
    const agreed = { [headerNames.price]: price.toString() }
    const headers = { Accept: eventsType, ...paymentHeaders({ frame, ...this.#before }), ...agreed }
    const response = await reach(fetch, this.#url, { headers, signal: this.#left.signal })
    if (!response.ok) throw await failureOf(response, this.#url)
    const type = response.headers.get('Content-Type')
    this.#stream = response.headers.get(headerNames.stream) ?? undefined
    if (type?.startsWith(eventsType) !== true || this.#stream === undefined) {
      throw new UnansweredError(`${this.#url} sends no paid events: is the address right?`)
    }
    this.#accepting.resolve()
    this.#post()
    const parser = createParser({
      maxBufferSize: eventSizeMax,
      onEvent: (event) => {
        const message = parseEvent(event)
        if (message === undefined) return
        if (!message.ok) {
          this.#fail(new RefusedError(message))
          return
        }
        const [kind] = message.value
        onTraffic('received', kind === kinds.delivery ? 1 : message.value.length)
        if (!this.#messages.push(message.value)) this.#left.abort()
      },
      onError: (error) => this.#fail(error),
    })
    const decoder = new TextDecoder()
    for (const reader = response.body!.getReader(); ; ) {
      const { done, value } = await reader.read()
      if (done) break
      parser.feed(decoder.decode(value, { stream: true }))
    }
    this.#messages.end()
  }

  /** Posts what waits, one request after the other: they would overtake each other. */
  #post(): void {
    if (this.#stream === undefined || this.#posting !== undefined || this.#outbox.length === 0) return
    this.#posting = this.#postAll(this.#stream)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#posting = undefined
        this.#post()
      })
  }

  async #postAll(stream: string): Promise<void> {
    const url = new URL(managementPaths.stream, this.#options.vendorUrl).href
    const messages = this.#outbox.splice(0, postable(this.#outbox))
    const response = await reach(this.#options.fetch, url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream', [headerNames.stream]: stream },
      body: encodePost(messages),
      signal: this.#left.signal,
    })
    // The stream may have ended meanwhile, which its events say.
    if (!response.ok && response.status !== 404) throw await failureOf(response, url)
    await response.body?.cancel()
  }

  #fail(error: unknown): void {
    // Whoever left does not wait for what comes of it.
    if (this.#left.signal.aborted) {
      this.#messages.end()
      return
    }
    const isKnown = error instanceof UnansweredError || error instanceof RefusedError
    this.#giveUp(isKnown ? error : new UnansweredError(`the stream from ${this.#url} broke off`, { cause: error }))
  }

  #giveUp(error: Error): void {
    this.#messages.fail(error)
    this.#accepting.reject(error)
    this.#outbox = []
    this.#left.abort()
  }
}

/** The longest event that is read, in characters. */
const eventSizeMax = 16_777_216
