import { encodeInput, type Input } from '../http/input.ts'
import { requestDigest } from '../http/requestDigest.ts'
import { parseVendorMessage, type VendorMessage } from '../http/stream.ts'
import type { Client } from '../protocol/index.ts'
import { segmentLengthMax } from '../wire/kinds.ts'
import type { Statement } from '../wire/Statement.ts'
import { boughtFrom } from './bought.ts'
import type { PayHooks, PayingChannel } from './channel.ts'
import { RefusedError, UnansweredError } from './errors.ts'
import { Inbox } from './inbox.ts'
import type { Bought } from './journal/contract.ts'
import type { Transport } from './messages.ts'

/** How a stream is paid, over a channel that was opened by hand. */
export interface StreamOptions {
  /** Base units for one unit of the stream: the most that is paid. */
  readonly price: bigint
  /** Units paid ahead of what was delivered: what is at risk, and what hides the way there and back. */
  readonly ahead?: number
  /**
   * Whether unit `n`, from 0, is paid with a payment of its own rather than a tick. Unit 0 always is, and every unit whose
   * price is no multiple of the channel's unit price.
   */
  readonly isPayment?: (unit: number) => boolean
  /** Units after which no more is paid; the stream may end before. */
  readonly unitsMax?: number
  /** How it travels; server-sent events pass where WebSockets do not. */
  readonly transport?: 'websocket' | 'events'
  /** Gives the stream up, also while it waits for the vendor. */
  readonly signal?: AbortSignal
  /** What is said to the stream's source, from the first payment on. */
  readonly input?: AsyncIterable<Input> | Iterable<Input>
  /** Asked before each payment and tick: see {@link PayHooks}. */
  readonly assess?: PayHooks['assess']
}

/** Pays for a stream and yields its deliveries. Stops paying, and is charged for no more than came, when the caller stops. */
export async function* stream(
  channel: PayingChannel,
  url: string,
  options: StreamOptions,
): AsyncGenerator<Uint8Array, void> {
  const { unitsMax = Number.POSITIVE_INFINITY } = options
  const inbox = await open(channel, url, options)
  const payer = new Payer(channel, inbox, options, url)
  try {
    await inbox.opened
    inbox.send(channel.attachment)
    await payer.payAhead()
    if (options.input !== undefined) void payer.say(options.input)
    while (payer.delivered < unitsMax) {
      const message = await payer.next()
      if (message === undefined)
        throw new UnansweredError(`the stream from ${url} broke off after ${payer.delivered} units`)
      if (message.kind === 'delivery') {
        payer.count()
        yield message.payload
        await payer.payAhead()
      } else if (message.kind === 'statement') await payer.take(message.statement)
      else if (message.kind === 'problem') throw new RefusedError(message.problem)
      else break
    }
    await payer.finish()
  } finally {
    await payer.leave()
  }
}

async function open(
  channel: PayingChannel,
  url: string,
  { price, transport, signal }: StreamOptions,
): Promise<Transport> {
  const { onTraffic, sender, vendorUrl } = channel
  if (transport !== 'events') return new Inbox(url, { price, onTraffic, signal })
  // Loaded when it is wanted: most pages never do.
  const { EventInbox } = await import('./eventInbox.ts')
  return new EventInbox(url, { price, fetch: sender, vendorUrl, onTraffic, signal })
}

/** Keeps a stream paid a few units ahead of its deliveries, one payment or tick a unit. */
class Payer {
  readonly #channel: PayingChannel
  readonly #inbox: Transport
  readonly #options: StreamOptions
  readonly #digest: Uint8Array
  readonly #bought: Bought
  /** Units paid for. */
  #paid = 0
  /** What its payments were charged, as far as stated. */
  #charged = 0n
  /** The payments of this stream, the last one in progress. */
  readonly #indices = new Set<number>()
  #index: number | undefined
  #last: Client.Paid | undefined
  /** Checkpoints sent, less statements that settle nothing: each checkpoint is acknowledged by one. */
  #unacknowledged = 0
  /** Settles when all that was made has left. */
  #sent: Promise<void> = Promise.resolve()
  #failure: { readonly cause: unknown } | undefined
  #isLeft = false
  delivered = 0

  constructor(channel: PayingChannel, inbox: Transport, options: StreamOptions, url: string) {
    this.#channel = channel
    this.#inbox = inbox
    this.#options = options
    this.#digest = requestDigest({ method: 'GET', target: url })
    this.#bought = boughtFrom('GET', url)
  }

  /** Pays for the units ahead. What is made while the journal stores waits for nothing but its turn. */
  async payAhead(): Promise<void> {
    const { ahead = 8, unitsMax = Number.POSITIVE_INFINITY, isPayment } = this.#options
    while (this.#paid < Math.min(this.delivered + Math.max(1, ahead), unitsMax)) {
      const coins = this.#coins()
      const isOwn = this.#index === undefined || coins === undefined || isPayment?.(this.#paid) === true
      this.#send(isOwn ? this.#pay() : this.#tick(this.#index!, coins))
      this.#paid += 1
      if (this.#paid > 1) continue
      await this.#sent
      await this.#inbox.accepted
    }
  }

  /** Says this to the source, until the stream is left. */
  async say(input: NonNullable<StreamOptions['input']>): Promise<void> {
    try {
      for await (const said of input) {
        if (this.#isLeft) return
        this.#inbox.send(encodeInput(said))
      }
    } catch (cause) {
      this.#fail(cause)
    }
  }

  async next(): Promise<VendorMessage | undefined> {
    const bytes = await this.#inbox.next()
    if (this.#failure !== undefined) throw this.#failure.cause
    if (bytes === undefined) return undefined
    const message = parseVendorMessage(bytes, this.#channel.state.macs.statement)
    if (!message.ok) throw new RefusedError(message)
    return message.value
  }

  /** One more unit has come. */
  count(): void {
    this.delivered += 1
    if (this.delivered <= this.#paid) return
    throw new RefusedError({ reason: 'Malformed', detail: `unit ${this.delivered} was delivered and not asked for` })
  }

  /** Takes a statement in. What was delivered came before it: no more can be charged, and what is paid is no cause to wait. */
  async take(statement: Statement): Promise<void> {
    // What is paid next is stored after it.
    this.#after((await this.#channel.hear(statement)).stored)
    const { price } = this.#options
    if (this.#indices.has(statement.index)) this.#charged += statement.charged
    if (this.#charged > BigInt(this.delivered) * price) {
      await this.#channel.dispute(`the stream was charged ${this.#charged} for ${this.delivered} units at ${price}`)
    }
    if (statement.index !== 0) return
    this.#unacknowledged -= 1
    // One that acknowledges no checkpoint says that what was paid is not enough for the next unit.
    const isShort = statement.credit < price || this.#unacknowledged < 0
    const hasAll = statement.paid === this.#channel.state.paid && this.delivered < this.#paid
    if (hasAll && isShort) {
      throw new RefusedError({ reason: 'CreditTooLow', detail: `the vendor asks more than ${price} for a unit` })
    }
  }

  /** The checkpoint at the end of a stream. Where its acknowledgement does not come, it goes along with the next payment. */
  async finish(): Promise<void> {
    await this.#sent
    const checkpoint = await this.#channel.checkpoint()
    if (checkpoint === undefined) return
    this.#unacknowledged += 1
    this.#inbox.send(checkpoint)
    const timer = setTimeout(() => void this.#inbox.close(0), farewellMs)
    try {
      while (this.#channel.state.checkpoint !== undefined) {
        const message = await this.next()
        if (message === undefined || message.kind === 'problem') return
        if (message.kind === 'delivery') this.count()
        if (message.kind === 'statement') await this.take(message.statement)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends the connection. What the vendor has not stated by then is asked for before the next payment. */
  async leave(): Promise<void> {
    this.#isLeft = true
    // Whoever left hears of what went wrong.
    await this.#sent.catch(() => undefined)
    await this.#inbox.close(farewellMs)
    // The last payment is charged once the vendor sees that nobody is there: whoever keeps accounts wants to know for how much.
    const last = this.#last
    const isOpen = last !== undefined && this.#channel.state.outstanding.has(last.index)
    if (isOpen && this.delivered > 0) await this.#channel.askCharge(last, farewellMs)
    this.#channel.abandon(this.#indices)
  }

  /** How many coins are one unit of the stream; none where it takes a payment. */
  #coins(): number | undefined {
    const { price } = this.#options
    const { unitPrice } = this.#channel.state.segment
    const coins = price / unitPrice
    return price % unitPrice === 0n && coins >= 1n && coins <= BigInt(segmentLengthMax) ? Number(coins) : undefined // A count of coins, not an amount.
  }

  async #pay(): Promise<Client.Paid> {
    const { price, assess } = this.#options
    const details = { previous: this.#index, bought: this.#bought, ...(assess && { assess }) }
    const paying = this.#channel.pay(price, this.#digest, details)
    // All but the first are made in this very turn: the next one takes over from it.
    if (this.#index !== undefined) this.#index = this.#channel.state.index
    const payment = await paying
    this.#index ??= payment.index
    this.#indices.add(payment.index)
    this.#last = payment
    return payment
  }

  #tick(index: number, coins: number): ReturnType<PayingChannel['tick']> {
    return this.#channel.tick(index, coins, this.#options.assess)
  }

  /** Sends what was made once it is stored, in the order in which it was made: where one was not stored, nothing after it leaves. */
  #send(making: Promise<Pick<Client.Paid, 'frame' | 'checkpoint'>>): void {
    const isFirst = this.#paid === 0
    const before = this.#sent
    const send = async (): Promise<void> => {
      const { checkpoint, frame } = await making
      await before
      if (checkpoint !== undefined) {
        // What comes before the first payment is acknowledged with it.
        if (!isFirst) this.#unacknowledged += 1
        this.#inbox.send(checkpoint)
      }
      this.#inbox.send(frame)
    }
    this.#after(send())
  }

  /** What is sent next waits for this too. */
  #after(done: Promise<void>): void {
    this.#sent = Promise.all([this.#sent, done]).then(() => undefined)
    this.#sent.catch((cause: unknown) => this.#fail(cause))
  }

  #fail(cause: unknown): void {
    this.#failure ??= { cause }
    // Whoever waits for a message waits in vain.
    void this.#inbox.close(0)
  }
}

/** What a vendor may take to answer the end of a stream. */
const farewellMs = 1000
