import { backend } from './backend.ts'
import { concat, concatBriefly, utf8 } from './bytes.ts'

/** SHA-256 of `data`: 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  return backend.sha256(data)
}

/** A hash function bound to one message type. */
export type TaggedHash = (...parts: readonly Uint8Array[]) => Uint8Array

/**
 * BIP-340's tagged hash: `SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ parts…)`, 32 bytes.
 * Make one per message type, once: a hash under one tag never equals one under another.
 *
 * ```ts
 * const hashTerms = taggedHash('lockstep/terms')
 * const channelId = hashTerms(termsBytes)
 * ```
 */
export function taggedHash(tag: string): TaggedHash {
  const tagHash = sha256(utf8(tag))
  const prefix = concat(tagHash, tagHash)
  return (...parts) => sha256(concatBriefly(prefix, ...parts))
}
