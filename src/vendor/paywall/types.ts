import type { Input } from '../../http/input.ts'
import type * as Offer from '../../http/Offer.ts'
import type { ClosingOptions } from '../closing.ts'
import type { StreamRoute } from '../routes.ts'
import type { RunningServer } from '../server.ts'
import type { VendorDatabase } from '../store/contract.ts'
import type { BankOption } from './bank.ts'
import type { Meter, Pieces } from './meter.ts'
import type { OpenapiDocument } from './openapi.ts'
import type { Price, PriceOptions, PriceTag } from './prices.ts'

/** How a vendor is opened: its bank, its asset and its store are enough. */
export interface PaywallOptions {
  /** Where payments are settled: its address, with its key where that is known, or several banks. */
  readonly bank: BankOption | readonly BankOption[]
  /** `'USD'`, or `'USD/6'` where the bank holds more than one of that name. */
  readonly asset: string
  /** `'sqlite:./vendor.db'`, `'sqlite::memory:'` for one that may forget, `'postgres://…'`, or an open store. */
  readonly store: string | VendorDatabase
  /** The file with the vendor's key: made at the first start, by default beside the SQLite store. Whoever has it is the vendor. */
  readonly key?: string
  /** Where clients reach this vendor, no slash at its end. Without it, each request's own origin. */
  readonly publicUrl?: string
  /** Believe X-Forwarded-Host and X-Forwarded-Proto: only where a proxy of yours sets them. */
  readonly trustProxy?: boolean
  /** This process among others that share the store. */
  readonly node?: string
  /** What the vendor may have to say of itself one day: its offer commits to it. */
  readonly identity?: string
  /** Bytes of a request body. */
  readonly bodySizeMax?: number
  /** The shortest time that a channel may live when it is first shown. */
  readonly lifeMinSeconds?: number
  /** The shortest time to claim after a channel's end. */
  readonly graceMinSeconds?: number
  /** How long before a channel's deadline it is claimed. */
  readonly closeMarginSeconds?: number
  /** Answers are kept for retries as long, a day if not said. */
  readonly answerSeconds?: number
  /** Receipts of settled channels are kept as long, 400 days if not said. */
  readonly retentionDays?: number
  /** What a bank may take to answer. */
  readonly timeoutMs?: number
  /**
   * What a client may take to read on in an answer that leaves as it is made, or in a stream: after that it is taken for gone, and
   * charged for what was sent. A minute if not said.
   */
  readonly readTimeoutMs?: number
  /** Told of what handlers throw; clients learn no more than that something failed. */
  readonly onError?: (error: unknown) => void
  /** Told of claims and of what a bank refuses. Without it, warnings alone are emitted. */
  readonly logger?: PaywallLogger
}

/** As `console`, pino and others are. */
export interface PaywallLogger {
  /** What went as it should: a claim that was paid. */
  info(message: string): void
  /** What somebody should look at: a bank that is away, a clock that was wrong. */
  warn(message: string): void
  /** What did not work: a claim that was refused, a handler that threw. */
  error(message: string): void
}

/** What a handler learns of the payment it serves. */
export interface Payment {
  /** The same whenever the payment comes again: a key for what may happen once only. */
  readonly id: string
  /** Who pays: the same for one channel, and nothing that links two channels of one client. */
  readonly payer: string
  /** What is set aside for this request, as a decimal string in the asset. */
  readonly price: string
  /** What the payer has left beside it. */
  readonly credit: string
  /** Values of the `:name` segments of the route's path, where `fetch` or `listen` found it. */
  readonly params: Readonly<Record<string, string>>
}

export type Handler = (request: Request, payment: Payment) => Promise<Response> | Response
/** A handler that says on its meter what its answer costs. */
export type MeteredHandler = (request: Request, meter: Meter, payment: Payment) => Promise<Response> | Response

/** A handler behind a price: one function of the Fetch API. What it is called with beside the request does not matter. */
export interface PaidHandler {
  (request: Request, ...rest: readonly unknown[]): Promise<Response>
  readonly tag: PriceTag
  readonly run: MeteredHandler
}

/** What a stream's source learns of who pays for it. */
export interface StreamPayment extends Pick<Payment, 'id' | 'payer' | 'params'> {
  /** Aborted when the client is gone, for a source that waits for something else. */
  readonly signal: AbortSignal
  /** What the client says while it pays, for one reader; ends when the client is gone. A megabyte may wait for it to be read. */
  readonly input: AsyncIterable<Input>
}

/** Gives the pieces of a stream: text, or bytes. Ends it by returning; is returned early when the client leaves. */
export type StreamSource = (request: Request, payment: StreamPayment) => Pieces

/** A stream behind a price for each unit: over a WebSocket, or as server-sent events. */
export interface PaidStream {
  readonly tag: PriceTag
  /** Its units, as a session asks for them. */
  readonly source: StreamRoute['source']
}

/** `'GET /jokes/:number'` → what answers there: for a price, a price a unit, or for nothing. */
export type Routes = Readonly<Record<string, PaidHandler | PaidStream | FreeHandler>>

/** A handler that costs nothing. */
type FreeHandler = (request: Request) => Promise<Response> | Response

/** Where a request was found. */
export interface Place {
  /** The public address, as the client knows it. */
  readonly target?: string
  readonly params?: Readonly<Record<string, string>>
}

/** What a server sells, and where it listens. */
export interface ListenOptions {
  readonly routes: Routes
  /** 0 takes a free one. */
  readonly port?: number
  /** Loopback unless told otherwise. */
  readonly host?: string
}

/** A vendor that is open: it sells, claims what was charged, and answers what every vendor answers. */
export interface Paywall {
  /** As the bank names it: `USD/6`. */
  readonly asset: string
  /** The vendor's public key, as it is registered at the bank: 64 hex digits. */
  readonly vendor: string
  /** As `/.well-known/lockstep` has it now. */
  readonly offer: () => Offer.Offer
  /** A handler that costs as much for each request. One that throws, or answers with a status from 400 on, charges nothing. */
  each(price: Price, handler: Handler, options?: PriceOptions): PaidHandler
  /** A handler that says what its answer costs, up to a ceiling. */
  metered(options: PriceOptions & { readonly max: string }, handler: MeteredHandler): PaidHandler
  /** A stream of which each piece costs as much: a token of a model, a reading, a line. A piece is sent once it is paid. */
  perToken(price: string, source: StreamSource): PaidStream
  /** A stream that costs as much for each second it runs: what came in a second is sent, and charged, at its end. */
  perSecond(price: string, source: StreamSource): PaidStream
  /** A stream that costs as much for each byte, sent in blocks of `block` bytes, 1,024 if not said; the last one is charged whole. */
  perByte(price: string, source: StreamSource, options?: { readonly block?: number }): PaidStream
  /** A price that was read: for {@link Paywall.sell}. Throws `PriceError` for one that is none. */
  price(price: Price, options?: PriceOptions): PriceTag
  /** A ceiling that was read, for a handler that meters: for {@link Paywall.sell}. Throws `PriceError` for one that is none. */
  ceiling(options: PriceOptions & { readonly max: string }): PriceTag
  /**
   * Serves one request for a price: refuses it with the offer and this price, or admits its payment, runs `handle`, charges,
   * and gives the answer with the vendor's statement. Never runs `handle` for a payment that is repeated.
   */
  sell(request: Request, tag: PriceTag, handle: MeteredHandler, place?: Place): Promise<Response>
  /** Has a route in the offer, which `fetch` and `listen` do by themselves. */
  list(method: string, path: string, tag: PriceTag): void
  /** Answers what every vendor answers: its offer, closing, release, payments resent. `undefined`: the request is for another. */
  handle(request: Request): Promise<Response | undefined>
  /** An OpenAPI document with what each operation costs, as `x-payment-info`. `fetch` and `listen` serve one at `/openapi.json`. */
  openapi<D extends OpenapiDocument>(document: D): D
  /** Everything as one function of the Fetch API. */
  fetch(routes: Routes): (request: Request) => Promise<Response>
  /** The same as a server of `node:http`. */
  listen(options: ListenOptions): Promise<RunningServer>
  /** Claims what was charged on every channel, now: all of them are closed by it. */
  collect(): Promise<readonly { readonly channel: string; readonly settled: bigint }[]>
  /** Bytes of a request body. */
  readonly bodySizeMax: number
  /** What lies below: for streams, and for what has to close a channel itself. */
  readonly closing: ClosingOptions
  /** Lets what runs end, and closes servers and store. Channels stay open: the next start goes on with them. */
  close(): Promise<void>
}
