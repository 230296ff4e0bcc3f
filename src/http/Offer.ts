import { fromHex, toHex } from '../crypto/bytes.ts'
import { type LockSchemeName, lockSchemes } from '../crypto/locks.ts'
import { type Amount, parseAmount, parseAsset } from '../wire/amount.ts'
import { segmentLengthMax } from '../wire/kinds.ts'
import { malformed, type Parsed, parsed } from '../wire/parsed.ts'

/** Where a vendor's offer is found. */
export const offerPath = '/.well-known/lockstep'

/** What a vendor tells whoever wants to pay it: everything the terms of a channel need from its side. */
export interface Offer {
  readonly version: 1
  readonly network: string
  readonly asset: string
  readonly banks: readonly { readonly key: Uint8Array; readonly url: string }[]
  readonly vendor: Uint8Array
  readonly vendorFrameKey: Uint8Array
  /** O_V. */
  readonly vendorIdentity: Uint8Array
  readonly unitPrice: Amount
  readonly segmentLength: number
  readonly lockSchemes: readonly LockSchemeName[]
  /** Seconds. */
  readonly lifeMin: number
  readonly graceMin: number
  readonly routes: readonly RouteOffer[]
}

export interface RouteOffer {
  readonly method: string
  /** Path, in which a segment `:name` stands for any one. */
  readonly path: string
  /** What one request costs, or one unit of a stream. */
  readonly price: Amount
  readonly per: 'request' | 'unit'
}

/** The most bytes of JSON that are read as an offer. */
export const offerSizeMax = 65_536

export function encode(offer: Offer): string {
  const { banks, vendor, vendorFrameKey, vendorIdentity, unitPrice, routes } = offer
  return JSON.stringify({
    ...offer,
    banks: banks.map(({ key, url }) => ({ key: toHex(key), url })),
    vendor: toHex(vendor),
    vendorFrameKey: toHex(vendorFrameKey),
    vendorIdentity: toHex(vendorIdentity),
    unitPrice: unitPrice.toString(),
    routes: routes.map((route) => ({ ...route, price: route.price.toString() })),
  })
}

export function parse(text: string): Parsed<Offer> {
  if (text.length > offerSizeMax) return malformed(`an offer has at most ${offerSizeMax} characters`)
  try {
    return parsed(readOffer(JSON.parse(text)))
  } catch (error) {
    // JSON.parse and the readers below throw on anything that is no offer: the message says what.
    return malformed(`offer: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function readOffer(value: unknown): Offer {
  const json = record(value, 'offer')
  if (json.version !== 1) throw new TypeError('version is not 1')
  const asset = text(json.asset, 'asset')
  const known = parseAsset(asset)
  if (!known.ok) throw new TypeError(known.detail)
  const segmentLength = whole(json.segmentLength, 'segmentLength')
  if (segmentLength < 1 || segmentLength > segmentLengthMax) throw new TypeError('segmentLength is 1 to 1,024')
  return {
    version: 1,
    network: text(json.network, 'network'),
    asset,
    banks: list(json.banks, 'banks').map((entry) => {
      const bank = record(entry, 'bank')
      return { key: key(bank.key, 'bank.key'), url: url(bank.url, 'bank.url') }
    }),
    vendor: key(json.vendor, 'vendor'),
    vendorFrameKey: key(json.vendorFrameKey, 'vendorFrameKey'),
    vendorIdentity: key(json.vendorIdentity, 'vendorIdentity'),
    unitPrice: price(json.unitPrice, 'unitPrice'),
    segmentLength,
    lockSchemes: list(json.lockSchemes, 'lockSchemes').map((name) => scheme(name)),
    lifeMin: whole(json.lifeMin, 'lifeMin'),
    graceMin: whole(json.graceMin, 'graceMin'),
    routes: list(json.routes, 'routes').map((entry) => {
      const route = record(entry, 'route')
      const per = text(route.per, 'per')
      if (per !== 'request' && per !== 'unit') throw new TypeError('per is request or unit')
      return {
        method: text(route.method, 'method'),
        path: text(route.path, 'path'),
        price: price(route.price, 'price'),
        per,
      }
    }),
  }
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError(`${what} is no object`)
  return value as Record<string, unknown>
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > 1000) throw new TypeError(`${what} is no list of at most 1,000`)
  return value
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string' || value.length > 500)
    throw new TypeError(`${what} is no string of at most 500 characters`)
  return value
}

function url(value: unknown, what: string): string {
  const { protocol, href } = new URL(text(value, what))
  if (protocol !== 'http:' && protocol !== 'https:') throw new TypeError(`${what} is no http or https address`)
  return href
}

function whole(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new TypeError(`${what} is no whole number`)
  return value as number
}

function key(value: unknown, what: string): Uint8Array {
  const hex = text(value, what)
  if (hex.length !== 64) throw new TypeError(`${what} is not 32 bytes of hex`)
  return fromHex(hex)
}

function price(value: unknown, what: string): Amount {
  const amount = parseAmount(text(value, what))
  if (!amount.ok) throw new TypeError(`${what}: ${amount.detail}`)
  return amount.value
}

function scheme(value: unknown): LockSchemeName {
  if (typeof value !== 'string' || !Object.hasOwn(lockSchemes, value)) throw new TypeError('no such lock scheme')
  return value as LockSchemeName
}
