import { fromHex, isZero, toHex } from '../../crypto/bytes.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import { isScalar } from '../../crypto/scalar.ts'
import type { WalletJournal } from '../journal/contract.ts'
import { openIndexedDbJournal } from '../journal/indexedDb.ts'
import { freshKey, now, random } from './chance.ts'
import type { PayingWalletOptions } from './options.ts'
import { openWallet, type PayingWallet } from './payingWallet.ts'

/**
 * Opens a wallet in a page: its journal is in IndexedDB, for this page alone while it is open, and its account is made at the
 * first start. `store` names the database, `account` is a secret key of 64 hex digits.
 *
 * ```ts
 * const w = await wallet({ bank: 'https://bank.example', budget: { request: '0.05', day: '5' } })
 * const response = await w.fetch('https://api.example/joke')
 * ```
 */
export async function wallet(options: PayingWalletOptions): Promise<PayingWallet> {
  const { store, account } = options
  const journal = await openIndexedDbJournal(store === undefined ? {} : { name: store })
  try {
    const key = Schnorr.keyPair(account === undefined ? await keyIn(journal) : secretOf(account))
    return await openWallet(options, { home: { journal, account: key }, now, random })
  } catch (error) {
    await journal.close()
    throw error
  }
}

/** The account's key, kept where the channels' secrets are. */
async function keyIn(journal: WalletJournal): Promise<Uint8Array> {
  const known = await journal.recall(noteName)
  if (known !== undefined) return secretOf(known)
  const secret = freshKey()
  await journal.note(noteName, toHex(secret))
  return secret
}

const noteName = 'account'

function secretOf(account: string | Uint8Array): Uint8Array {
  const hex = typeof account === 'string' && /^[0-9a-f]{64}$/.test(account) ? fromHex(account) : account
  if (typeof hex === 'string' || !isScalar(hex) || isZero(hex)) {
    throw new TypeError('account: expected a secret key, 64 hex digits or 32 bytes')
  }
  return hex
}
