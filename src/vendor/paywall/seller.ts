import { refuse } from '../../protocol/index.ts'
import { type Asset, formatDecimal } from '../../wire/amount.ts'
import type { SaleContext } from '../purchase.ts'
import { askFor, problemResponse } from '../responses.ts'
import { type Counter, sell } from '../sell.ts'
import { createMeter } from './meter.ts'
import type { PriceTag } from './prices.ts'
import type { Payment, Paywall } from './types.ts'

export interface SellerOptions extends Counter {
  readonly asset: Asset
  /** As the bank names it. */
  readonly assetName: string
  readonly publicUrl: string | undefined
  /** As it is now, for a 402. */
  readonly offer: () => unknown
}

/** Sells requests at prices in the paywall's asset. */
export function createSeller(options: SellerOptions): Pick<Paywall, 'sell'> {
  const { asset, assetName, publicUrl, onError } = options
  return {
    sell(request, tag, handle, place = {}) {
      const target = place.target ?? targetOf(request, publicUrl)
      const params = place.params ?? {}
      const asked = { asset: assetName, per: tag.per, metered: tag.meters }
      return sell(options, request, {
        target,
        params,
        idempotent: tag.idempotent,
        onCrash: tag.onCrash,
        price: tag.of,
        asking: (price) => askFor(asked, price),
        async demand(unpaid) {
          const price = await priceOf(unpaid, tag)
          if (price === undefined) {
            return problemResponse({
              reason: 'HandlerFailed',
              detail: 'what this costs cannot be told',
            })
          }
          const { headers, members } = askFor(asked, price, options.offer())
          const costs = `${tag.meters ? 'at most ' : ''}${formatDecimal(price, asset)} ${asset.code}`
          const detail = `${request.method} ${new URL(target).pathname} costs ${costs}`
          return problemResponse(refuse('PaymentRequired', detail), headers, members)
        },
        async handle(paid, context) {
          const { meter, total, sum, isStreamed } = createMeter(asset, context.price)
          const response = await handle(paid, meter, paymentOf(asset, context))
          if (tag.meters && isStreamed(response)) return { response, charge: sum, isStreamed: true }
          return { response, charge: tag.meters ? total : () => context.price }
        },
      })
    },
  }

  async function priceOf(request: Request, tag: PriceTag): Promise<bigint | undefined> {
    try {
      return await tag.of(request)
    } catch (error) {
      onError(error)
      return undefined
    }
  }
}

/** The request's public address: its own, where the paywall was told no other. */
function targetOf({ url }: Request, publicUrl: string | undefined): string {
  if (publicUrl === undefined) return url
  const { pathname, search } = new URL(url)
  return publicUrl + pathname + search
}

function paymentOf(asset: Asset, { payer, index, price, credit, params }: SaleContext): Payment {
  const decimal = (units: bigint): string => formatDecimal(units, asset)
  return { id: `${payer}-${index}`, payer, price: decimal(price), credit: decimal(credit), params }
}
