import { taggedHash } from '../crypto/hash.ts'
import * as Schnorr from '../crypto/Schnorr.ts'
import type { UnixSeconds } from './amount.ts'
import { kinds, sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { bytes, constant, layout, timeField } from './layout.ts'
import type { Parsed } from './parsed.ts'
import * as Terms from './Terms.ts'

/**
 * An account's command to open a channel: Design 3.1 and 3.8. It binds bank and network through the terms. Sent again
 * it gets the same answer; the same id with another body is refused. 529 bytes.
 */
export interface Open {
  readonly account: Uint8Array
  /** Chosen by the account, new for each command. */
  readonly id: Uint8Array
  readonly validUntil: UnixSeconds
  /** Encoded terms, 344 bytes. */
  readonly terms: Uint8Array
  /** The channel key's signature on the channel id: who proposes a key holds it. */
  readonly channelSignature: Uint8Array
  /** By the account, over everything before it. */
  readonly signature: Uint8Array
}

/** The bank's answer, identical on repetition. */
export interface Opened {
  /** σ_0. For the client alone until Close. */
  readonly receipt: Uint8Array
  /** c_0. */
  readonly commitment: Uint8Array
  /** γ. */
  readonly grant: Uint8Array
}

const open: Layout<Open & { readonly kind: number }> = layout('open', {
  kind: constant(kinds.open),
  account: bytes(sizes.key),
  id: bytes(sizes.salt),
  validUntil: timeField,
  terms: bytes(Terms.size),
  channelSignature: bytes(sizes.signature),
  signature: bytes(sizes.signature),
})

const opened: Layout<Opened> = layout('opened', {
  receipt: bytes(sizes.receipt),
  commitment: bytes(sizes.commitment),
  grant: bytes(sizes.signature),
})

const hashOpen = taggedHash('lockstep/open')
const hashChannelKey = taggedHash('lockstep/channel-key')

export const size: number = open.size
export const openedSize: number = opened.size

export function encode(value: Open): Uint8Array<ArrayBuffer> {
  return open.encode({ ...value, kind: kinds.open })
}

export function parse(input: Uint8Array): Parsed<Open & { readonly agreed: Terms.Terms }> {
  const outer = open.parse(input)
  if (!outer.ok) return outer
  const agreed = Terms.parse(outer.value.terms)
  return agreed.ok ? { ok: true, value: { ...outer.value, agreed: agreed.value } } : agreed
}

export function sign(
  keys: { readonly account: Schnorr.KeyPair; readonly channel: Schnorr.KeyPair },
  body: Pick<Open, 'id' | 'validUntil' | 'terms'>,
): Open {
  const channelSignature = Schnorr.sign(keys.channel, hashChannelKey(Terms.channelId(body.terms)))
  const unsigned = { ...body, account: keys.account.publicKey, channelSignature }
  return { ...unsigned, signature: Schnorr.sign(keys.account, digest(unsigned)) }
}

/** Both signatures: the account's over the command, the channel key's over the channel id. */
export function verify(value: Open & { readonly agreed: Terms.Terms }): boolean {
  return (
    Schnorr.verify({ publicKey: value.account, digest: digest(value), signature: value.signature }) &&
    Schnorr.verify({
      publicKey: value.agreed.channelKey,
      digest: hashChannelKey(Terms.channelId(value.terms)),
      signature: value.channelSignature,
    })
  )
}

export function encodeOpened(value: Opened): Uint8Array<ArrayBuffer> {
  return opened.encode(value)
}

export function parseOpened(input: Uint8Array): Parsed<Opened> {
  return opened.parse(input)
}

function digest(value: Omit<Open, 'signature'>): Uint8Array {
  const encoded = encode({ ...value, signature: new Uint8Array(sizes.signature) })
  return hashOpen(encoded.subarray(0, size - sizes.signature))
}
