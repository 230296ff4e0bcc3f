import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openVendorStore, postgresVendorStore, type VendorDatabase } from '../src/vendor/index.ts'
import { startPostgres } from '../test/stores/postgresServer.ts'

export type StoreKind = 'sqlite' | 'postgres'

/** A vendor's store as a service opens it, every commit synced. */
export interface OpenedStore {
  readonly database: VendorDatabase
  /** A folder on the same disk. */
  readonly folder: string
  /** Bytes that were written to disk since it was opened; `undefined` where the system does not say. */
  bytesWritten(): Promise<number | undefined>
  close(): Promise<void>
}

export async function openStore(kind: StoreKind): Promise<OpenedStore> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-bench-'))
  const store = kind === 'sqlite' ? await openSqlite(folder) : await openPostgres()
  return {
    ...store,
    folder,
    async close() {
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function openSqlite(folder: string): Promise<Omit<OpenedStore, 'folder'>> {
  const database = await openVendorStore(join(folder, 'vendor.db'))
  return { database, bytesWritten: async () => bytesOfProcess(), close: () => database.close() }
}

async function openPostgres(): Promise<Omit<OpenedStore, 'folder'>> {
  const server = await startPostgres()
  const url = await server.createDatabase()
  const database = postgresVendorStore({ url })
  return {
    database,
    // Its log alone: when the tables themselves are written is the server's affair.
    async bytesWritten() {
      const [row] = await server.query(url, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS written")
      return Number(row!.written)
    },
    async close() {
      await database.close()
      await server.remove()
    },
  }
}

/** What this process has had written, its threads included: the log and, from time to time, the tables. */
function bytesOfProcess(): number | undefined {
  const path = '/proc/self/io'
  const found = existsSync(path) ? /^write_bytes: (\d+)$/m.exec(readFileSync(path, 'utf8')) : null
  return found === null ? undefined : Number(found[1])
}
