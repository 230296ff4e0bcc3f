import { DatabaseSync } from 'node:sqlite'
import type { Query } from './audit.ts'

/** Where the bank and the vendors of a run keep their books. */
export interface Books {
  /** By process, where they are on a server. */
  readonly databases?: Readonly<Record<string, string>>
  readonly query: Query
  /** Kills the server under everybody and starts it again; nothing where there is none. */
  killServer(): Promise<void>
  readonly hasServer: boolean
  remove(): Promise<void>
}

/** A file for each process. */
export function sqliteBooks(folder: string): Books {
  return {
    hasServer: false,
    killServer: async () => undefined,
    remove: async () => undefined,
    async query(name, sql) {
      const db = new DatabaseSync(`${folder}/${name}.db`, { readOnly: true })
      try {
        const statement = db.prepare(sql)
        statement.setReadBigInts(true)
        return statement.all() as Record<string, unknown>[]
      } finally {
        db.close()
      }
    },
  }
}

/** A real PostgreSQL server with a database for each process. */
export async function postgresBooks(names: readonly string[]): Promise<Books> {
  // Loaded here: the server's package is not needed for files.
  const { startPostgres } = await import('../stores/postgresServer.ts')
  const server = await startPostgres()
  const databases: Record<string, string> = {}
  for (const name of names) databases[name] = await server.createDatabase()
  const schemaOf = (name: string): string => (name === 'bank' ? 'lockstep_bank' : 'lockstep_vendor')
  return {
    databases,
    hasServer: true,
    query: (name, sql) => server.query(`${databases[name]!}?options=-c%20search_path%3D${schemaOf(name)}`, sql),
    async killServer() {
      await server.kill()
      await server.start()
    },
    remove: () => server.remove(),
  }
}
