import { utf8 } from '../../crypto/bytes.ts'
import { type Asset, formatDecimal } from '../../wire/amount.ts'
import { PriceError } from './errors.ts'
import { baseUnits } from './prices.ts'

/** Counts what one request costs, up to what was set aside for it. It is charged once the answer is there. */
export interface Meter {
  /** `meter.charge('0.0003')`. Throws {@link PriceError} for what is no price, and beyond the ceiling: then nothing is charged. */
  charge(price: string): void
  /** `meter.add(tokens, '0.00002')`: so many, for this much each. */
  add(count: number | bigint, price: string): void
  /** So far, as a decimal string in the asset. */
  readonly charged: string
  /**
   * `meter.stream(tokens, { perToken: '0.00002' })`: an answer that leaves piece by piece, each metered, and ends before the
   * ceiling is passed. A client that leaves, or a source that fails, is charged for what was sent. Where a framework has a
   * response of its own, pipe the body into that: `await pipeline(meter.stream(…).body, response)`.
   */
  stream(source: Pieces, options: StreamPrice & ResponseInit): Response
  /** The same for a response whose body meters itself while it is read. */
  streamed(response: Response): Response
}

/** Text, or bytes. */
export type Pieces = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>

/** What each piece costs, or each byte. */
export type StreamPrice =
  | { readonly perToken: string; readonly perByte?: never }
  | { readonly perByte: string; readonly perToken?: never }

/** What a meter came to, for whoever charges. */
export interface Metered {
  readonly meter: Meter
  /** Closes the meter. Where it was asked for more than the ceiling, there is no sum: it throws. */
  readonly total: () => bigint
  /** Closes the meter. What was sent stays charged, whatever came then. */
  readonly sum: () => bigint
  /** The answer leaves as it is made: the handler has asked for a stream. */
  readonly isStreamed: () => boolean
}

export function createMeter(asset: Asset, max: bigint): Metered {
  let sum = 0n
  let isClosed = false
  let failure: PriceError | undefined
  let isStreamed = false
  const fail = (says: string): never => {
    failure = new PriceError(says)
    throw failure
  }
  const add = (units: bigint): void => {
    if (isClosed) fail('the meter is closed: the answer is on its way, and was charged')
    const wanted = formatDecimal(sum + units, asset)
    if (sum + units > max) {
      fail(
        `the handler metered ${wanted} ${asset.code}; at most ${formatDecimal(max, asset)} may be charged: nothing was`,
      )
    }
    sum += units
  }
  const meter: Meter = {
    charge: (price) => add(baseUnits(asset, price)),
    add(count, price) {
      if (typeof count === 'number' && !Number.isSafeInteger(count)) fail(`${count} is no whole number to meter`)
      if (count < 0) fail(`${count} cannot be metered: a meter does not run backwards`)
      add(BigInt(count) * baseUnits(asset, price))
    },
    get charged() {
      return formatDecimal(sum, asset)
    },
    stream(source, { perToken, perByte, ...init }) {
      const price = baseUnits(asset, perToken ?? perByte)
      const costOf = (piece: Uint8Array): bigint => (perToken === undefined ? BigInt(piece.length) * price : price)
      const hasRoom = (cost: bigint): boolean => {
        const fits = sum + cost <= max
        if (fits) add(cost)
        return fits
      }
      const response = new Response(
        bodyOf(source, (piece) => hasRoom(costOf(piece))),
        init,
      )
      isStreamed = true
      return response
    },
    streamed(response) {
      isStreamed = true
      return response
    },
  }
  return {
    meter,
    total() {
      isClosed = true
      if (failure !== undefined) throw failure
      return sum
    },
    sum() {
      isClosed = true
      return sum
    },
    isStreamed: () => isStreamed,
  }
}

/** Pieces as a body, as long as they may be sent. */
function bodyOf(source: Pieces, mayBeSent: (piece: Uint8Array) => boolean): ReadableStream<Uint8Array> {
  const pieces = (async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      const bytes = typeof piece === 'string' ? utf8(piece) : piece
      if (!mayBeSent(bytes)) return
      yield bytes
    }
  })()
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await pieces.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await pieces.return(undefined)
      },
    },
    // A piece is made, and metered, when it can leave.
    { highWaterMark: 0 },
  )
}
