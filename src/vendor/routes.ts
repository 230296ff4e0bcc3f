import type { Input } from '../http/input.ts'

export { matchPath } from '../http/routePath.ts'

/** What a handler learns of the payment it serves. */
export interface PaidContext {
  /** The channel's reference, in hex: one payer, unlinkable to its other channels. */
  readonly payer: string
  /** i. */
  readonly index: number
  /** Values of the `:name` segments of the route's path, as they are in the address. */
  readonly params: Readonly<Record<string, string>>
}

/** A paid route: `price` is reserved before the handler runs and charged when it answers with a status below 400. */
export interface PaidRoute {
  readonly method: string
  /** As `/lines/:number`. */
  readonly path: string
  /** Base units. */
  readonly price: bigint
  /** Its answer is held in memory as a whole, and kept for retries up to `answerSizeMax`. */
  readonly handler: (request: Request, context: PaidContext) => Promise<Response> | Response
  /** The handler may run again for one payment, as after a crash. */
  readonly idempotent?: boolean
  /** What becomes of the price where the vendor stops while the handler runs: released, unless it is to be charged. */
  readonly onCrash?: 'charge' | 'release'
}

/** What a stream's source learns. */
export interface StreamContext extends PaidContext {
  /** The public address, as its client knows it. */
  readonly url: string
  /** Aborted when the client is gone, for a source that waits for something else. */
  readonly signal: AbortSignal
  /** What the client says while it pays, for one reader; ends when the client is gone. A megabyte may wait for it to be read. */
  readonly input: AsyncIterable<Input>
}

/** A route that sells units of a stream, one delivery a unit: a token, a second, a block of bytes. */
export interface StreamRoute {
  readonly path: string
  /** Base units of the asset, for one unit of the stream. Ticks fit where it is a multiple of the channel's unit price. */
  readonly price: bigint
  /** Ends the stream by returning; is returned early when the client leaves. */
  readonly source: (context: StreamContext) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}
