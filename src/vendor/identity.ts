import { utf8 } from '../crypto/bytes.ts'
import { hkdf } from '../crypto/mac.ts'
import type * as Schnorr from '../crypto/Schnorr.ts'
import { Client } from '../protocol/index.ts'
import type { UnixSeconds } from '../wire/amount.ts'

/**
 * O_V, the same at every start, its salt for nobody else to know: who is shown it can check the commitment. Another one since
 * the store was restored, which tells channels opened before from those opened since.
 */
export function vendorIdentity(
  identity: string,
  { secret }: Schnorr.KeyPair,
  restoredAt: UnixSeconds | undefined,
): Uint8Array {
  const info = utf8(restoredAt === undefined ? '' : `restored at ${restoredAt}`)
  const salt = hkdf({ secret, salt: utf8('lockstep/vendor-identity'), info, length: 32 })
  return Client.commitIdentity(salt, utf8(identity))
}
