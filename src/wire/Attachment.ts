import * as Schnorr from '../crypto/Schnorr.ts'
import { kinds, sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { bytes, constant, layout } from './layout.ts'
import type { Parsed } from './parsed.ts'
import * as Terms from './Terms.ts'
import { grantDigest } from './Transaction.ts'

/** What shows a vendor a channel it has not met: terms, `c_0` and `γ`. 441 bytes, first use only. */
export interface Attachment {
  /** Encoded terms, 344 bytes. */
  readonly terms: Uint8Array
  /** c_0. */
  readonly commitment: Uint8Array
  /** γ. */
  readonly grant: Uint8Array
}

const attachment: Layout<Attachment & { readonly kind: number }> = layout('attachment', {
  kind: constant(kinds.attachment),
  terms: bytes(Terms.size),
  commitment: bytes(sizes.commitment),
  grant: bytes(sizes.signature),
})

export const size: number = attachment.size

export function encode(value: Attachment): Uint8Array<ArrayBuffer> {
  return attachment.encode({ ...value, kind: kinds.attachment })
}

export function parse(input: Uint8Array): Parsed<Attachment & { readonly agreed: Terms.Terms }> {
  const outer = attachment.parse(input)
  if (!outer.ok) return outer
  const agreed = Terms.parse(outer.value.terms)
  return agreed.ok ? { ok: true, value: { ...outer.value, agreed: agreed.value } } : agreed
}

/** Whether `γ` is the signature of the bank that the terms name. Whether to trust that bank is the vendor's choice. */
export function verify(value: Attachment & { readonly agreed: Terms.Terms }): boolean {
  return Schnorr.verify({
    publicKey: value.agreed.bank,
    digest: grantDigest(Terms.channelId(value.terms), value.commitment),
    signature: value.grant,
  })
}
