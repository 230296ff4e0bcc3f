import { utf8 } from '../crypto/bytes.ts'
import { taggedHash } from '../crypto/hash.ts'

const hashRequest = taggedHash('lockstep/request')

/**
 * `d_i`: what a payment is for. Covers the method, the public target URI without its fragment, and the `Content-Digest` of
 * the body (RFC 9530) when there is one: `taggedHash("lockstep/request", METHOD ‖ LF ‖ target ‖ LF ‖ contentDigest)`.
 *
 * A WebSocket's target counts with its `http` scheme: it is one resource.
 */
export function requestDigest(request: {
  readonly method: string
  readonly target: string
  readonly contentDigest?: string | undefined
}): Uint8Array {
  const url = new URL(request.target)
  url.hash = ''
  if (url.protocol === 'ws:') url.protocol = 'http:'
  if (url.protocol === 'wss:') url.protocol = 'https:'
  return hashRequest(utf8(`${request.method.toUpperCase()}\n${url.href}\n${request.contentDigest ?? ''}`))
}

/** `Content-Digest` of a body hash: `sha-256=:…:`, RFC 9530. */
export function contentDigest(sha256: Uint8Array): string {
  let binary = ''
  for (const byte of sha256) binary += String.fromCharCode(byte)
  return `sha-256=:${btoa(binary)}:`
}
