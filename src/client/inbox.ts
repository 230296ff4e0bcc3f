import { agreedTo, subprotocol } from '../http/stream.ts'
import { kinds } from '../wire/kinds.ts'
import type { OnTraffic } from './channel.ts'
import { UnansweredError } from './errors.ts'
import { Messages, type Transport } from './messages.ts'

/** A WebSocket as a queue of messages. Ends when the socket does. */
export class Inbox implements Transport {
  readonly opened: Promise<void>
  readonly accepted: Promise<void> = Promise.resolve()
  readonly #socket: WebSocket
  readonly #onTraffic: OnTraffic
  readonly #messages = new Messages()
  readonly #closed: Promise<void>

  constructor(
    url: string,
    options: { readonly price: bigint; readonly onTraffic: OnTraffic; readonly signal: AbortSignal | undefined },
  ) {
    const { price, onTraffic, signal } = options
    this.#onTraffic = onTraffic
    const address = new URL(url)
    address.protocol = address.protocol === 'https:' || address.protocol === 'wss:' ? 'wss:' : 'ws:'
    const socket = new WebSocket(address.href, [subprotocol, agreedTo(price)])
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    this.opened = new Promise((resolve, reject) => {
      socket.onopen = () => resolve()
      socket.onerror = () =>
        reject(this.#messages.failure ?? new UnansweredError(`${url} takes no paid stream: is the address right?`))
    })
    socket.onmessage = ({ data }) => this.#take(data)
    const abort = (): void =>
      this.#fail(new UnansweredError(`the stream from ${url} was given up`, { cause: signal?.reason }))
    this.#closed = new Promise((resolve) => {
      socket.onclose = () => {
        signal?.removeEventListener('abort', abort)
        this.#messages.end()
        resolve()
      }
    })
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort)
  }

  /** Text counts as no bytes. */
  next(): Promise<Uint8Array | undefined> {
    return this.#messages.next()
  }

  send(message: Uint8Array): void {
    this.#onTraffic('sent', message.length)
    this.#socket.send(new Uint8Array(message))
  }

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
    if (!this.#messages.push(message)) this.#socket.close(1000)
  }

  #fail(error: Error): void {
    this.#messages.fail(error)
    this.#socket.close(1000)
  }
}
