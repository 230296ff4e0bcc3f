import { backend } from '../crypto/backend.ts'
import { taggedHash } from '../crypto/hash.ts'
import type { LockSchemeName } from '../crypto/locks.ts'
import { type Amount, amountMax, parseAsset, type UnixSeconds } from './amount.ts'
import { segmentLengthMax, sizes, version } from './kinds.ts'
import type { Layout } from './layout.ts'
import { amountField, ascii, bytes, choice, constant, layout, timeField, u16, u32 } from './layout.ts'
import { malformed, type Parsed } from './parsed.ts'

/** What client, vendor and bank agree on before a channel opens: Design 3.1. Never changes afterwards. */
export interface Terms {
  readonly version: number
  readonly lockScheme: LockSchemeName
  /** Units in segment 0, 1 to 1,024. */
  readonly segmentLength: number
  /** Seconds after `expiresAt` in which the vendor may still close. */
  readonly graceSeconds: number
  /** F: what the client puts into the channel. */
  readonly funds: Amount
  readonly unitPrice: Amount
  /** ts_0. */
  readonly openedAt: UnixSeconds
  readonly expiresAt: UnixSeconds
  readonly coinSalt: Uint8Array
  /** Name of the chain that records, as in `eip155:31337`. */
  readonly network: string
  /** As in `USD/6`. */
  readonly asset: string
  readonly bank: Uint8Array
  readonly channelKey: Uint8Array
  readonly vendor: Uint8Array
  readonly vendorFrameKey: Uint8Array
  /** w_0 of segment 0. */
  readonly anchor: Uint8Array
  /** O_C: salted commitment to the client's identity information. */
  readonly clientIdentity: Uint8Array
  /** O_V: the same of the vendor. */
  readonly vendorIdentity: Uint8Array
}

const key = bytes(sizes.key)

const terms: Layout<Terms> = layout('terms', {
  version: constant(version),
  lockScheme: choice<LockSchemeName>(['schnorr', 'ecdsa-xor']),
  segmentLength: u16,
  graceSeconds: u32,
  funds: amountField,
  unitPrice: amountField,
  openedAt: timeField,
  expiresAt: timeField,
  coinSalt: bytes(sizes.salt),
  network: ascii(32),
  asset: ascii(32),
  bank: key,
  channelKey: key,
  vendor: key,
  vendorFrameKey: key,
  anchor: bytes(sizes.coin),
  clientIdentity: bytes(sizes.hash),
  vendorIdentity: bytes(sizes.hash),
})

const keyNames = ['bank', 'channelKey', 'vendor', 'vendorFrameKey'] as const

const hashTerms = taggedHash('lockstep/terms')

/** 344 bytes. */
export const size: number = terms.size

export function encode(value: Terms): Uint8Array<ArrayBuffer> {
  return terms.encode(value)
}

/** Refuses what no party may agree to, whoever proposes it. */
export function parse(input: Uint8Array): Parsed<Terms> {
  const result = terms.parse(input)
  if (!result.ok) return result
  const wrong = firstFault(result.value)
  return wrong === undefined ? result : malformed(`terms: ${wrong}`)
}

/** `channelId = taggedHash("lockstep/terms", Terms)`. */
export function channelId(encoded: Uint8Array): Uint8Array {
  return hashTerms(encoded)
}

/** The channel's name in frames and headers: the first 16 bytes of its id. */
export function reference(id: Uint8Array): Uint8Array {
  return id.subarray(0, sizes.reference)
}

function firstFault(value: Terms): string | undefined {
  if (value.segmentLength < 1 || value.segmentLength > segmentLengthMax) return 'segmentLength is 1 to 1,024'
  if (value.unitPrice < 1n) return 'unitPrice is at least 1'
  if (BigInt(value.segmentLength) * value.unitPrice > value.funds) return 'segment 0 is worth more than the funds'
  if (value.expiresAt <= value.openedAt) return 'expiresAt is after openedAt'
  // The deadline is computed and stored as one of these times.
  if (value.expiresAt + BigInt(value.graceSeconds) > amountMax) return 'expiresAt + graceSeconds is below 2^63'
  for (const name of keyNames) if (!backend.isXCoordinate(value[name])) return `${name} is no public key`
  const asset = parseAsset(value.asset)
  return asset.ok ? undefined : asset.detail
}
