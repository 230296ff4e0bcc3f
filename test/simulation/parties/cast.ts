import { utf8 } from '../../../src/crypto/bytes.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import * as Schnorr from '../../../src/crypto/Schnorr.ts'

/** The keys of the cast. The same in every world: who they are does not matter to any law. */
export interface Identity {
  /** Account, and of a vendor its settlement key. */
  readonly key: Schnorr.KeyPair
  /** Of a vendor. */
  readonly frameKey: Schnorr.KeyPair
  /** O_C or O_V. */
  readonly identity: Uint8Array
}

const known = new Map<string, Identity>()

export function identityOf(party: string): Identity {
  const made = known.get(party)
  if (made !== undefined) return made
  const secret = (what: string): Uint8Array => sha256(utf8(`${party} ${what}`))
  const identity = {
    key: Schnorr.keyPair(secret('account')),
    frameKey: Schnorr.keyPair(secret('frames')),
    identity: secret('identity'),
  }
  known.set(party, identity)
  return identity
}

export const asset = 'USD/6'
export const network = 'lockstep:simulation'

export function urlOf(party: string): string {
  return `http://${party}`
}
