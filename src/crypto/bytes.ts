/** Byte strings: hex, comparison, concatenation, big-endian integers. No input is ever mutated. */

import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'

const encoder = new TextEncoder()
const brief = new Uint8Array(1024)

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text)
}

export function toHex(bytes: Uint8Array): string {
  return bytesToHex(bytes)
}

/** Lower-case hex of whole bytes. Throws on anything else: callers parse untrusted text in `wire/`. */
export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  if (!/^(?:[0-9a-f]{2})*$/.test(hex)) throw new Error('not lower-case hex of whole bytes')
  return hexToBytes(hex) as Uint8Array<ArrayBuffer>
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0
  for (const part of parts) size += part.length
  const joined = new Uint8Array(size)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/**
 * The same in memory that the next call overwrites: for what is read at once and not kept. Memory of its own for some hundred
 * bytes costs more than their hash.
 */
export function concatBriefly(...parts: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const part of parts) {
    if (size + part.length > brief.length) return concat(...parts)
    brief.set(part, size)
    size += part.length
  }
  return brief.subarray(0, size)
}

/** Compares every byte whatever the first difference: safe for MACs and secrets of public length. */
export function equal(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false
  let difference = 0
  for (let index = 0; index < left.length; index++) difference |= left[index]! ^ right[index]!
  return difference === 0
}

export function isZero(bytes: Uint8Array): boolean {
  let bits = 0
  for (let index = 0; index < bytes.length; index++) bits |= bytes[index]!
  return bits === 0
}

export function xor(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  if (left.length !== right.length) throw new Error('xor takes two byte strings of one length')
  const mixed = new Uint8Array(left.length)
  for (let index = 0; index < left.length; index++) mixed[index] = left[index]! ^ right[index]!
  return mixed
}

export function u32(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

export function u64(value: bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return bytes
}
