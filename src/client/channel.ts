import { sha256 } from '../crypto/hash.ts'
import { companionHeaders, headerNames, parseStatementHeader, paymentHeaders } from '../http/headers.ts'
import { managementPaths, parseReleased, releasedSizeMax } from '../http/management.ts'
import { contentDigest, requestDigest } from '../http/requestDigest.ts'
import { Client, type Refusal, refuse } from '../protocol/index.ts'
import * as Attachment from '../wire/Attachment.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import * as Closing from '../wire/Closing.ts'
import * as Frame from '../wire/Frame.ts'
import * as Statement from '../wire/Statement.ts'
import * as Terms from '../wire/Terms.ts'
import type { BankOfChannel } from './bank.ts'
import { boughtFrom } from './bought.ts'
import { type Closable, type Closed, close, settle } from './ending.ts'
import { JournalError, RefusedError, UnansweredError } from './errors.ts'
import { type Gathered, GroupedCommits } from './groupedCommits.ts'
import type { Answered, Bought, Journal, Outcome, StoredPayment, Today } from './journal/contract.ts'
import { type Fetch, failureOf, post, reach, withTimeout } from './remote.ts'
import { stateOf } from './restore.ts'
import { Silence } from './silence.ts'
import { type StreamOptions, stream } from './stream.ts'
import { whenRead } from './whenRead.ts'

export interface ChannelOptions {
  readonly journal: Journal
  readonly fetch: Fetch
  /** Seconds since 1970, as the bank has them. */
  readonly now: () => UnixSeconds
  readonly vendorUrl: string
  readonly bank: BankOfChannel
  /** The bank's answer, as the journal keeps it. */
  readonly opened: Uint8Array
  /** How often a request is sent whose response does not come. */
  readonly attempts: number
  /** What the vendor may take to answer anything but a paid request. */
  readonly timeoutMs: number
  readonly onTraffic: OnTraffic
  /** Of silence, after which a checkpoint is due. */
  readonly silenceMs: number
  /** The channel comes from the journal: before it pays, it asks the vendor how it stands. */
  readonly restored?: boolean
  readonly closing?: Uint8Array | undefined
  readonly release?: Uint8Array | undefined
  readonly today?: Today | undefined
}

/** What a caller has to say about a payment that is made for it. */
export interface PayHooks {
  /** Asked in the very turn in which it is signed: what is refused here reveals nothing. `more` is what it reveals at most. */
  readonly assess?: (more: bigint) => Refusal | undefined
  /** Told that a request is sent again, as it was. */
  readonly onRetry?: (index: number, cause: unknown) => void
}

/** A response, and what the vendor says it charged for it: `undefined` where it said nothing. */
export interface PaidResponse {
  readonly response: Response
  readonly index: number
  readonly charged: bigint | undefined
  /** For an answer that is charged by what comes of it: resolves to the same, once its body has ended. */
  readonly settling?: Promise<bigint | undefined>
}

/** Told of every message of the protocol that a channel sent or received: bytes as they travel, header names included. */
export type OnTraffic = (direction: 'sent' | 'received', bytes: number) => void

/** An open channel that pays one vendor. Requests may run in parallel; each is paid once, however often it is sent. */
export class PayingChannel implements Closable {
  isDelivered = false
  readonly #channel: Client.ClientChannel
  readonly #options: ChannelOptions
  readonly #ask: Fetch
  /** Whether the vendor has shown that it knows the channel. */
  #attached: boolean
  #kept: Closable['kept']
  #today: Today
  readonly #silence: Silence
  readonly #commits = new GroupedCommits((gathered) => this.#commit(gathered))
  /** Payments that no answer is waited for any more, and none has come. */
  readonly #unanswered = new Set<number>()
  /** Whether the vendor has to be asked how the channel stands. */
  #behind: boolean
  #catchingUp: Promise<void> | undefined
  #broken: JournalError | undefined
  #outcome: Outcome | undefined

  constructor(channel: Client.ClientChannel, options: ChannelOptions) {
    this.#channel = channel
    this.#options = options
    this.#ask = withTimeout(options.fetch, options.timeoutMs)
    this.#attached = channel.acknowledged > 0n
    this.#kept = { closing: options.closing, release: options.release }
    this.#today = options.today ?? { day: 0n, before: 0n }
    this.#behind = options.restored === true && channel.index > 0
    // Where it does not arrive it rides along with the next payment; a journal that failed says so at the next one.
    this.#silence = new Silence(options.silenceMs, () => void this.rest().catch(() => undefined))
  }

  /** What the channel stands at, for reading. */
  get state(): Readonly<Client.ClientChannel> {
    return this.#channel
  }

  /** Where the vendor is reached. */
  get vendorUrl(): string {
    return this.#options.vendorUrl
  }

  /** Whether the client has answered the vendor's closing: the channel pays nothing any more. */
  get isReleased(): boolean {
    return this.#kept.closing !== undefined || this.#outcome !== undefined
  }

  /** Base units revealed on this day, in days since 1970. A clock that went back does not make it less. */
  paidOn(day: bigint): bigint {
    return this.#today.day >= day ? this.#channel.paid - this.#today.before : 0n
  }

  /** Its journal failed: it has to be opened from it again. */
  get isBroken(): boolean {
    return this.#broken !== undefined
  }

  /**
   * Pays `price` for a request and gives its response. A response that is lost is asked for again with the same bytes, and
   * the vendor charges and runs the request once.
   *
   * Throws {@link RefusedError} before anything is sent where the channel cannot pay, and where the vendor charges more than
   * `price`; {@link UnansweredError} when no response came. A vendor's own refusal is the response.
   */
  async fetch(url: string, price: bigint, init: RequestInit = {}): Promise<Response> {
    return (await this.buy(url, price, init)).response
  }

  /** The same, with what was charged. */
  async buy(url: string, price: bigint, init: RequestInit = {}, hooks: PayHooks = {}): Promise<PaidResponse> {
    const request = new Request(url, { ...init, redirect: 'manual' })
    const body = new Uint8Array(await request.arrayBuffer())
    const digest = requestDigest({
      method: request.method,
      target: request.url,
      contentDigest: body.length === 0 ? undefined : contentDigest(sha256(body)),
    })
    const payment = await this.pay(price, digest, { ...hooks, bought: boughtFrom(request.method, request.url) })
    const carried = { ...this.#headersOf(payment), ...priceHeader(this.#channel, payment.index, price) }
    const { method, headers } = request
    for (const [name, value] of Object.entries(carried)) headers.set(name, value)
    const sent = { ...init, method, headers, redirect: 'manual' as const, ...(body.length > 0 && { body }) }
    const { index } = payment
    let isStreamed = false
    try {
      const onRetry = (cause: unknown): void => hooks.onRetry?.(index, cause)
      const response = await this.#send(url, sent, headerBytes(carried), onRetry)
      const statement = await this.#acknowledgeIn(response)
      isStreamed = response.ok && response.body !== null && statement?.index === 0
      if (!isStreamed) return { response, index, charged: statement?.index === index ? statement.charged : undefined }
      const { promise: settling, resolve } = Promise.withResolvers<bigint | undefined>()
      const settle = async (): Promise<void> => resolve(await this.askCharge(payment))
      return { response: whenRead(response, settle), index, charged: undefined, settling }
    } finally {
      if (!isStreamed) this.abandon([index])
    }
  }

  /** Pays unit by unit for a stream and gives what is delivered. */
  stream(url: string, options: StreamOptions): AsyncGenerator<Uint8Array, void> {
    return stream(this, url, options)
  }

  /**
   * Asks the vendor to state its last and answers with the release: every receipt opens. The channel pays nothing afterwards;
   * the vendor claims from the bank, which gives back the rest. Where the vendor is away, or does not take the release, the
   * bank keeps it. Calling this again after any failure is safe.
   */
  close(): Promise<Closed> {
    return close(this)
  }

  /** What became of the channel at its bank; `undefined` while it is open. Does what is due there. Safe to repeat. */
  async settle(): Promise<Outcome | undefined> {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#outcome !== undefined) return this.#outcome
    const outcome = await settle(this, this.#options.now())
    if (outcome === undefined) return undefined
    this.#channel.frozen ??= 'the channel has ended at its bank'
    this.#silence.stop()
    await this.#commits.flush()
    this.#outcome = outcome
    try {
      await this.#options.journal.end(this.#channel.channelId, outcome)
    } catch (cause) {
      this.#outcome = undefined
      throw cause
    }
    return outcome
  }

  /** Asks the vendor where the channel stands, and takes its answer in. */
  refresh(): Promise<Statement.Statement> {
    return this.#stated()
  }

  async #stated(checkpoint?: Uint8Array): Promise<Statement.Statement> {
    const bytes = await this.#question('statement', Statement.size, { checkpoint })
    const statement = Statement.parse(bytes, this.#channel.macs.statement)
    if (!statement.ok) throw new RefusedError(statement)
    await this.acknowledge(statement.value)
    return statement.value
  }

  /**
   * After a silence: signs a checkpoint over what was paid since the last one, where the vendor knows the channel, and sends it
   * along with a question.
   */
  async rest(): Promise<void> {
    const { index, segment, frozen, checkpoint: waiting } = this.#channel
    if (!this.#attached || frozen !== undefined) return
    const isDue = index > segment.index || segment.step > 0
    const checkpoint = isDue ? await this.checkpoint() : waiting
    if (checkpoint === undefined) return
    // A payment under way may have made the one that waits: it does not leave before it is stored.
    if (!isDue) await this.save()
    await this.#stated(checkpoint)
  }

  /** Resends, as they were, the payments that the vendor misses and those it has not answered; gives how many. */
  async resend(): Promise<number> {
    const contiguous = await this.#contiguous()
    const { journal } = this.#options
    const due = (await journal.payments(this.#channel.channelId)).filter(
      ({ index }) => index > contiguous || this.#unanswered.has(index),
    )
    for (const payment of due) await this.#resendOne(payment)
    return due.length
  }

  // What its end needs of a channel.

  /** Where the channel ends if its vendor does not end it. */
  get bank(): BankOfChannel {
    return this.#options.bank
  }

  get kept(): Closable['kept'] {
    return this.#kept
  }

  get isOver(): boolean {
    const { frozen, terms } = this.#channel
    return frozen !== undefined || this.#options.now() >= terms.expiresAt
  }

  /** Asks for the closing, more than once where a stream that was left has not ended yet on the other side. */
  async askClosing(): Promise<Uint8Array> {
    if (this.#broken !== undefined) throw this.#broken
    // The vendor states its last over what it has: it gets everything first.
    if (this.#channel.frozen === undefined) await this.resend()
    for (let attempt = 1; ; attempt++) {
      try {
        // A vendor that never met the channel can close it all the same.
        return await this.#question('closing', Closing.size, {
          attachment: this.#attached ? undefined : this.attachment,
        })
      } catch (error) {
        const isRunning = error instanceof RefusedError && error.reason === 'RequestsRunning'
        if (!isRunning || attempt === closingAttempts) throw error
        await pause(busyMs)
      }
    }
  }

  /** The release for this closing, made once and kept before it leaves; none where nothing was paid. */
  readonly answer = async (bytes: Uint8Array): Promise<Uint8Array | undefined> => {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#kept.closing !== undefined) {
      // Also where another call made it a moment ago: it does not leave before it is stored.
      await this.save()
      return this.#kept.release
    }
    const closing = Closing.parse(bytes)
    if (!closing.ok) throw new RefusedError(closing)
    const answered = Client.answer(this.#channel, closing.value)
    if (!answered.ok) throw new RefusedError(answered)
    this.#silence.stop()
    this.#kept = { closing: bytes, release: answered.release }
    await this.save()
    return answered.release
  }

  async giveRelease(release: Uint8Array): Promise<number> {
    const url = this.#at(managementPaths.release)
    const released = parseReleased(new TextDecoder().decode(await post(this.#ask, url, release, releasedSizeMax)))
    if (!released.ok) throw new UnansweredError(`${url} cannot be read: ${released.detail}`)
    return released.value.receiptsOpened
  }

  // What a stream needs of its channel.

  /** What shows the channel to a vendor that has not met it. */
  get attachment(): Uint8Array {
    return Attachment.encode(this.#channel.attachment)
  }

  /** Told of every message. */
  get onTraffic(): OnTraffic {
    return this.#options.onTraffic
  }

  /** As the channel was told. */
  get now(): UnixSeconds {
    return this.#options.now()
  }

  /** What its requests travel over. */
  get sender(): Fetch {
    return this.#options.fetch
  }

  /** Makes a payment and stores it. `previous` names the payment of a stream that it takes over from. */
  async pay(
    price: bigint,
    digest: Uint8Array,
    details: PayHooks & { readonly previous?: number | undefined; readonly bought?: Bought } = {},
  ): Promise<Client.Paid> {
    const { previous, bought, assess } = details
    if (previous === undefined && this.#behind) await this.#catchUp()
    if (this.#broken !== undefined) throw this.#broken
    this.#assess(price, assess)
    const purchase = { price, digest, now: this.#options.now() }
    const paid =
      previous === undefined ? Client.pay(this.#channel, purchase) : Client.renew(this.#channel, previous, purchase)
    if (!paid.ok) throw new RefusedError(paid)
    this.#silence.touch()
    // Store before sending: a crash between the two must not sign a second Tx for this index.
    await this.save({ ...paid.payment, price, bought })
    return paid.payment
  }

  /** Pays one more unit of payment `index` with coins alone, and stores that: a revealed coin counts as spent. */
  async tick(
    index: number,
    units: number,
    assess?: PayHooks['assess'],
  ): Promise<{ frame: Uint8Array; checkpoint: Uint8Array | undefined }> {
    if (this.#broken !== undefined) throw this.#broken
    const price = BigInt(units) * this.#channel.segment.unitPrice
    this.#assess(price + Client.credit(this.#channel), assess)
    const tick = Client.tick(this.#channel, { index, units, now: this.#options.now() })
    if (!tick.ok) throw new RefusedError(tick)
    this.#silence.touch()
    await this.save()
    return tick
  }

  /** Signs and stores a checkpoint over all so far; none where nothing more is signed. */
  async checkpoint(): Promise<Uint8Array | undefined> {
    if (this.#broken !== undefined) throw this.#broken
    const made = Client.checkpoint(this.#channel)
    if (!made.ok) return undefined
    await this.save()
    return made.checkpoint
  }

  /** Takes a statement in, and stores what it says; throws where the vendor claims more than was agreed. */
  async acknowledge(statement: Statement.Statement): Promise<void> {
    await (await this.hear(statement)).stored
  }

  /** The same for who need not wait until it is stored: a vendor that is asked again states it again. */
  async hear(statement: Statement.Statement): Promise<{ readonly stored: Promise<void> }> {
    this.#attached = true
    if (statement.contiguous > this.#channel.index) {
      const made = `${this.#channel.index} were made here`
      await this.dispute(`the vendor has ${statement.contiguous} payments; ${made}: this journal is an old copy`)
    }
    const verdict = Client.acknowledge(this.#channel, statement)
    this.#unanswered.delete(statement.index)
    // A channel that is ahead of its journal is opened from it again, and hears this from the vendor once more.
    const isAnswer = statement.index > 0
    const stored =
      this.#broken === undefined ? this.save(undefined, isAnswer ? statement : undefined) : Promise.resolve()
    if (verdict.ok) return { stored }
    await stored
    throw new RefusedError(verdict)
  }

  /** Signs nothing more on this channel, for this reason, and throws it. */
  async dispute(detail: string): Promise<never> {
    this.#channel.frozen ??= detail
    await this.save()
    throw new RefusedError(refuse('ClosingDisputed', detail))
  }

  /** Nobody waits for the answers of these payments any more: the vendor is asked for those that have not come. */
  abandon(indices: Iterable<number>): void {
    for (const index of indices) {
      if (!this.#channel.outstanding.has(index)) continue
      this.#unanswered.add(index)
      this.#behind = true
    }
  }

  /** Stores the channel as it is, with a payment where one was made, and what one was charged. */
  async save(payment?: StoredPayment, answered?: Answered): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken
    // Its journal has the last of it.
    if (this.#outcome !== undefined) return
    await this.#commits.save(payment, answered && { index: answered.index, charged: answered.charged })
  }

  /** Stores the channel as it is when its turn comes. */
  async #commit({ payments, answered }: Gathered): Promise<void> {
    // Where what came before it failed, what builds on that does not leave.
    if (this.#broken !== undefined) throw this.#broken
    if (this.#outcome !== undefined && payments.length === 0) return
    const { journal, opened } = this.#options
    try {
      const state = stateOf(this.#channel, { opened, ...this.#kept, today: this.#today })
      await journal.commit(this.#channel.channelId, state, payments, answered)
    } catch (cause) {
      this.#broken = new JournalError('the journal failed: open the channel from it again', { cause })
      throw this.#broken
    }
  }

  /** The last word before a signature: the day it counts for, and whether its caller may spend that much. */
  #assess(price: bigint, assess: PayHooks['assess']): void {
    const { paid } = this.#channel
    const day = this.#options.now() / secondsOfDay
    if (day > this.#today.day) this.#today = { day, before: paid }
    const refusal = assess?.(Client.revealedBy(this.#channel, price))
    if (refusal !== undefined) throw new RefusedError(refusal)
  }

  async #send(url: string, init: RequestInit, bytes: number, onRetry: (cause: unknown) => void): Promise<Response> {
    let failure: unknown
    for (let attempt = 1; attempt <= this.#options.attempts; attempt++) {
      try {
        this.onTraffic('sent', bytes)
        const response = await this.#options.fetch(url, init)
        if (attempt === this.#options.attempts || !isBusy(response)) return response
        await response.body?.cancel()
        onRetry(`${response.status}: ${url} could not store the payment`)
        await pause(busyMs * attempt)
      } catch (error) {
        // No response: whether the request arrived is unknown, and sending it again is safe.
        failure = error
        if (init.signal?.aborted === true) break
        if (attempt < this.#options.attempts) onRetry(error)
      }
    }
    throw new UnansweredError(`${url} gave no response in ${this.#options.attempts} attempts`, { cause: failure })
  }

  /** Takes in the statement that a response brings, and gives it where it brings one. */
  async #acknowledgeIn(response: Response): Promise<Statement.Statement | undefined> {
    const statement = parseStatementHeader(response.headers, this.#channel.macs.statement)
    if (statement === undefined) return undefined
    this.onTraffic('received', headerBytes({ [headerNames.statement]: response.headers.get(headerNames.statement)! }))
    if (!statement.ok) throw new RefusedError(statement)
    await this.acknowledge(statement.value)
    return statement.value
  }

  /** Once for all payments that wait for it. */
  async #catchUp(): Promise<void> {
    this.#catchingUp ??= this.resend()
      .then(() => {
        this.#behind = false
      })
      .finally(() => {
        this.#catchingUp = undefined
      })
    await this.#catchingUp
  }

  /** Up to which payment the vendor misses none. One that does not know the channel misses all. */
  async #contiguous(): Promise<number> {
    try {
      return (await this.refresh()).contiguous
    } catch (error) {
      if (error instanceof RefusedError && error.reason === 'ChannelUnknown') return 0
      throw error
    }
  }

  /** What a payment was charged whose answer has ended. Where its vendor does not say, it is asked again before the next one. */
  async askCharge(payment: Client.Paid, timeoutMs?: number): Promise<bigint | undefined> {
    try {
      const statement = await this.#resendOne(payment, timeoutMs)
      if (statement?.index === payment.index) return statement.charged
    } catch {
      // The answer was had: what it cost is found out later, as after a restart.
    }
    this.abandon([payment.index])
    return undefined
  }

  async #resendOne(
    payment: Pick<StoredPayment, 'index' | 'frame' | 'checkpoint'>,
    timeoutMs: number = this.#options.timeoutMs,
  ): Promise<Statement.Statement | undefined> {
    const url = this.#at(managementPaths.resend)
    const headers = this.#headersOf(payment)
    this.onTraffic('sent', headerBytes(headers))
    const ask = withTimeout(this.#options.fetch, timeoutMs)
    const response = await reach(ask, url, { method: 'POST', headers })
    // Whatever it answers, it has: what it says of a payment for good is not asked for again.
    if (!isBusy(response)) this.#unanswered.delete(payment.index)
    const statement = await this.#acknowledgeIn(response)
    if (!response.ok && statement === undefined) throw await failureOf(response, url)
    await response.body?.cancel()
    return statement
  }

  #question(
    ask: Frame.Ask['ask'],
    sizeMax: number,
    along: Parameters<typeof companionHeaders>[0],
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { channelId, macs } = this.#channel
    const question = Frame.encodeAsk({ reference: Terms.reference(channelId), ask }, macs.frame)
    return post(this.#ask, this.#at(managementPaths.ask), question, sizeMax, companionHeaders(along))
  }

  #headersOf({ frame, checkpoint }: Pick<StoredPayment, 'frame' | 'checkpoint'>): Record<string, string> {
    return paymentHeaders({ frame, checkpoint, attachment: this.#attached ? undefined : this.attachment })
  }

  #at(path: string): string {
    return new URL(path, this.#options.vendorUrl).href
  }
}

/**
 * What a request may cost, where the channel has more to take it from than its own payment. Without it a vendor whose price has
 * risen would take the rest from there, and that is more than was agreed.
 */
function priceHeader(channel: Client.ClientChannel, index: number, price: bigint): Record<string, string> {
  const isAlone = channel.outstanding.size === 1 && channel.outstanding.has(index)
  return isAlone && Client.credit(channel) === 0n ? {} : { [headerNames.price]: price.toString() }
}

/** A vendor that could not store the payment: nothing happened, and the same bytes may be sent again. */
function isBusy(response: Response): boolean {
  return response.status === 503 && !response.headers.has(headerNames.statement)
}

const secondsOfDay = 86_400n

const busyMs = 100
const closingAttempts = 20

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** As HTTP/1.1 writes them: name, colon, space, value, line end. */
function headerBytes(headers: Readonly<Record<string, string>>): number {
  return Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
}
