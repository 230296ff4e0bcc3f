import * as Offer from '../../http/Offer.ts'
import { refuse } from '../../protocol/index.ts'
import { type Asset, formatDecimal } from '../../wire/amount.ts'
import { allowBrowsers, failureResponse } from '../answering.ts'
import type { SaleContext } from '../purchase.ts'
import { askFor, problemResponse } from '../responses.ts'
import { type Counter, type Sale, sell } from '../sell.ts'
import { createMeter } from './meter.ts'
import { pageResponse, wantsPage } from './page.ts'
import type { PriceTag } from './prices.ts'
import type { Payment, Paywall } from './types.ts'

export interface SellerOptions extends Counter {
  readonly asset: Asset
  /** As the bank names it. */
  readonly assetName: string
  readonly publicUrl: string | undefined
  /** X-Forwarded-Host and X-Forwarded-Proto are a proxy's, and tell where the client sent the request. */
  readonly trustProxy: boolean
  /** As it is now, for a 402. */
  readonly offer: () => unknown
}

/** Sells requests at prices in the paywall's asset. */
export function createSeller(options: SellerOptions): Pick<Paywall, 'sell'> {
  const { asset, onError } = options
  return {
    async sell(request, tag, handle, place = {}) {
      const target = place.target ?? targetOf(request, options)
      const asked = { asset: options.assetName, per: tag.per, metered: tag.meters }
      const sale: Sale = {
        target,
        params: place.params ?? {},
        idempotent: tag.idempotent,
        onCrash: tag.onCrash,
        price: tag.of,
        asking: (price) => askFor(asked, price),
        demand: (unpaid) => demand(options, unpaid, { tag, target }),
        async handle(paid, context) {
          const { meter, total, sum, isStreamed } = createMeter(asset, context.price)
          const response = await handle(paid, meter, paymentOf(asset, context))
          if (tag.meters && isStreamed()) return { response, charge: sum, isStreamed: true }
          return { response, charge: tag.meters ? total : () => context.price }
        },
      }
      try {
        return allowBrowsers(await sell(options, request, sale))
      } catch (error) {
        onError(error)
        return allowBrowsers(failureResponse(error))
      }
    },
  }
}

/** What an unpaid request gets: its price, for a program or for a person. */
async function demand(
  { asset, assetName, offer, onError }: SellerOptions,
  request: Request,
  { tag, target }: { readonly tag: PriceTag; readonly target: string },
): Promise<Response> {
  let price: bigint
  try {
    price = await tag.of(request)
  } catch (error) {
    onError(error)
    return problemResponse({ reason: 'HandlerFailed', detail: 'what this costs cannot be told' })
  }
  const { headers, members } = askFor({ asset: assetName, per: tag.per, metered: tag.meters }, price, offer())
  const costs = `${tag.meters ? 'at most ' : ''}${formatDecimal(price, asset)} ${asset.code}`
  if (wantsPage(request)) {
    return pageResponse({ costs, address: `${request.method} ${target}`, offerUrl: Offer.offerPath }, headers)
  }
  const detail = `${request.method} ${new URL(target).pathname} costs ${costs}`
  return problemResponse(refuse('PaymentRequired', detail), headers, members)
}

/** The request's public address: its own, where the paywall was told no other. */
function targetOf({ url, headers }: Request, { publicUrl, trustProxy }: SellerOptions): string {
  const target = new URL(url)
  if (publicUrl !== undefined) return publicUrl + target.pathname + target.search
  if (!trustProxy) return url
  // The first of several is what the client sent.
  const forwarded = (what: string): string | undefined => headers.get(`X-Forwarded-${what}`)?.split(',')[0]?.trim()
  const [scheme, host] = [forwarded('Proto'), forwarded('Host')]
  if (scheme === 'http' || scheme === 'https') target.protocol = scheme
  if (host !== undefined) {
    // A host without a port is on its scheme's own.
    target.port = ''
    target.host = host
  }
  return target.href
}

function paymentOf(asset: Asset, { payer, index, price, credit, params }: SaleContext): Payment {
  const decimal = (units: bigint): string => formatDecimal(units, asset)
  return { id: `${payer}-${index}`, payer, price: decimal(price), credit: decimal(credit), params }
}
