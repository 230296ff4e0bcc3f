import { subprotocol } from '../http/stream.ts'
import { kinds } from '../wire/kinds.ts'
import type { OnTraffic } from './channel.ts'
import { UnansweredError } from './errors.ts'

/** Bytes that a vendor may send ahead of what is read: an honest one sends what was paid for. */
const queuedMax = 16_777_216

/** A WebSocket as a queue of messages. Ends when the socket does. */
export class Inbox {
  readonly opened: Promise<void>
  readonly #socket: WebSocket
  readonly #onTraffic: OnTraffic
  readonly #messages: Uint8Array[] = []
  readonly #closed: Promise<void>
  #queued = 0
  #failure: Error | undefined
  #isClosed = false
  #wake: () => void = () => undefined

  constructor(url: string, options: { readonly onTraffic: OnTraffic; readonly signal: AbortSignal | undefined }) {
    const { onTraffic, signal } = options
    this.#onTraffic = onTraffic
    const address = new URL(url)
    address.protocol = address.protocol === 'https:' || address.protocol === 'wss:' ? 'wss:' : 'ws:'
    const socket = new WebSocket(address.href, [subprotocol])
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    this.opened = new Promise((resolve, reject) => {
      socket.onopen = () => resolve()
      socket.onerror = () =>
        reject(this.#failure ?? new UnansweredError(`${url} takes no paid stream: is the address right?`))
    })
    socket.onmessage = ({ data }) => this.#take(data)
    const abort = (): void =>
      this.#fail(new UnansweredError(`the stream from ${url} was given up`, { cause: signal?.reason }))
    this.#closed = new Promise((resolve) => {
      socket.onclose = () => {
        signal?.removeEventListener('abort', abort)
        this.#isClosed = true
        this.#wake()
        resolve()
      }
    })
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort)
  }

  /** The next message, text as no bytes; `undefined` at the end. Throws where the stream was given up. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      const message = this.#messages.shift()
      if (message !== undefined) {
        this.#queued -= message.length
        return message
      }
      if (this.#isClosed) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  send(message: Uint8Array): void {
    this.#onTraffic('sent', message.length)
    this.#socket.send(new Uint8Array(message))
  }

  /** Closes the socket; resolves when the other side has closed it too, or takes too long. */
  async close(timeoutMs: number): Promise<void> {
    this.#socket.close(1000)
    let timer: ReturnType<typeof setTimeout> | undefined
    const impatience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([this.#closed, impatience])
    clearTimeout(timer)
  }

  #take(data: unknown): void {
    const message = typeof data === 'string' ? new Uint8Array(0) : new Uint8Array(data as ArrayBuffer)
    // Of a delivery, all but its first byte is what was bought.
    this.#onTraffic('received', message[0] === kinds.delivery ? 1 : message.length)
    this.#queued += message.length
    this.#messages.push(message)
    if (this.#queued > queuedMax) this.#fail(new UnansweredError('the vendor sends faster than it is read'))
    this.#wake()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#socket.close(1000)
    this.#wake()
  }
}
