import { backend } from '../crypto/backend.ts'
import { toHex } from '../crypto/bytes.ts'
import { type LockSchemeName, lockSchemes } from '../crypto/locks.ts'
import { type Amount, parseAsset } from '../wire/amount.ts'
import { segmentLengthMax, sizes } from '../wire/kinds.ts'
import type { Parsed } from '../wire/parsed.ts'
import { amountOf, bytesOf, list, object, parseJson, readValue, text, whole, word } from './json.ts'

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
  /** What one request costs, or one unit of a stream; where it is metered, the most that one costs. */
  readonly price: Amount
  readonly per: 'request' | 'unit'
  readonly metered?: true
}

/** What a 402 says that its very request costs. */
export interface Price {
  /** Base units; where it is metered, the most that is charged. */
  readonly amount: Amount
  readonly asset: string
  readonly per: 'request' | 'unit'
  readonly metered?: true
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

/** A price as the member `price` of a problem document has it. */
export function encodePrice(price: Price): unknown {
  return { ...price, amount: price.amount.toString() }
}

/** The member `price` of a problem document. */
export function parsePrice(member: unknown): Parsed<Price> {
  return readValue(member, 'price', readPrice)
}

export function parse(body: string): Parsed<Offer> {
  return parseJson(body, { what: 'offer', sizeMax: offerSizeMax }, readOffer)
}

function readOffer(value: unknown): Offer {
  const json = object(value, 'offer')
  if (json.version !== 1) throw new TypeError('version is not 1')
  const asset = text(json.asset, 'asset')
  const known = parseAsset(asset)
  if (!known.ok) throw new TypeError(known.detail)
  const segmentLength = whole(json.segmentLength, 'segmentLength')
  if (segmentLength < 1 || segmentLength > segmentLengthMax) throw new TypeError('segmentLength is 1 to 1,024')
  const unitPrice = amountOf(json.unitPrice, 'unitPrice')
  if (unitPrice < 1n) throw new TypeError('unitPrice is at least 1')
  const graceMin = whole(json.graceMin, 'graceMin')
  if (graceMin > 0xffffffff) throw new TypeError('graceMin is below 2^32')
  return {
    version: 1,
    network: networkOf(json.network),
    asset,
    banks: list(json.banks, 'banks').map((entry) => {
      const bank = object(entry, 'bank')
      return { key: keyOf(bank.key, 'bank.key'), url: urlOf(bank.url, 'bank.url') }
    }),
    vendor: keyOf(json.vendor, 'vendor'),
    vendorFrameKey: keyOf(json.vendorFrameKey, 'vendorFrameKey'),
    vendorIdentity: bytesOf(json.vendorIdentity, 'vendorIdentity', sizes.hash),
    unitPrice,
    segmentLength,
    lockSchemes: list(json.lockSchemes, 'lockSchemes').map((name) => word(name, 'lock scheme', schemeNames)),
    lifeMin: whole(json.lifeMin, 'lifeMin'),
    graceMin,
    routes: list(json.routes, 'routes').map((entry) => {
      const route = object(entry, 'route')
      return {
        method: text(route.method, 'method'),
        path: text(route.path, 'path'),
        price: amountOf(route.price, 'price'),
        per: word(route.per, 'per', ['request', 'unit']),
        ...meteredOf(route),
      }
    }),
  }
}

function readPrice(value: unknown): Price {
  const price = object(value, 'price')
  const asset = text(price.asset, 'asset')
  const known = parseAsset(asset)
  if (!known.ok) throw new TypeError(known.detail)
  return {
    amount: amountOf(price.amount, 'amount'),
    asset,
    per: word(price.per, 'per', ['request', 'unit']),
    ...meteredOf(price),
  }
}

function meteredOf({ metered }: Readonly<Record<string, unknown>>): { readonly metered?: true } {
  if (metered === undefined || metered === false) return {}
  if (metered !== true) throw new TypeError('metered is true or not there')
  return { metered }
}

const schemeNames = Object.keys(lockSchemes) as readonly LockSchemeName[]

/** As terms can hold it. */
function networkOf(value: unknown): string {
  const network = text(value, 'network')
  if (!/^[\x21-\x7e]{1,32}$/.test(network)) throw new TypeError('network is 1 to 32 printable characters')
  return network
}

function urlOf(value: unknown, what: string): string {
  const { protocol, href } = new URL(text(value, what))
  if (protocol !== 'http:' && protocol !== 'https:') throw new TypeError(`${what} is no http or https address`)
  return href
}

/** A public key: only then does ECDH with it make sense. */
function keyOf(value: unknown, what: string): Uint8Array {
  const key = bytesOf(value, what, sizes.key)
  if (!backend.isXCoordinate(key)) throw new TypeError(`${what} is no public key`)
  return key
}
