import { equal, toHex } from '../crypto/bytes.ts'
import { assessVersion } from '../http/headers.ts'
import { parseInput } from '../http/input.ts'
import { type ProblemReason, problemOf } from '../http/problems.ts'
import { requestDigest } from '../http/requestDigest.ts'
import { encodeDelivery, encodeEnd, encodeProblem } from '../http/stream.ts'
import { refuse, Vendor } from '../protocol/index.ts'
import * as Attachment from '../wire/Attachment.ts'
import * as Checkpoint from '../wire/Checkpoint.ts'
import * as Frame from '../wire/Frame.ts'
import { kinds } from '../wire/kinds.ts'
import * as Statement from '../wire/Statement.ts'
import * as Terms from '../wire/Terms.ts'
import { EvictedError, StoreUnavailableError } from './errors.ts'
import { type Answered, assertCurrent, type Held, statementOf } from './held.ts'
import { problemAnswer, type Refused } from './responses.ts'
import type { StreamContext, StreamRoute } from './routes.ts'
import { StreamInput } from './streamInput.ts'
import type { Till } from './till.ts'

/** What a session needs of a WebSocket. */
interface StreamSocket {
  /** Tells when the message has left, or never will. */
  send(message: Uint8Array, left: () => void): void
  close(code: number): void
  /** Bytes handed over and not yet on the wire. */
  readonly bufferedAmount: number
  /** 1 while messages can be sent. */
  readonly readyState: number
}

export interface StreamOptions {
  readonly till: Till
  readonly route: StreamRoute
  readonly params: Readonly<Record<string, string>>
  /** The public address that the payments name. */
  readonly target: string
  readonly socket: StreamSocket
  /** Base units: the most that the client agrees to for a unit, where it says so. */
  readonly agreed?: bigint | undefined
  /** Told of what the source threw, and of a store that failed. */
  readonly onError: (error: unknown) => void
  /** Told of every problem that ends a stream. */
  readonly onProblem?: ((reason: ProblemReason) => void) | undefined
}

/** The payment that a stream runs on. */
interface Current {
  readonly accepted: Vendor.Accepted
  readonly reservation: Vendor.Reservation
  readonly answered: PromiseWithResolvers<Answered>
}

/** Bytes waiting on a slow client at which a stream stops making more. */
const bufferedMax = 65_536

/**
 * One paid stream. Each payment and each tick asks for one unit, so that streams and requests can share a channel without
 * taking each other's credit. The stream waits until a unit is asked for and its price is durable, and charges what it
 * delivered. Each payment ends the one before it and takes over the stream.
 */
export class StreamSession {
  readonly #options: StreamOptions
  readonly #digest: Uint8Array
  readonly #left = new AbortController()
  readonly #input = new StreamInput()
  /** Messages are taken one after the other, in the order they came. */
  #queue: Promise<void> = Promise.resolve()
  #attachment: (Attachment.Attachment & { readonly agreed: Terms.Terms }) | undefined
  #early: Checkpoint.SignedCheckpoint | undefined
  #held: Held | undefined
  #current: Current | undefined
  /** The end of the payments before. */
  #settling: Promise<void> = Promise.resolve()
  /** The source has been asked for its units. */
  #begun = false
  #wake: () => void = () => undefined
  /** Units asked for. */
  #asked = 0
  #delivered = 0
  /** Units asked for when the client was last told that its credit is not enough for the next one. */
  #told = -1
  /** The coin of the last frame: a tick that comes again asks for nothing. */
  #coin = { segment: 0, step: 0 }
  /** Nothing more is delivered. */
  #stopped = false
  /** The source has no more. */
  #ended = false

  constructor(options: StreamOptions) {
    this.#options = options
    this.#digest = requestDigest({ method: 'GET', target: options.target })
  }

  /** Takes a message of the client, none where it was text. Never rejects: what goes wrong is told to the client as a problem. */
  receive(message: Uint8Array | undefined): Promise<void> {
    this.#queue = this.#queue.then(() => this.#take(message)).catch((error: unknown) => this.#fail(error))
    return this.#queue
  }

  /** The time for its first payment is over: ends the stream where there was none. */
  lapse(): Promise<void> {
    const end = (): Promise<void> | void => {
      if (this.#held !== undefined) return undefined
      return this.#refuse({ reason: 'RequestTimeout', detail: 'no payment for this stream came in time' })
    }
    this.#queue = this.#queue.then(end).catch((error: unknown) => this.#fail(error))
    return this.#queue
  }

  /** The client is gone: what was delivered is charged, the rest of its credit stays. Rejects where that cannot be stored. */
  async leave(): Promise<void> {
    this.#stop()
    await this.#queue
    await this.#end()
  }

  #take(message: Uint8Array | undefined): Promise<void> | void {
    if (this.#stopped) return undefined
    if (message === undefined) return this.#refuse(refuse('Malformed', 'every message of a stream is binary'))
    const unsupported = assessVersion(message)
    if (unsupported !== undefined) return this.#refuse(unsupported)
    const [kind = 0] = message
    switch (kind) {
      case kinds.attachment:
        return this.#takeAttachment(message)
      case kinds.checkpoint:
        return this.#takeCheckpoint(message)
      case kinds.payment:
        return this.#takePayment(message)
      case kinds.tick:
        return this.#takeTick(message)
      case kinds.input:
        return this.#takeInput(message)
      default:
        return this.#refuse(refuse('Malformed', 'a client sends attachments, checkpoints, payments, ticks and input'))
    }
  }

  #takeAttachment(message: Uint8Array): Promise<void> | void {
    const attachment = Attachment.parse(message)
    if (!attachment.ok) return this.#refuse(attachment)
    this.#attachment = attachment.value
  }

  #takeCheckpoint(message: Uint8Array): Promise<void> | void {
    const checkpoint = Checkpoint.parse(message)
    if (!checkpoint.ok) return this.#refuse(checkpoint)
    if (this.#held === undefined) {
      this.#early = checkpoint.value
      return undefined
    }
    const verdict = this.#options.till.checkpoint(this.#held, checkpoint.value)
    if (!verdict.ok) return this.#turn(this.#held, verdict)
    const held = this.#held
    // Acknowledged once it is stored: until then its client sends it along.
    this.#continueAfter(verdict.durable.then(() => this.#state(held, 0, 0n)))
  }

  async #takePayment(message: Uint8Array): Promise<void> {
    const { till } = this.#options
    const payment = Frame.parsePayment(message)
    if (!payment.ok) return this.#refuse(payment)
    const [checkpoint, attachment] = [this.#early, this.#attachment]
    this.#early = undefined
    const admission = await till.admit({ payment: { bytes: message, value: payment.value }, checkpoint, attachment })
    if (!admission.ok) return this.#refuse(admission)
    const { held, accepted } = admission
    const reserved = this.#assess(held, accepted) ?? Vendor.reserve(held.channel, accepted.index, 0n)
    if (!reserved.ok) {
      await admission.durable
      return this.#refuse(reserved)
    }
    const isOver = this.#stopped || this.#ended
    const previous = this.#begin(held, message, { accepted, reservation: reserved.reservation })
    if (previous !== undefined) this.#settle(held, previous)
    this.#coin = payment.value
    const running = till.write(held, { accepted, status: 'running', charged: 0n })
    this.#askAfter(running)
    // The source too starts once that is stored: the node that has the channel by now may have run it already.
    if (!this.#begun && !isOver) this.#continueAfter(running.then(() => this.#deliver(held, accepted.index)))
    this.#begun = true
    if (isOver) await this.#end()
  }

  #assess(held: Held, accepted: Vendor.Accepted): ReturnType<typeof refuse> | undefined {
    if (this.#held !== undefined && this.#held !== held) {
      assertCurrent(this.#held)
      return refuse('RequestMismatch', 'one stream is paid from one channel')
    }
    if (!equal(accepted.digest, this.#digest)) {
      return refuse('RequestMismatch', `payment ${accepted.index} names another request than this stream`)
    }
    const { agreed, route } = this.#options
    if (agreed === undefined || route.price <= agreed) return undefined
    return refuse('CreditTooLow', `a unit costs ${route.price}; its client agrees to ${agreed}`)
  }

  #takeTick(message: Uint8Array): Promise<void> | void {
    const tick = Frame.parseTick(message)
    if (!tick.ok) return this.#refuse(tick)
    if (this.#held === undefined) {
      return this.#refuse(refuse('PaymentMissing', 'this stream has seen no payment yet'))
    }
    const verdict = this.#options.till.tick(this.#held, { bytes: message, value: tick.value })
    if (!verdict.ok) return this.#turn(this.#held, verdict)
    const { segment, step } = this.#coin
    const isNew = tick.value.segment > segment || (tick.value.segment === segment && tick.value.step > step)
    if (!isNew) return this.#continueAfter(verdict.durable)
    this.#coin = tick.value
    this.#askAfter(verdict.durable)
  }

  /** Hands on what the client says. It waits for the source, payments do not: what is too much for that ends the stream. */
  #takeInput(message: Uint8Array): Promise<void> | void {
    if (this.#held === undefined) {
      return this.#refuse(refuse('PaymentMissing', 'this stream has seen no payment yet'))
    }
    const input = parseInput(message)
    if (!input.ok) return this.#refuse(input)
    if (this.#input.push(input.value)) return undefined
    return this.#refuse({ reason: 'BodyTooLarge', detail: 'more input than this stream keeps until it is read' })
  }

  /** Sends the source's units as they are asked for and durably paid; ends when the source does or the client leaves. */
  async #deliver(held: Held, index: number): Promise<void> {
    if (this.#stopped) return
    const { route, params, target, socket } = this.#options
    const context: StreamContext = {
      url: target,
      payer: toHex(Terms.reference(held.channel.channelId)),
      index,
      params,
      signal: this.#left.signal,
      input: this.#input.said,
    }
    for await (const unit of route.source(context)) {
      this.#told = -1
      // Asked again after each wait: another stream of the channel may have been quicker.
      while (!this.#mayDeliver(held)) await this.#untilWoken(held)
      if (this.#stopped) return
      const { reservation } = this.#current!
      const set = Vendor.extend(held.channel, reservation, route.price)
      if (!set.ok) return this.#refuse(set)
      Vendor.charge(held.channel, reservation, route.price)
      this.#delivered += 1
      socket.send(encodeDelivery(unit), () => this.#wake())
    }
    if (this.#stopped) return
    this.#ended = true
    await this.#end()
    this.#send(encodeEnd())
  }

  /** Whether the next unit may be delivered now, or none any more. Tells the client where what it paid is not enough. */
  #mayDeliver(held: Held): boolean {
    const { route, socket } = this.#options
    const { channel, durable } = held
    if (socket.readyState !== isOpen) this.#stop()
    if (this.#stopped) return true
    assertCurrent(held)
    // The channel was claimed: nothing more can be set aside, which ends the stream.
    if (channel.phase !== 'open') return true
    const isFull = socket.bufferedAmount > bufferedMax
    const isAsked = this.#delivered < this.#asked
    const isPaid = durable.paid - channel.spent - channel.reserved >= route.price
    if (!isFull && isAsked && isPaid) return true
    if (isAsked && this.#told !== this.#asked && Vendor.credit(channel) < route.price) {
      this.#told = this.#asked
      this.#state(held, 0, 0n)
    }
    return false
  }

  /** Until something happens on this stream, or to what its channel has. */
  async #untilWoken({ waiting }: Held): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    waiting.add(resolve)
    await promise
    waiting.delete(resolve)
  }

  /** A unit is asked for once that is stored: a node that lost the channel finds out before it delivers. */
  #askAfter(durable: Promise<void>): void {
    const asked = durable.then(() => {
      this.#asked += 1
    })
    this.#continueAfter(asked)
  }

  #continueAfter(durable: Promise<void>): void {
    durable.then(
      () => this.#wake(),
      (error: unknown) => this.#fail(error),
    )
  }

  /** Makes a payment the one that the stream runs on, and gives the one before it. */
  #begin(held: Held, frame: Uint8Array, begun: Omit<Current, 'answered'>): Current | undefined {
    const previous = this.#current
    const answered = Promise.withResolvers<Answered>()
    // Only who resends the payment meanwhile waits for it.
    answered.promise.catch(() => undefined)
    this.#held = held
    this.#current = { ...begun, answered }
    held.running.set(begun.accepted.index, { digest: this.#digest, frame, answered: answered.promise })
    return previous
  }

  /** Ends the payment in progress, and resolves when all charges of the stream are durable. */
  async #end(): Promise<void> {
    const current = this.#current
    this.#current = undefined
    if (current !== undefined) this.#settle(this.#held!, current)
    await this.#settling
  }

  /** Ends a payment: its charge is final; once that is durable, its statement leaves. */
  #settle(held: Held, current: Current): void {
    Vendor.settle(held.channel, current.reservation)
    const settling = this.#store(held, current)
    this.#settling = Promise.all([this.#settling, settling]).then(() => undefined)
    this.#settling.catch((error: unknown) => this.#fail(error))
  }

  async #store(held: Held, { accepted, reservation, answered }: Current): Promise<void> {
    const { index } = accepted
    const { charged } = reservation
    try {
      await this.#options.till.write(held, { accepted, status: charged > 0n ? 'charged' : 'released', charged })
      const answer = problemAnswer({ reason: 'AnswerGone', detail: `payment ${index} paid for a stream` })
      answered.resolve({ answer, statement: statementOf(held, index, charged) })
      this.#state(held, index, charged)
    } catch (error) {
      answered.reject(error)
      throw error
    } finally {
      held.running.delete(index)
    }
  }

  #state(held: Held, index: number, charged: bigint): void {
    this.#send(Statement.encode(statementOf(held, index, charged), held.channel.macs.statement))
  }

  #send(message: Uint8Array): void {
    // What waits for room on the connection waits for this too, whatever was sent last.
    this.#options.socket.send(message, () => this.#wake())
  }

  #stop(): void {
    this.#stopped = true
    this.#left.abort()
    this.#input.end()
    this.#wake()
  }

  async #turn(held: Held, refusal: Refused): Promise<void> {
    await this.#options.till.confirm(held)
    return this.#refuse(refusal)
  }

  /** Ends the stream: what was delivered is charged and stated, then the problem is the last message. */
  async #refuse(refusal: Refused): Promise<void> {
    if (this.#stopped) return
    this.#stop()
    await this.#end().catch(this.#options.onError)
    this.#options.onProblem?.(refusal.reason)
    this.#send(encodeProblem(problemOf(refusal)))
    this.#options.socket.close(4000)
  }

  #fail(error: unknown): Promise<void> | void {
    if (this.#stopped) return undefined
    this.#options.onError(error)
    const isStore = error instanceof EvictedError || error instanceof StoreUnavailableError
    return this.#refuse(
      isStore
        ? { reason: 'StoreUnavailable', detail: 'the vendor cannot reach its store' }
        : { reason: 'HandlerFailed', detail: 'the stream failed' },
    )
  }
}

/** `WebSocket.OPEN`. */
const isOpen = 1
