import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fromHex, isZero, toHex } from '../../crypto/bytes.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import { isScalar } from '../../crypto/scalar.ts'
import type { OpenedJournal } from '../journal/contract.ts'
import { freshKey, now, random } from './chance.ts'
import type { Home, HomeOptions } from './home.ts'
import type { Platform } from './payingWallet.ts'

/** Where a wallet is kept that names no place. */
export function defaultStore(): string {
  return join(homedir(), '.lockstep', 'wallet.db')
}

/** The journal and the key of a wallet, made where there are none. The journal is this process's alone from here on. */
export async function openHome({
  store = defaultStore(),
  account,
}: HomeOptions): Promise<Home & { readonly journal: OpenedJournal }> {
  const path = store.replace(/^sqlite:/, '')
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const { openJournal } = await import('../journal/open.ts')
  const journal = await openJournal({ path })
  try {
    return { journal, account: Schnorr.keyPair(keyOf(path, account)) }
  } catch (error) {
    await journal.close()
    throw error
  }
}

/** What Node.js gives beside a home. */
export const nodePlatform: Omit<Platform, 'home'> = { now, random }

function keyOf(path: string, account: HomeOptions['account']): Uint8Array {
  // Beside the store: `wallet.db` has `wallet.key`.
  const own = `${path.replace(/\.db$/, '')}.key`
  if (account === undefined) makeKey(own)
  const key = account instanceof Uint8Array ? account : readKey(account ?? own)
  if (key.length !== 32 || !isScalar(key) || isZero(key)) throw new TypeError('account: that is no secret key')
  return key
}

/** Never over one that is there: it is the only way to the deposit. */
function makeKey(path: string): void {
  try {
    writeFileSync(path, `${toHex(freshKey())}\n`, { mode: 0o600, flag: 'wx', flush: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function readKey(path: string): Uint8Array {
  let text: string
  try {
    text = readFileSync(path, 'utf8').trim()
  } catch (cause) {
    const advice = `make one with "lockstep keys ${path} --new", or leave it out`
    throw new TypeError(`account: ${path} cannot be read: ${advice}`, { cause })
  }
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new TypeError(`account: ${path} holds no secret key: 64 hex digits were expected`)
  return fromHex(text)
}
