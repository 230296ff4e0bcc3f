/** A bank with a real store in a folder of its own. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach } from 'vitest'
import { type Bank, type BankDeps, createBank } from '../../src/bank/service.ts'
import type { BankStore } from '../../src/bank/store/contract.ts'
import { sqliteBankStore } from '../../src/bank/store/sqlite.ts'
import type { Chain } from '../../src/chain/Chain.ts'
import { openLog } from '../../src/chain/embedded.ts'
import { concat, u32, utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import type { Bank as Decide, Reason, Refusal } from '../../src/protocol/index.ts'
import { type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import { account, bankKey, must, now, vendorKey } from '../protocol/world.ts'
import { asset, network, rules } from './channels.ts'

export interface TestBank {
  readonly bank: Bank
  readonly store: BankStore
  /** The store's file. */
  readonly path: string
  /** Lets time pass until then, and the bank's clock with it, as far at a time as counts as uptime: a minute. */
  setClock(to: bigint): Promise<void>
  /** Sets the system's clock alone: time did not pass. */
  jump(to: bigint): void
}

let processes = 0
const cleanups: (() => void)[] = []

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

/** A path in a folder that goes when the test ends. */
export function temporaryPath(name = 'bank.sqlite'): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-bank-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, name)
}

export interface BankOptions extends Partial<BankDeps> {
  readonly path?: string
  /** What the bank gets in place of its embedded chain. */
  readonly wrapChain?: (chain: Chain) => Chain
}

export function openBank(options: BankOptions = {}): TestBank {
  const { path = temporaryPath(), wrapChain = (chain) => chain, ...given } = options
  const { store = sqliteBankStore(path), key = bankKey } = given
  let clock: UnixSeconds = now
  let seconds = 0n
  const deps = {
    store,
    key,
    rules,
    now: () => clock,
    monotonic: () => seconds,
    chain: wrapChain(openLog({ store: store.log, key, now: () => clock }, { network })),
    random: counted(`${path} ${processes++}`),
    ...given,
  }
  const bank = createBank(deps)
  let closed = false
  const close = store.close.bind(store)
  store.close = async () => {
    if (closed) return
    closed = true
    await close()
  }
  cleanups.push(() => void store.close())
  return {
    bank,
    store,
    path,
    async setClock(to) {
      const stride = given.clockRules?.jumpMax ?? 60n
      while (clock < to) {
        const step = to - clock < stride ? to - clock : stride
        seconds += step
        clock = unixSeconds(clock + step)
        await bank.beat()
      }
    },
    jump: (to) => {
      clock = unixSeconds(to)
    },
  }
}

/** A bank at which client and vendor have accounts, the client's with `funds`. */
export async function openFundedBank(funds = 10_000_000n, options: BankOptions = {}): Promise<TestBank> {
  const test = openBank(options)
  must(await test.bank.register(account.publicKey))
  must(await test.bank.register(vendorKey.publicKey))
  must(await test.bank.deposit(account.publicKey, asset, funds))
  return test
}

/** A clock that counts an hour between two beats: for tests of days. */
export const coarseClock: Decide.BankClock.ClockRules = { jumpMax: 3_600n, gapMax: 7_200n, forgetAfter: 21_600n }

/** Reads the file beside the bank, as an auditor would. */
export function query(path: string, sql: string): readonly Record<string, unknown>[] {
  const db = new DatabaseSync(path, { readOnly: true, readBigInts: true })
  try {
    return db.prepare(sql).all()
  } finally {
    db.close()
  }
}

/** Every row of every table but the clock, which goes on whatever happens. */
export function contents(path: string): Readonly<Record<string, unknown>> {
  const tables = query(path, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'clock' ORDER BY name`)
  return Object.fromEntries(tables.map(({ name }) => [name, query(path, `SELECT * FROM "${String(name)}"`)]))
}

export function reasonOf(result: Refusal | { readonly ok: true }): Reason | 'ok' {
  return result.ok ? 'ok' : result.reason
}

/** Bytes that differ at each call, the same in each run. */
function counted(label: string): (size: number) => Uint8Array {
  let calls = 0
  return (size) => sha256(concat(utf8(label), u32(calls++))).slice(0, size)
}
