import { equal, toHex } from '../crypto/bytes.ts'
import { assessVersion } from '../http/headers.ts'
import { type ProblemReason, problemOf } from '../http/problems.ts'
import { requestDigest } from '../http/requestDigest.ts'
import { encodeDelivery, encodeEnd, encodeProblem } from '../http/stream.ts'
import { type Refusal, refuse, Vendor } from '../protocol/index.ts'
import * as Attachment from '../wire/Attachment.ts'
import * as Checkpoint from '../wire/Checkpoint.ts'
import * as Frame from '../wire/Frame.ts'
import { kinds } from '../wire/kinds.ts'
import * as Statement from '../wire/Statement.ts'
import type { Terms } from '../wire/Terms.ts'
import type { Held } from './held.ts'
import type { PaidContext } from './paywall.ts'
import type { Till } from './till.ts'

/** A route that sells units of a stream, one delivery a unit: a token, a second, a block of bytes. */
export interface StreamRoute {
  readonly path: string
  /** Base units of the asset, for one unit of the stream. */
  readonly price: bigint
  /** Ends the stream by returning; is returned early when the client leaves. */
  readonly source: (context: PaidContext) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** What a session needs of a WebSocket. */
export interface StreamSocket {
  send(message: Uint8Array): void
  close(code: number): void
  /** Bytes handed over and not yet on the wire. */
  readonly bufferedAmount: number
}

export interface StreamOptions {
  readonly till: Till
  readonly route: StreamRoute
  readonly params: Readonly<Record<string, string>>
  /** The public address that the payments name. */
  readonly target: string
  readonly socket: StreamSocket
}

/** The payment that a stream charges. */
interface InProgress {
  readonly accepted: Vendor.Accepted
  readonly reservation: Vendor.Reservation
}

/** Bytes waiting on a slow client at which a stream stops making more. */
const bufferedMax = 1_048_576

/**
 * One paid stream. It waits when credit runs out, goes on when a payment or tick arrives, and charges only what it delivered.
 * Each payment ends the one before it and takes over the stream.
 */
export class StreamSession {
  readonly #options: StreamOptions
  readonly #digest: Uint8Array
  /** Messages are taken one after the other, in the order they came. */
  #queue: Promise<void> = Promise.resolve()
  #attachment: (Attachment.Attachment & { readonly agreed: Terms }) | undefined
  #early: Checkpoint.SignedCheckpoint | undefined
  #held: Held | undefined
  #current: InProgress | undefined
  #pump: Promise<void> | undefined
  #wake: () => void = () => undefined
  #gone = false
  #ended = false

  constructor(options: StreamOptions) {
    this.#options = options
    this.#digest = requestDigest({ method: 'GET', target: options.target })
  }

  /** Takes a message of the client. Never rejects: what goes wrong is told to the client as a problem. */
  receive(message: Uint8Array): Promise<void> {
    this.#queue = this.#queue.then(() => this.#take(message)).catch((error: unknown) => this.#fail(error))
    return this.#queue
  }

  /** The client is gone: what was delivered is charged, the rest of its credit stays. */
  async leave(): Promise<void> {
    this.#gone = true
    this.#wake()
    await this.#queue
    await this.#pump
    await this.#settleLast().catch(() => undefined)
  }

  async #take(message: Uint8Array): Promise<void> {
    if (this.#gone) return
    const unsupported = assessVersion(message)
    if (unsupported !== undefined) return this.#refuse(unsupported)
    const [kind = 0] = message
    switch (kind) {
      case kinds.attachment: {
        const attachment = Attachment.parse(message)
        if (!attachment.ok) return this.#refuse(attachment)
        this.#attachment = attachment.value
        return
      }
      case kinds.checkpoint:
        return this.#takeCheckpoint(message)
      case kinds.payment:
        return this.#takePayment(message)
      case kinds.tick:
        return this.#takeTick(message)
      default:
        return this.#refuse(refuse('Malformed', 'a client sends attachments, checkpoints, payments and ticks'))
    }
  }

  async #takeCheckpoint(message: Uint8Array): Promise<void> {
    const checkpoint = Checkpoint.parse(message)
    if (!checkpoint.ok) return this.#refuse(checkpoint)
    if (this.#held === undefined) {
      this.#early = checkpoint.value
      return
    }
    const verdict = this.#options.till.checkpoint(this.#held, checkpoint.value)
    if (!verdict.ok) return this.#refuse(verdict)
    this.#continueAfter(verdict.durable)
    if (this.#ended) {
      await verdict.durable
      this.#state(0, 0n)
    }
  }

  async #takePayment(message: Uint8Array): Promise<void> {
    const { till } = this.#options
    const payment = Frame.parsePayment(message)
    if (!payment.ok) return this.#refuse(payment)
    const [checkpoint, attachment] = [this.#early, this.#attachment]
    const admission = await till.admit({ payment: { bytes: message, value: payment.value }, checkpoint, attachment })
    this.#early = undefined
    if (!admission.ok) return this.#refuse(admission)
    const { held, accepted } = admission
    if (this.#held !== undefined && this.#held !== held) {
      return this.#refuse(refuse('RequestMismatch', 'one stream is paid from one channel'))
    }
    if (!equal(accepted.digest, this.#digest)) {
      await till.write(held, { accepted, status: 'accepted', charged: 0n })
      return this.#refuse(refuse('RequestMismatch', `payment ${accepted.index} names another request than this stream`))
    }
    this.#held = held
    const reserved = Vendor.reserve(held.channel, accepted.index, 0n)
    if (!reserved.ok) return this.#refuse(reserved)
    const previous = this.#current
    // Replaced before the one before it is settled: a stream in progress always has a payment to charge.
    this.#current = { accepted, reservation: reserved.reservation }
    if (previous !== undefined) await this.#settle(held, previous)
    this.#continueAfter(till.write(held, { accepted, status: 'running', charged: 0n }))
    this.#pump ??= this.#deliver(held).catch((error: unknown) => this.#fail(error))
  }

  #takeTick(message: Uint8Array): void {
    const tick = Frame.parseTick(message)
    const held = this.#held
    const verdict = !tick.ok
      ? tick
      : held === undefined
        ? refuse('PaymentMissing', 'this stream has seen no payment yet')
        : this.#options.till.tick(held, { bytes: message, value: tick.value })
    if (verdict.ok) this.#continueAfter(verdict.durable)
    else this.#refuse(verdict)
  }

  /** Sends the source's units as far as what is paid is durable; ends when the source does or the client leaves. */
  async #deliver(held: Held): Promise<void> {
    const { route, params, socket } = this.#options
    const context: PaidContext = {
      payer: toHex(held.channel.channelId.subarray(0, 16)),
      index: this.#current!.accepted.index,
      params,
    }
    for await (const unit of route.source(context)) {
      await this.#untilPaid(held, route.price)
      if (this.#gone) return
      const { reservation } = this.#current!
      const set = Vendor.extend(held.channel, reservation, route.price)
      if (!set.ok) throw new Error(`credit vanished under a stream: ${set.detail}`)
      Vendor.charge(held.channel, reservation, route.price)
      socket.send(encodeDelivery(unit))
    }
    this.#ended = true
    await this.#settleLast()
    socket.send(encodeEnd())
  }

  async #untilPaid(held: Held, price: bigint): Promise<void> {
    const { channel } = held
    const { socket } = this.#options
    let told = false
    while (
      !this.#gone &&
      (held.durable - channel.spent - channel.reserved < price || socket.bufferedAmount > bufferedMax)
    ) {
      if (!told && socket.bufferedAmount <= bufferedMax) {
        this.#state(0, 0n)
        told = true
      }
      await this.#untilWoken(socket.bufferedAmount > bufferedMax ? 10 : undefined)
    }
  }

  /** Waits for news of payment, or at most `pollMs` where the socket's buffer is what is waited for. */
  #untilWoken(pollMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = pollMs === undefined ? undefined : setTimeout(resolve, pollMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #continueAfter(durable: Promise<void>): void {
    durable.then(
      () => this.#wake(),
      (error: unknown) => this.#fail(error),
    )
  }

  async #settleLast(): Promise<void> {
    const last = this.#current
    this.#current = undefined
    if (last !== undefined && this.#held !== undefined) await this.#settle(this.#held, last)
  }

  /** Ends a payment: its charge is final and durable, and its statement leaves. */
  async #settle(held: Held, { accepted, reservation }: InProgress): Promise<void> {
    Vendor.settle(held.channel, reservation)
    const { charged } = reservation
    await this.#options.till.write(held, { accepted, status: 'charged', charged })
    if (!this.#gone) this.#state(accepted.index, charged)
  }

  #state(index: number, charged: bigint): void {
    const { channel } = this.#held!
    this.#options.socket.send(Statement.encode(Vendor.statement(channel, index, charged), channel.macs.statement))
  }

  #refuse(refusal: Refusal | { readonly reason: ProblemReason; readonly detail: string }): void {
    this.#options.socket.send(encodeProblem(problemOf(refusal)))
    this.#options.socket.close(4000)
    this.#gone = true
    this.#wake()
  }

  #fail(error: unknown): void {
    if (this.#gone) return
    const detail = error instanceof Error ? error.name : 'the stream stopped'
    this.#refuse({ reason: 'HandlerFailed', detail })
  }
}
