import type * as Schnorr from '../../crypto/Schnorr.ts'
import type { WalletJournal } from '../journal/contract.ts'

/**
 * Where a wallet lives: its journal, which this process has to itself and whose age is known, and the account's key. Node.js
 * keeps them in files (`node.ts`), a page in IndexedDB.
 */
export interface Home {
  readonly journal: WalletJournal
  readonly account: Schnorr.KeyPair
}

export interface HomeOptions {
  readonly store?: string | undefined
  readonly account?: string | Uint8Array | undefined
}
