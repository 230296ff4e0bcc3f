import { concat } from '../crypto/bytes.ts'
import { taggedHash } from '../crypto/hash.ts'
import * as Schnorr from '../crypto/Schnorr.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import { parseBase64url, toBase64url } from '../wire/base64url.ts'
import { sizes } from '../wire/kinds.ts'
import { bytes, type Layout, layout, timeField } from '../wire/layout.ts'
import { malformed, type Parsed } from '../wire/parsed.ts'

/**
 * Shows a bank, for some minutes, that its account asks: `Authorization: Lockstep <base64url>`. It lets read what is the
 * account's, at this bank alone, and moves nothing: so it may be used again until it ends.
 */
export interface BankQuery {
  readonly account: Uint8Array
  readonly validUntil: UnixSeconds
  readonly signature: Uint8Array
}

/** Seconds that one may be valid. */
export const queryLifeMax = 300n

const query: Layout<BankQuery> = layout('query', {
  account: bytes(sizes.key),
  validUntil: timeField,
  signature: bytes(sizes.signature),
})

const hashQuery = taggedHash('lockstep/query')
const scheme = 'Lockstep '

/** The header's value. */
export function signQuery(
  account: Schnorr.KeyPair,
  { bank, validUntil }: { readonly bank: Uint8Array; readonly validUntil: UnixSeconds },
): string {
  const unsigned = { account: account.publicKey, validUntil, signature: new Uint8Array(sizes.signature) }
  const signature = Schnorr.sign(account, digest(bank, unsigned))
  return scheme + toBase64url(query.encode({ ...unsigned, signature }))
}

export function parseQuery(header: string): Parsed<BankQuery> {
  if (!header.startsWith(scheme)) return malformed('authorization: the scheme here is Lockstep')
  const encoded = parseBase64url(header.slice(scheme.length), query.size)
  return encoded.ok ? query.parse(encoded.value) : encoded
}

/** Whether the account signed it for this bank. */
export function verifyQuery(bank: Uint8Array, value: BankQuery): boolean {
  const { account: publicKey, signature } = value
  return Schnorr.verify({ publicKey, digest: digest(bank, value), signature })
}

function digest(bank: Uint8Array, value: BankQuery): Uint8Array {
  const encoded = query.encode(value)
  return hashQuery(concat(bank, encoded.subarray(0, encoded.length - sizes.signature)))
}
