/** A PostgreSQL server for the tests of a file. */

import { afterAll, beforeAll } from 'vitest'
import { type PostgresServer, type ServerOptions, startPostgres } from './postgresServer.ts'

/** Starts a server before the tests of this file, and removes it after them. */
export function usePostgres(options: ServerOptions = {}): PostgresServer {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await startPostgres(options)
  })
  afterAll(() => server?.remove())
  const started = (): PostgresServer => server!
  return {
    createDatabase: () => started().createDatabase(),
    query: (url, sql) => started().query(url, sql),
    stop: () => started().stop(),
    start: () => started().start(),
    kill: () => started().kill(),
    remove: () => started().remove(),
  }
}
