import {
  all,
  change,
  type Program,
  type Row,
  type Runner,
  type Task,
  type Tasks,
  type Value,
  type Values,
} from '../../../src/sql/program.ts'
import type { Schema } from '../../../src/sql/schema.ts'
import { StoreError } from '../../../src/sql/storeError.ts'
import { SqliteRunner } from '../../../src/sqlite/run.ts'
import type { Outcome, Process, Scheduler } from './scheduler.ts'

/**
 * What is on a party's disk: a real database in memory, so that the guards of the stores are the ones that ship. A crash
 * takes nothing of it; a commit that has not happened yet never came here.
 */
export interface Disk {
  readonly runner: SqliteRunner
  /** Looks at it past the program, as an auditor does. */
  look(sql: string, values?: Values): readonly Row[]
  /** All of it, as it is now. */
  dump(): Image
  /** Puts an older state in the place of this one. */
  load(image: Image): void
}

/** Rows by table. */
export type Image = ReadonlyMap<string, readonly Row[]>

const spares = new Map<string, Disk[]>()
/** Each disk as its migrations made it. */
const freshImages = new WeakMap<Disk, Image>()

/** An empty disk: one that another world has left, or a new one. */
export function takeDisk(schema: Schema): Disk {
  const left = spares.get(schema.role)?.pop()
  if (left !== undefined) {
    left.load(freshImages.get(left)!)
    return left
  }
  const runner = new SqliteRunner(':memory:', schema)
  const perform = <T>(mode: Task['mode'], steps: () => Program<T>): T => runner.run({ mode, steps }, []) as T
  const tables = perform('read', () => all(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid`)).map(
    ({ name }) => name as string,
  )
  const disk: Disk = {
    runner,
    look: (sql, values) => perform('read', () => all(sql, values)),
    dump: () => perform('snapshot', () => dumpAll(tables)),
    load: (image) => perform('write', () => loadAll(tables, image)),
  }
  freshImages.set(disk, disk.dump())
  return disk
}

/** For worlds to come. */
export function leaveDisk(schema: Schema, disk: Disk): void {
  spares.set(schema.role, [...(spares.get(schema.role) ?? []), disk])
}

function* dumpAll(tables: readonly string[]): Program<Image> {
  const image = new Map<string, readonly Row[]>()
  for (const table of tables) image.set(table, yield* all(`SELECT * FROM ${table}`))
  return image
}

function* loadAll(tables: readonly string[], image: Image): Program<void> {
  yield* change('PRAGMA defer_foreign_keys = ON')
  for (const table of tables) yield* change(`DELETE FROM ${table}`)
  for (const [table, rows] of image) {
    for (const row of rows) {
      const names = Object.keys(row)
      const places = names.map((name) => `:${name}`).join(', ')
      yield* change(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${places})`, row as Record<string, Value>)
    }
  }
}

export interface DiskAccess extends Runner {
  /** Commits on their way, in order. A crash may come after some of them. */
  readonly underway: readonly (() => void)[]
}

export interface DiskAccessOptions {
  readonly disk: Disk
  readonly tasks: Tasks
  readonly process: Process
  readonly scheduler: Scheduler
  /** Whether reads wait for their turn, as with a database over a network, or are there at once. */
  readonly slowReads: boolean
  /** One connection: what is asked for happens in its order. */
  readonly inOrder: boolean
  /** Hears of every task that wrote, and of one that a law of the store refused. */
  readonly onCommit: (name: string, args: readonly unknown[], result: unknown) => void
  readonly onFailed?: (name: string) => void
  readonly onFault: (error: unknown) => void
}

/** A program's way to its disk, as long as its process runs: each of its tasks is an effect. */
export function accessDisk(options: DiskAccessOptions): DiskAccess {
  const { disk, tasks, process, scheduler, slowReads, inOrder, onCommit, onFailed, onFault } = options
  const underway: (() => void)[] = []
  const owner = `${process.party}.${process.run}`

  const perform = (name: string, args: readonly unknown[]): unknown => {
    try {
      return disk.runner.run(tasks[name]!, args)
    } catch (error) {
      onFault(error)
      throw error
    }
  }
  const write = (name: string, args: readonly unknown[]): unknown => {
    const result = perform(name, args)
    onCommit(name, args, result)
    return result
  }

  return {
    underway,
    run(name, args) {
      const isRead = ['read', 'snapshot'].includes(tasks[name]!.mode)
      // What was asked for before it comes first, where there is one connection.
      const isFree = !inOrder || underway.length === 0
      if (isRead && !slowReads && isFree) return Promise.resolve().then(() => perform(name, args))
      // As it is now: what its caller changes later is not of this task.
      const given = copy(args)
      const kept = (): void => {
        try {
          write(name, given)
        } catch {
          // Its store refused it, and nobody is there any more to hear of it.
        }
      }
      return new Promise((resolve, reject) => {
        const happen = (outcome: Outcome): void => {
          if (!isRead) underway.splice(underway.indexOf(kept), 1)
          if (outcome === 'failed') {
            onFailed?.(name)
            reject(new StoreError('the disk failed', { fault: 'disk' }))
            return
          }
          try {
            resolve(isRead ? perform(name, given) : write(name, given))
          } catch (error) {
            reject(error)
          }
        }
        if (!isRead) underway.push(kept)
        const kind = isRead ? 'read' : 'commit'
        scheduler.ask({ kind, process, about: name, happen, ...(inOrder && { lane: `${owner} disk` }) })
      })
    },
    close: () => Promise.resolve(),
  }
}

/** A copy that shares nothing with what it was made of. */
function copy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return value.slice() as T
  if (Array.isArray(value)) return value.map(copy) as T
  if (value instanceof Map) return new Map([...value].map(([key, row]) => [copy(key), copy(row)])) as T
  const made: Record<string, unknown> = {}
  for (const name of Object.keys(value)) made[name] = copy((value as Record<string, unknown>)[name])
  return made as T
}
