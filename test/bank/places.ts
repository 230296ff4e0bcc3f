/** Several processes of one bank on one database, each behind a server of its own: SQLite and PostgreSQL. */

import { afterEach } from 'vitest'
import { serveBank } from '../../src/bank/server.ts'
import { type Bank, type BankDeps, createBank } from '../../src/bank/service.ts'
import type { BankStore } from '../../src/bank/store/contract.ts'
import { postgresBankStore } from '../../src/bank/store/postgres.ts'
import { openBankStore } from '../../src/bank/store/sqlite.ts'
import { openLog } from '../../src/chain/embedded.ts'
import { concat, u32, utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { unixSeconds } from '../../src/wire/amount.ts'
import { bankKey, now } from '../protocol/world.ts'
import type { PostgresServer } from '../stores/postgresServer.ts'
import { network, rules } from './channels.ts'
import { query, temporaryPath } from './support.ts'

export interface Place {
  open(): Promise<BankStore>
  /** Runs SQL beside the banks, as an auditor does. */
  sql(sql: string): Promise<readonly Record<string, unknown>[]>
}

export interface Kind {
  readonly name: string
  make(): Promise<Place>
}

export function kindsOf(server: PostgresServer): readonly Kind[] {
  return [
    {
      name: 'SQLite',
      async make() {
        const path = temporaryPath()
        return { open: () => openBankStore(path), sql: async (sql) => query(path, sql) }
      },
    },
    {
      name: 'PostgreSQL',
      async make() {
        const url = await server.createDatabase()
        return {
          open: async () => postgresBankStore({ url }),
          sql: (sql) => server.query(url, `SET search_path = lockstep_bank; ${sql}`),
        }
      },
    },
  ]
}

export interface Branch {
  readonly place: Place
  readonly banks: readonly Bank[]
  readonly urls: readonly string[]
  /** Lets time pass until then, for all of them. */
  setClock(to: bigint): Promise<void>
}

const running: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of running.splice(0).reverse()) await close()
})

/** So many processes of one bank, and servers for them. */
export async function openBranch(kind: Kind, processes: number, given: Partial<BankDeps> = {}): Promise<Branch> {
  const place = await kind.make()
  let wall = now
  let seconds = 0n
  const banks: Bank[] = []
  const urls: string[] = []
  for (let number = 0; number < processes; number++) {
    const store = await place.open()
    const clock = (): typeof now => wall
    let drawn = 0
    const bank = createBank({
      store,
      key: bankKey,
      rules,
      now: clock,
      monotonic: () => seconds,
      chain: openLog({ store: store.log, key: bankKey, now: clock }, { network }),
      random: (size) => sha256(concat(utf8(`process ${number}`), u32(drawn++))).slice(0, size),
      ...given,
    })
    running.push(() => bank.stop())
    banks.push(bank)
    const server = await serveBank(bank, { senderOf: () => undefined })
    running.push(() => server.close())
    urls.push(server.url)
  }
  await banks[0]!.beat()
  return {
    place,
    banks,
    urls,
    async setClock(to) {
      const stride = given.clockRules?.jumpMax ?? 60n
      while (wall < to) {
        const step = to - wall < stride ? to - wall : stride
        seconds += step
        wall = unixSeconds(wall + step)
        await banks[0]!.beat()
      }
    },
  }
}
