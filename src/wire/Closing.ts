import { taggedHash } from '../crypto/hash.ts'
import * as Schnorr from '../crypto/Schnorr.ts'
import type { Amount } from './amount.ts'
import * as Checkpoint from './Checkpoint.ts'
import { kinds, sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { amountField, bytes, constant, layout, u32 } from './layout.ts'
import type { Parsed } from './parsed.ts'

/** The vendor's signed last statement: nothing is accepted after it. 141 bytes. Design 3.7. */
export interface Closing {
  readonly channelId: Uint8Array
  /** n. */
  readonly index: number
  readonly spent: Amount
  /** t_n. */
  readonly transcript: Uint8Array
  /** By the vendor's settlement key. */
  readonly signature: Uint8Array
}

/** The client's answer: `σ_n` and its checkpoint at n. 268 bytes. Every receipt unlocks. */
export interface Release {
  readonly channelId: Uint8Array
  /** σ_n. */
  readonly receipt: Uint8Array
  readonly checkpoint: Uint8Array
}

const closing: Layout<Closing & { readonly kind: number }> = layout('closing', {
  kind: constant(kinds.closing),
  channelId: bytes(sizes.hash),
  index: u32,
  spent: amountField,
  transcript: bytes(sizes.hash),
  signature: bytes(sizes.signature),
})

const release: Layout<Release & { readonly kind: number }> = layout('release', {
  kind: constant(kinds.release),
  channelId: bytes(sizes.hash),
  receipt: bytes(sizes.receipt),
  checkpoint: bytes(Checkpoint.size),
})

const hashClosing = taggedHash('lockstep/closing')

export const size: number = closing.size
export const releaseSize: number = release.size

export function encode(value: Closing): Uint8Array<ArrayBuffer> {
  return closing.encode({ ...value, kind: kinds.closing })
}

export function parse(input: Uint8Array): Parsed<Closing> {
  return closing.parse(input)
}

/** What the vendor signs: everything after the kind and before the signature. */
export function digest(value: Omit<Closing, 'signature'>): Uint8Array {
  const encoded = encode({ ...value, signature: new Uint8Array(sizes.signature) })
  return hashClosing(encoded.subarray(1, size - sizes.signature))
}

export function sign(vendor: Schnorr.KeyPair, value: Omit<Closing, 'signature'>): Closing {
  return { ...value, signature: Schnorr.sign(vendor, digest(value)) }
}

export function verify(vendor: Uint8Array, value: Closing): boolean {
  return Schnorr.verify({ publicKey: vendor, digest: digest(value), signature: value.signature })
}

export function encodeRelease(value: Release): Uint8Array<ArrayBuffer> {
  return release.encode({ ...value, kind: kinds.release })
}

export function parseRelease(input: Uint8Array): Parsed<Release> {
  return release.parse(input)
}
