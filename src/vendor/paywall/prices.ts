import { type Asset, formatDecimal, parseDecimal } from '../../wire/amount.ts'
import type { OnCrash } from '../purchase.ts'
import { PriceError } from './errors.ts'

/** A decimal string in the paywall's asset, such as `'0.001'`, or what gives one for a request. */
export type Price = string | ((request: Request) => string | Promise<string>)

/** What may be said of a price. */
export interface PriceOptions {
  /** The most that a price made for a request may be. Its offer then names this one. */
  readonly max?: string
  /** The handler may run again for one payment, as after a crash. */
  readonly idempotent?: boolean
  /** What becomes of the price where the vendor stops while the handler runs: released, unless it is to be charged. */
  readonly onCrash?: OnCrash
}

/** What a route costs, in base units: a price that was read and found to be one. */
export interface PriceTag {
  /** What a request is asked for; where it is metered, the most that it may be charged. Throws {@link PriceError}. */
  readonly of: (request: Request) => bigint | Promise<bigint>
  /** What the offer says, where something can be said before there is a request. */
  readonly offered: bigint | undefined
  /** What is offered is a ceiling. */
  readonly isCeiling: boolean
  /** The handler says what it charges, up to what a request is asked for. */
  readonly meters: boolean
  readonly per: 'request' | 'unit'
  readonly idempotent: boolean
  readonly onCrash: OnCrash
}

/** Reads a price. Throws {@link PriceError} for one that is none. */
export function tagOf(asset: Asset, price: Price, options: PriceOptions = {}): PriceTag {
  const { max, idempotent = false, onCrash = 'release' } = options
  const ceiling = max === undefined ? undefined : baseUnits(asset, max)
  const common = { per: 'request', meters: false, idempotent, onCrash } as const
  if (typeof price !== 'function') {
    const units = baseUnits(asset, price)
    if (ceiling !== undefined) assertBelow(asset, units, ceiling)
    return { ...common, of: () => units, offered: units, isCeiling: false }
  }
  const of = async (request: Request): Promise<bigint> => {
    const units = baseUnits(asset, await price(request))
    if (ceiling !== undefined) assertBelow(asset, units, ceiling)
    return units
  }
  return { ...common, of, offered: ceiling, isCeiling: true }
}

/** A ceiling of which a handler charges what it used. */
export function meteredTag(asset: Asset, options: PriceOptions & { readonly max: string }): PriceTag {
  return { ...tagOf(asset, options.max, options), isCeiling: true, meters: true }
}

/** What one unit of a stream costs: `count` times the price. */
export function unitTag(asset: Asset, price: string, count = 1): PriceTag {
  if (!Number.isSafeInteger(count) || count < 1) throw new PriceError(`${count} is no number of bytes for a block`)
  const tag = tagOf(asset, price)
  const offered = tag.offered! * BigInt(count)
  return { ...tag, of: () => offered, offered, per: 'unit' }
}

/** Base units of a decimal string. Decimals that the asset does not have are refused, never rounded. */
export function baseUnits(asset: Asset, price: unknown): bigint {
  const known = typeof price === 'string' ? parseDecimal(price, asset) : undefined
  if (known?.ok === true) return known.value
  const found = known?.detail ?? `${typeof price === 'number' ? price : typeof price} is no string`
  throw new PriceError(`a price is a decimal string in ${asset.code}, such as '0.001': ${found}`)
}

function assertBelow(asset: Asset, units: bigint, ceiling: bigint): void {
  if (units <= ceiling) return
  const [price, max] = [formatDecimal(units, asset), formatDecimal(ceiling, asset)]
  throw new PriceError(`the price ${price} ${asset.code} is above the ceiling ${max}: nothing was charged`)
}
