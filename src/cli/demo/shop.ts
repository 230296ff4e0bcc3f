import { toHex } from '../../crypto/bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import type { PaidRoute, StreamRoute } from '../../vendor/index.ts'

/** What the demo's vendor sells: a file token by token, and a word about each token for a price of its own. */
export interface Shop {
  readonly route: PaidRoute
  readonly stream: StreamRoute
  /** How often the handler ran for a payment. */
  runs(index: number): number
}

export function openShop(
  tokens: readonly Uint8Array[],
  prices: { readonly perRequest: bigint; readonly perToken: bigint },
): Shop {
  const runs = new Map<number, number>()
  return {
    runs: (index) => runs.get(index) ?? 0,
    route: {
      method: 'GET',
      path: '/tokens/:number',
      price: prices.perRequest,
      handler(_request, { params, index }) {
        runs.set(index, (runs.get(index) ?? 0) + 1)
        const number = Number(params.number)
        const token = tokens[number]
        return token === undefined
          ? Response.json({ tokens: tokens.length }, { status: 200 })
          : Response.json({ number, bytes: token.length, sha256: toHex(sha256(token)) })
      },
    },
    stream: { path: '/file', price: prices.perToken, source: () => tokens },
  }
}

/** How many payments buy one request each, and how many share the stream with ticks between them. */
export interface Plan {
  readonly requests: number
  readonly inStream: number
  readonly ticks: number
}

/** A tenth of the payments, at least one, buy requests; the rest go to the stream as far as it has tokens for them. */
export function planPayments(payments: number, tokens: number): Plan {
  const inStream = Math.min(tokens, payments - Math.max(1, Math.floor(payments / 10)))
  return { requests: payments - inStream, inStream, ticks: inStream === 0 ? 0 : tokens - inStream }
}

/** Spreads the stream's payments evenly over its tokens: unit 0 is one, the units between two are ticks. */
export function isPaymentOf(plan: Plan): (unit: number) => boolean {
  const units = plan.inStream + plan.ticks
  const share = (unit: number): number => Math.floor((unit * plan.inStream) / units)
  return (unit) => unit === 0 || share(unit) !== share(unit - 1)
}
