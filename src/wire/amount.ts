import { malformed, type Parsed, parsed } from './parsed.ts'

declare const brand: unique symbol

/** A sum of money in base units of an asset: an integer, `0 ≤ amount < 2^63` so that it fits an SQL integer. */
export type Amount = bigint & { readonly [brand]: 'Amount' }

/** Seconds since 1970-01-01T00:00:00Z. */
export type UnixSeconds = bigint & { readonly [brand]: 'UnixSeconds' }

export const amountMax: Amount = ((1n << 63n) - 1n) as Amount

/** Brands an integer that this program computed itself. Throws outside the range: a bug, never input. */
export function amount(value: bigint): Amount {
  if (value < 0n || value > amountMax) throw new RangeError(`amount out of range: ${value}`)
  return value as Amount
}

/** See {@link amount}. */
export function unixSeconds(value: bigint): UnixSeconds {
  if (value < 0n || value > amountMax) throw new RangeError(`time out of range: ${value}`)
  return value as UnixSeconds
}

/** A quotient of amounts as a plain count. Throws from 2^32 on: a segment or an index never gets there. */
export function count(value: bigint): number {
  if (value < 0n || value > 0xffffffffn) throw new RangeError(`count out of range: ${value}`)
  return Number(value) // A count, not an amount.
}

/** Base units in their canonical decimal form: no sign, no leading zero, no separator. */
export function parseAmount(text: string): Parsed<Amount> {
  if (!/^(?:0|[1-9][0-9]{0,39})$/.test(text)) return malformed('an amount is a decimal integer of base units')
  const value = BigInt(text)
  return value > amountMax ? malformed('an amount is below 2^63') : parsed(value as Amount)
}

/** An asset as terms name it: a code and the number of decimals of its base unit, as in `USD/6`. */
export interface Asset {
  readonly code: string
  readonly decimals: number
}

/** `USD/6` → `{ code: 'USD', decimals: 6 }`. At most 9 decimals. */
export function parseAsset(name: string): Parsed<Asset> {
  const match = /^([A-Za-z0-9.:_-]{1,30})\/([0-9])$/.exec(name)
  if (match === null) return malformed('an asset is CODE/decimals, such as USD/6, with at most 9 decimals')
  return parsed({ code: match[1]!, decimals: match[2]!.charCodeAt(0) - 48 })
}

/**
 * A decimal string in an asset to base units. Decimals the asset does not have are refused, never rounded.
 *
 * ```ts
 * parseDecimal('0.00002', { code: 'USD', decimals: 6 }) // { ok: true, value: 20n }
 * ```
 */
export function parseDecimal(text: string, asset: Asset): Parsed<Amount> {
  const match = /^(0|[1-9][0-9]{0,18})(?:\.([0-9]{1,9}))?$/.exec(text)
  if (match === null) return malformed(`${JSON.stringify(text.slice(0, 40))} is no decimal amount`)
  const fraction = match[2] ?? ''
  if (fraction.length > asset.decimals) {
    return malformed(`${asset.code} has ${asset.decimals} decimals; ${text} has ${fraction.length}`)
  }
  return parseAmount((match[1]! + fraction.padEnd(asset.decimals, '0')).replace(/^0+(?=[0-9])/, ''))
}

/** Base units as a decimal string in the asset, without trailing zeros: `20n` of USD/6 is `0.00002`. */
export function formatDecimal(value: bigint, asset: Asset): string {
  if (value < 0n) return `-${formatDecimal(-value, asset)}`
  const digits = value.toString().padStart(asset.decimals + 1, '0')
  const whole = digits.slice(0, digits.length - asset.decimals)
  const fraction = digits.slice(digits.length - asset.decimals).replace(/0+$/, '')
  return fraction === '' ? whole : `${whole}.${fraction}`
}
