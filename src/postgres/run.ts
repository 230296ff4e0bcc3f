import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import type { Runner, Task, Tasks } from '../sql/program.ts'
import type { MigrationPlan, Schema } from '../sql/schema.ts'
import { StoreError } from '../sql/storeError.ts'
import { type Connection, connectPool, type PostgresOptions } from './driver.ts'
import { codeOf, explained, isBroken, isRetryable, isTerminated } from './explained.ts'
import { migrate, type Place, placeFor, planMigrations } from './migrate.ts'
import { CommitLost, runOn } from './session.ts'

/**
 * Runs a role's tasks on a PostgreSQL server. It connects and migrates when the first task comes, and again whenever it has
 * to: a server that is away makes tasks fail, with its reason, until it is back.
 */
export function runOnPostgres(options: PostgresOptions, schema: Schema, tasks: Tasks): Runner {
  return new PostgresRunner(options, schema, tasks)
}

/** What the first task would do to the server. Changes nothing. */
export async function planPostgresMigrations(options: PostgresOptions, schema: Schema): Promise<MigrationPlan> {
  const where = placeFor(options, schema)
  const pool = await connectPool(options, where.name)
  try {
    return await withConnection(pool, where, (connection) => planMigrations(connection, where, schema))
  } catch (error) {
    throw explained(error, where.place)
  } finally {
    await pool.end()
  }
}

/** How often a transaction is run before it is given up, where the database asks for it to be run again. */
const attemptsMax = 12
/** How often a connection is tried that broke before anything could be committed: those of a restarted server all do. */
const reconnectsMax = 5
/** For how long the outcome of a commit is asked after. */
const doubtMs = 10_000

class PostgresRunner implements Runner {
  readonly #options: PostgresOptions
  readonly #schema: Schema
  readonly #tasks: Tasks
  readonly #where: Place
  #ready: Promise<Pool> | undefined
  #isClosed = false
  readonly #running = new Set<Promise<unknown>>()
  /** Transactions whose outcome nobody knows yet. While there is one, nothing is read or written. */
  readonly #doubts = new Set<string>()

  constructor(options: PostgresOptions, schema: Schema, tasks: Tasks) {
    this.#options = options
    this.#schema = schema
    this.#tasks = tasks
    this.#where = placeFor(options, schema)
  }

  async run(name: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#isClosed) throw new StoreError(`${this.#where.place} was closed`, { fault: 'closed' })
    const running = this.#attempt(this.#tasks[name]!, args)
    this.#running.add(running)
    try {
      return await running
    } catch (error) {
      throw explained(error, this.#where.place)
    } finally {
      this.#running.delete(running)
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await Promise.allSettled(this.#running)
    const pool = await this.#ready?.catch(() => undefined)
    await pool?.end()
  }

  async #attempt({ mode, steps }: Task, args: readonly unknown[]): Promise<unknown> {
    for (let attempts = 1, reconnects = 0; ; ) {
      try {
        const pool = await this.#prepare()
        for (const transaction of this.#doubts) await this.#outcomeOf(transaction, pool)
        return await withConnection(pool, this.#where, (connection) =>
          runOn(connection, steps(...(args as never[])), mode),
        )
      } catch (error) {
        if (error instanceof CommitLost) await this.#assertAborted(error)
        else if (isRetryable(error) && attempts < attemptsMax) {
          // Apart from each other, or they meet again.
          await sleep(Math.random() * 2 ** Math.min(attempts, 7))
        } else if (!(isTerminated(error) || codeOf(error) === readOnlyTransaction) || reconnects++ >= reconnectsMax) {
          throw error
        }
        attempts += 1
      }
    }
  }

  /**
   * Resolves where a transaction whose commit was not answered has not happened; asks until the server is back, within bounds. That it
   * has cannot be known from its number: a server that was killed gives the numbers of what it lost to others. See decision 115.
   */
  async #assertAborted({ transaction, cause }: CommitLost): Promise<void> {
    this.#doubts.add(transaction)
    const { place } = this.#where
    for (const end = Date.now() + doubtMs; Date.now() < end; await sleep(100)) {
      try {
        const outcome = await this.#outcomeOf(transaction, await this.#prepare())
        if (outcome === 'aborted') return
        break
      } catch (error) {
        // The server is not back yet.
        if (!(error instanceof StoreError && error.passes) && !isBroken(error)) throw error
      }
    }
    throw new StoreError(
      `${place}: the connection broke during a commit. Whether it happened is unknown: read before trying again.`,
      {
        cause,
        fault: 'outcomeUnknown',
      },
    )
  }

  /** `undefined` where the server does not know: it is another one, or all too much has happened since. */
  async #outcomeOf(transaction: string, pool: Pool): Promise<'committed' | 'aborted' | undefined> {
    const ask = async (connection: Connection): Promise<string | undefined> => {
      const { rows } = await connection.query<{ readonly status: string | null }>(
        'SELECT pg_xact_status($1::text::xid8) AS status',
        [transaction],
      )
      return rows[0]?.status ?? undefined
    }
    for (;;) {
      const status = await withConnection(pool, this.#where, ask).catch((error: unknown) => {
        if (codeOf(error) === transactionInTheFuture) return undefined
        throw error
      })
      if (status !== 'in progress') {
        this.#doubts.delete(transaction)
        return status === 'committed' || status === 'aborted' ? status : undefined
      }
      // The server has not noticed yet that nobody waits for it.
      await sleep(20)
    }
  }

  /** The pool, once the store is migrated. */
  #prepare(): Promise<Pool> {
    this.#ready ??= this.#connect().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  async #connect(): Promise<Pool> {
    const pool = await connectPool(this.#options, this.#where.name)
    try {
      await withConnection(pool, this.#where, (connection) => migrate(connection, this.#where, this.#schema))
      return pool
    } catch (error) {
      await pool.end()
      throw error
    }
  }
}

/** The code of an argument that cannot be right. */
const transactionInTheFuture = '22023'
/** What a connection may do is settled when it is made: another one shows whether the server takes writes again. */
const readOnlyTransaction = '25006'

async function withConnection<T>(
  pool: Pool,
  { place }: Place,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await pool.connect().catch((error: unknown) => {
    throw explained(error, place)
  })
  let isUsable = true
  try {
    return await work(connection)
  } catch (error) {
    isUsable = !(error instanceof CommitLost || isBroken(error) || codeOf(error) === readOnlyTransaction)
    throw error
  } finally {
    connection.release(!isUsable)
  }
}
