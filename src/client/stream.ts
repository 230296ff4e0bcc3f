import { requestDigest } from '../http/requestDigest.ts'
import { parseVendorMessage, subprotocol } from '../http/stream.ts'
import { Client } from '../protocol/index.ts'
import { kinds } from '../wire/kinds.ts'
import type { OnTraffic, PayingChannel } from './channel.ts'
import { RefusedError, UnansweredError } from './errors.ts'

export interface StreamOptions {
  /** Base units for one unit of the stream: the most that is paid. */
  readonly price: bigint
  /** Units paid ahead of what was delivered: what is at risk, and what hides the way there and back. */
  readonly ahead?: number
  /** Whether unit `n`, from 0, is paid with a payment of its own rather than a tick. Unit 0 always is. */
  readonly isPayment?: (unit: number) => boolean
  /** Units after which no more is paid; the stream may end before. */
  readonly unitsMax?: number
}

/** Pays for a stream and yields its deliveries. Stops paying, and is charged for no more than came, when the caller stops. */
export async function* stream(
  channel: PayingChannel,
  url: string,
  options: StreamOptions,
): AsyncGenerator<Uint8Array, void> {
  const inbox = new Inbox(url, channel.onTraffic)
  try {
    await inbox.opened
    inbox.send(channel.attachment)
    const payer = new Payer(channel, inbox, options, requestDigest({ method: 'GET', target: url }))
    let delivered = 0
    await payer.payTo(delivered)
    for await (const bytes of inbox) {
      const message = parseVendorMessage(bytes, channel.state.macs.statement)
      if (!message.ok) throw new RefusedError(message)
      switch (message.value.kind) {
        case 'delivery':
          delivered += 1
          if (delivered > payer.units)
            throw new RefusedError({ reason: 'Malformed', detail: 'more was delivered than was paid' })
          yield message.value.payload
          await payer.payTo(delivered)
          break
        case 'statement':
          await channel.acknowledge(message.value.statement)
          break
        case 'problem':
          throw new RefusedError(message.value.problem)
        case 'end':
          return await payer.finish()
      }
    }
    throw new UnansweredError(`the stream from ${url} broke off after ${delivered} units`)
  } finally {
    inbox.close()
  }
}

/** Keeps a stream paid a few units ahead of its deliveries. */
class Payer {
  readonly #channel: PayingChannel
  readonly #inbox: Inbox
  readonly #options: StreamOptions
  readonly #digest: Uint8Array
  /** Units paid for. */
  units = 0
  /** The payment in progress. */
  #index: number | undefined

  constructor(channel: PayingChannel, inbox: Inbox, options: StreamOptions, digest: Uint8Array) {
    this.#channel = channel
    this.#inbox = inbox
    this.#options = options
    this.#digest = digest
  }

  async payTo(delivered: number): Promise<void> {
    const { ahead = 8, unitsMax = Number.POSITIVE_INFINITY, isPayment } = this.#options
    while (this.units < Math.min(delivered + ahead, unitsMax)) {
      if (this.#index === undefined || isPayment?.(this.units) === true) await this.#pay()
      else await this.#tick(this.#index)
      this.units += 1
    }
  }

  /** The checkpoint at the end of a stream: the vendor's acknowledgement is the last message. */
  async finish(): Promise<void> {
    const final = Client.checkpoint(this.#channel.state as Client.ClientChannel)
    if (!final.ok) return
    await this.#channel.save()
    this.#inbox.send(final.checkpoint)
    for await (const bytes of this.#inbox) {
      const message = parseVendorMessage(bytes, this.#channel.state.macs.statement)
      if (message.ok && message.value.kind === 'statement') return this.#channel.acknowledge(message.value.statement)
    }
  }

  async #pay(): Promise<void> {
    const payment = await this.#channel.pay(this.#options.price, this.#digest, this.#index)
    this.#index = payment.index
    if (payment.checkpoint !== undefined) this.#inbox.send(payment.checkpoint)
    this.#inbox.send(payment.frame)
  }

  async #tick(index: number): Promise<void> {
    const { state, now } = this.#channel
    const tick = Client.tick(state as Client.ClientChannel, { index, units: 1, now })
    if (!tick.ok) throw new RefusedError(tick)
    // A revealed coin counts as spent: it is stored before it leaves.
    await this.#channel.save()
    if (tick.checkpoint !== undefined) this.#inbox.send(tick.checkpoint)
    this.#inbox.send(tick.frame)
  }
}

/** A WebSocket as a queue that is read with `for await`. Ends when the socket does. */
class Inbox {
  readonly opened: Promise<void>
  readonly #socket: WebSocket
  readonly #messages: Uint8Array[] = []
  readonly #onTraffic: OnTraffic
  #ended = false
  #wake: () => void = () => undefined

  constructor(url: string, onTraffic: OnTraffic) {
    this.#onTraffic = onTraffic
    const address = new URL(url)
    address.protocol = address.protocol === 'https:' || address.protocol === 'wss:' ? 'wss:' : 'ws:'
    this.#socket = new WebSocket(address.href, [subprotocol])
    this.#socket.binaryType = 'arraybuffer'
    this.opened = new Promise((resolve, reject) => {
      this.#socket.onopen = () => resolve()
      this.#socket.onerror = () => reject(new UnansweredError(`${url} takes no paid stream: is the address right?`))
    })
    this.#socket.onmessage = ({ data }) => {
      const message = typeof data === 'string' ? new Uint8Array(0) : new Uint8Array(data as ArrayBuffer)
      // Of a delivery, all but its first byte is what was bought.
      onTraffic('received', message[0] === kinds.delivery ? 1 : message.length)
      this.#messages.push(message)
      this.#wake()
    }
    this.#socket.onclose = () => {
      this.#ended = true
      this.#wake()
    }
  }

  send(message: Uint8Array): void {
    this.#onTraffic('sent', message.length)
    this.#socket.send(new Uint8Array(message))
  }

  close(): void {
    this.#socket.close(1000)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) yield message
      else if (this.#ended) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
