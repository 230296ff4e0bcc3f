import { sha256 } from '../crypto/hash.ts'
import { headerNames, parseStatementHeader, paymentHeaders } from '../http/headers.ts'
import { contentDigest, requestDigest } from '../http/requestDigest.ts'
import { Client } from '../protocol/index.ts'
import * as Attachment from '../wire/Attachment.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import * as Closing from '../wire/Closing.ts'
import * as Frame from '../wire/Frame.ts'
import * as Statement from '../wire/Statement.ts'
import * as Terms from '../wire/Terms.ts'
import { RefusedError, UnansweredError } from './errors.ts'
import type { Journal } from './journal/contract.ts'
import { type Fetch, post } from './remote.ts'
import { stateOf } from './restore.ts'
import { type StreamOptions, stream } from './stream.ts'

export interface ChannelOptions {
  readonly journal: Journal
  readonly fetch: Fetch
  readonly now: () => UnixSeconds
  readonly vendorUrl: string
  /** The bank's answer, as the journal keeps it. */
  readonly opened: Uint8Array
  /** How often a request is sent whose response does not come. */
  readonly attempts: number
  readonly onTraffic: OnTraffic
}

/** Told of every message of the protocol that a channel sent or received: bytes as they travel, header names included. */
export type OnTraffic = (direction: 'sent' | 'received', bytes: number) => void

/** An open channel that pays one vendor. Requests may run in parallel; each is paid once, however often it is sent. */
export class PayingChannel {
  readonly #channel: Client.ClientChannel
  readonly #options: ChannelOptions
  /** Whether the vendor has shown that it knows the channel. */
  #attached: boolean
  #kept: { closing?: Uint8Array; release?: Uint8Array } = {}

  constructor(channel: Client.ClientChannel, options: ChannelOptions) {
    this.#channel = channel
    this.#options = options
    this.#attached = channel.acknowledged > 0n
  }

  /** What the channel stands at, for reading. */
  get state(): Readonly<Client.ClientChannel> {
    return this.#channel
  }

  get vendorUrl(): string {
    return this.#options.vendorUrl
  }

  /**
   * Pays `price` for a request and gives its response. A response that is lost is asked for again with the same bytes, and
   * the vendor charges and runs the request once.
   *
   * Throws {@link RefusedError} before anything is sent where the channel cannot pay, and where the vendor charges more than
   * `price`; {@link UnansweredError} when no response came. A vendor's own refusal is the response.
   */
  async fetch(url: string, price: bigint, init: RequestInit = {}): Promise<Response> {
    const request = new Request(url, { ...init, redirect: 'manual' })
    const body = new Uint8Array(await request.arrayBuffer())
    const digest = requestDigest({
      method: request.method,
      target: request.url,
      contentDigest: body.length === 0 ? undefined : contentDigest(sha256(body)),
    })
    const payment = await this.pay(price, digest)
    const attachment = this.#attached ? undefined : this.attachment
    const { frame, checkpoint } = payment
    const carried = paymentHeaders({ frame, checkpoint, attachment })
    const { method, headers } = request
    for (const [name, value] of Object.entries(carried)) headers.set(name, value)
    const sent = { ...init, method, headers, redirect: 'manual' as const, ...(body.length > 0 && { body }) }
    const response = await this.#send(url, sent, headerBytes(carried))
    await this.#acknowledgeIn(response)
    return response
  }

  /** Pays unit by unit for a stream and gives what is delivered. */
  stream(url: string, options: StreamOptions): AsyncGenerator<Uint8Array, void> {
    return stream(this, url, options)
  }

  /**
   * Asks the vendor to state its last and answers with the release: every receipt opens. The channel pays nothing afterwards;
   * the vendor claims from the bank, which gives back the rest.
   */
  async close(): Promise<{ readonly closing: Closing.Closing; readonly receiptsOpened: number }> {
    const bytes = await this.#ask('closing', Closing.size)
    const closing = Closing.parse(bytes)
    if (!closing.ok) throw new RefusedError(closing)
    const released = Client.release(this.#channel, closing.value)
    if (!released.ok) throw new RefusedError(released)
    this.#kept = { closing: bytes, release: released.release }
    await this.save()
    const { fetch, vendorUrl } = this.#options
    const answer = await post(fetch, new URL('/lockstep/release', vendorUrl).href, released.release, 4096)
    const { receiptsOpened } = JSON.parse(new TextDecoder().decode(answer)) as { receiptsOpened: number }
    return { closing: closing.value, receiptsOpened }
  }

  /** Asks the vendor where the channel stands, and takes its answer in. */
  async refresh(): Promise<Statement.Statement> {
    const bytes = await this.#ask('statement', Statement.size)
    const statement = Statement.parse(bytes, this.#channel.macs.statement)
    if (!statement.ok) throw new RefusedError(statement)
    await this.acknowledge(statement.value)
    return statement.value
  }

  // What a stream needs of its channel.

  get attachment(): Uint8Array {
    return Attachment.encode(this.#channel.attachment)
  }

  get onTraffic(): OnTraffic {
    return this.#options.onTraffic
  }

  get now(): UnixSeconds {
    return this.#options.now()
  }

  /** Makes a payment and stores it. `previous` names the payment of a stream that it takes over from. */
  async pay(price: bigint, digest: Uint8Array, previous?: number): Promise<Client.Paid> {
    const purchase = { price, digest, now: this.#options.now() }
    const paid =
      previous === undefined ? Client.pay(this.#channel, purchase) : Client.renew(this.#channel, previous, purchase)
    if (!paid.ok) throw new RefusedError(paid)
    // Store before sending: a crash between the two must not sign a second Tx for this index.
    await this.save({ ...paid.payment, price })
    return paid.payment
  }

  /** Takes a statement in; throws where the vendor claims more than was agreed. */
  async acknowledge(statement: Statement.Statement): Promise<void> {
    this.#attached = true
    const verdict = Client.acknowledge(this.#channel, statement)
    await this.save()
    if (!verdict.ok) throw new RefusedError(verdict)
  }

  /** Stores the channel as it is, with a payment where one was made. */
  save(payment?: Client.Paid & { readonly price: bigint }): Promise<void> {
    const { journal, opened } = this.#options
    return journal.commit(this.#channel.channelId, stateOf(this.#channel, { opened, ...this.#kept }), payment)
  }

  async #send(url: string, init: RequestInit, bytes: number): Promise<Response> {
    let failure: unknown
    for (let attempt = 0; attempt < this.#options.attempts; attempt++) {
      try {
        this.onTraffic('sent', bytes)
        return await this.#options.fetch(url, init)
      } catch (error) {
        // No response: whether the request arrived is unknown, and sending it again is safe.
        failure = error
      }
    }
    throw new UnansweredError(`${url} gave no response in ${this.#options.attempts} attempts`, { cause: failure })
  }

  async #acknowledgeIn(response: Response): Promise<void> {
    const statement = parseStatementHeader(response.headers, this.#channel.macs.statement)
    if (statement === undefined) return
    this.onTraffic('received', headerBytes({ [headerNames.statement]: response.headers.get(headerNames.statement)! }))
    if (!statement.ok) throw new RefusedError(statement)
    await this.acknowledge(statement.value)
  }

  #ask(ask: Frame.Ask['ask'], sizeMax: number): Promise<Uint8Array<ArrayBuffer>> {
    const { channelId, macs } = this.#channel
    const question = Frame.encodeAsk({ reference: Terms.reference(channelId), ask }, macs.frame)
    const { fetch, vendorUrl } = this.#options
    return post(fetch, new URL('/lockstep/ask', vendorUrl).href, question, sizeMax)
  }
}

/** As HTTP/1.1 writes them: name, colon, space, value, line end. */
function headerBytes(headers: Readonly<Record<string, string>>): number {
  return Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
}
