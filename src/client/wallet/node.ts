import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fromHex, isZero, toHex } from '../../crypto/bytes.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import { isScalar } from '../../crypto/scalar.ts'
import { unixSeconds } from '../../wire/amount.ts'
import type { Home, HomeOptions } from './home.ts'
import type { PayingWalletOptions } from './options.ts'
import { openWallet, type PayingWallet } from './payingWallet.ts'

/**
 * Opens a wallet whose journal is a file that this process has to itself, and whose account is made at the first start.
 *
 * ```ts
 * const w = await wallet({ bank: 'https://bank.example', budget: { request: '0.05', day: '5' } })
 * const response = await w.fetch('https://api.example/joke')
 * ```
 */
export async function wallet(options: PayingWalletOptions): Promise<PayingWallet> {
  const home = await openHome(options)
  try {
    return await openWallet(options, { home, now, random })
  } catch (error) {
    await home.journal.close()
    throw error
  }
}

/** The journal and the key, made where there are none. */
async function openHome({ store = defaultStore(), account }: HomeOptions): Promise<Home> {
  const path = store.replace(/^sqlite:/, '')
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const key =
    account instanceof Uint8Array ? account : readOrMakeKey(account ?? keyFileBeside(path), account === undefined)
  if (!isScalar(key) || isZero(key)) throw new TypeError('account: expected a secret key of 32 bytes')
  const { openJournal } = await import('../journal/open.ts')
  return { journal: await openJournal({ path }), account: Schnorr.keyPair(key) }
}

/** `wallet.db` → `wallet.key`. */
function keyFileBeside(path: string): string {
  return `${path.replace(/\.db$/, '')}.key`
}

function defaultStore(): string {
  return join(homedir(), '.lockstep', 'wallet.db')
}

function readOrMakeKey(path: string, mayMake: boolean): Uint8Array {
  if (mayMake) {
    try {
      // Never over one that is there: it is the only way to the deposit.
      writeFileSync(path, `${toHex(freshKey())}\n`, { mode: 0o600, flag: 'wx', flush: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  const hex = readFileSync(path, 'utf8').trim()
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new TypeError(`${path} holds no secret key: 64 hex digits were expected`)
  return fromHex(hex)
}

function freshKey(): Uint8Array {
  let secret = random(32)
  while (!isScalar(secret) || isZero(secret)) secret = random(32)
  return secret
}

function now(): ReturnType<typeof unixSeconds> {
  return unixSeconds(BigInt(Math.floor(Date.now() / 1000)))
}

function random(size: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(size))
}
