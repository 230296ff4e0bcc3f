import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import type { Chain, Recorded } from '../../src/chain/Chain.ts'
import { auditLog, type LogStore, openLog } from '../../src/chain/embedded.ts'
import { sqliteLogStore } from '../../src/chain/embeddedSqlite.ts'
import * as LogEntry from '../../src/chain/LogEntry.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import { bank, batchOf, chainErrorOf, changed, memoryLog, network, otherBank } from './support.ts'

const owner = { network, bank: bank.publicKey, log: 0 }
const folder = mkdtempSync(join(tmpdir(), 'lockstep-log-'))

let opened: DatabaseSync[] = []

afterEach(() => {
  for (const database of opened) database.close()
  opened = []
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.each<readonly [string, () => LogStore]>([
  ['in memory', memoryLog],
  ['in SQLite', () => sqliteLogStore(open(':memory:'))],
])('a log %s', (_, create) => {
  test('gives back every batch as it was recorded', async () => {
    const chain = logIn(create())
    expect(await chain.last()).toBe(0)
    for (let number = 1; number <= 3; number++) {
      const recorded = await chain.record(batchOf(number))
      expect(recorded).toMatchObject({ kind: 'embedded', batch: batchOf(number), recordedAt: 1000n })
      expect(await chain.last()).toBe(number)
      expect(await chain.prove(number)).toEqual(recorded)
    }
    expect(await chain.prove(0)).toBeUndefined()
    expect(await chain.prove(4)).toBeUndefined()
  })

  test('records a batch once, however often it is told to', async () => {
    const store = create()
    const first = await logIn(store, { now: 1000n }).record(batchOf(1))
    expect(await logIn(store, { now: 2000n }).record(batchOf(1))).toEqual(first)
    await logIn(store).record(batchOf(2))
    expect(await logIn(store).record(batchOf(1))).toEqual(first)
    expect(await auditLog(store.entries(1), owner)).toEqual({ ok: true, entries: 2 })
  })

  test('refuses another batch under a number that is taken', async () => {
    const chain = logIn(create())
    await chain.record(batchOf(1))
    for (const other of [{ ...batchOf(2), number: 1 }, batchOf(1, 6), { ...batchOf(1), count: 6 }]) {
      const error = await chainErrorOf(chain.record(other), 'BatchDiffers')
      expect(error.outcome).toBe('not-recorded')
    }
    expect(await chain.last()).toBe(1)
  })

  test('refuses a batch after a gap', async () => {
    const chain = logIn(create())
    expect((await chainErrorOf(chain.record(batchOf(2)), 'OutOfOrder')).message).toContain('expects batch 1')
    expect(await chain.last()).toBe(0)
  })

  test('takes batches one after the other when they come at once', async () => {
    const chain = logIn(create())
    const numbers = [1, 2, 3, 4, 5, 5, 1]
    const recorded = await Promise.all(numbers.map((number) => chain.record(batchOf(number))))
    expect(recorded.map(({ batch }) => batch.number)).toEqual(numbers)
    expect(await chain.last()).toBe(5)
  })

  test('reports every batch to a watcher, once and in order, until it stops', async () => {
    const chain = logIn(create())
    await chain.record(batchOf(1))
    await chain.record(batchOf(2))
    const stop = new AbortController()
    const seen: Recorded[] = []
    const watching = (async () => {
      for await (const recorded of chain.watch({ from: 2, signal: stop.signal })) {
        seen.push(recorded)
        if (seen.length === 3) stop.abort()
      }
    })()
    await chain.record(batchOf(3))
    await chain.record(batchOf(4))
    await watching
    expect(seen.map(({ batch }) => batch)).toEqual([batchOf(2), batchOf(3), batchOf(4)])
    await chain.record(batchOf(5))
    expect(seen).toHaveLength(3)
  })

  test('is not continued by another bank, on another network or as another log', async () => {
    const store = create()
    await logIn(store).record(batchOf(1))
    for (const other of [
      logIn(store, { key: otherBank }),
      logIn(store, { network: 'lockstep:other' }),
      logIn(store, { log: 1 }),
    ]) {
      await chainErrorOf(other.record(batchOf(2)), 'Damaged')
      await chainErrorOf(other.prove(1), 'Damaged')
    }
    expect(await logIn(store).last()).toBe(1)
  })

  test('gives an error of its store back, and goes on when the store does', async () => {
    const store = create()
    let full = true
    const chain = logIn({
      ...store,
      append: (sequence, entry) => {
        if (full) throw new Error('disk full')
        return store.append(sequence, entry)
      },
    })
    await expect(chain.record(batchOf(1))).rejects.toThrow('disk full')
    expect(await chain.last()).toBe(0)
    full = false
    await chain.record(batchOf(1))
    expect(await chain.last()).toBe(1)
  })
})

describe('an audit', () => {
  test('finds any byte of any entry that was changed', async () => {
    const store = await logOf(3)
    const good = [...store]
    for (const [at, entry] of good.entries()) {
      for (let offset = 0; offset < LogEntry.size; offset++) {
        const damaged = good.with(at, changed(entry, offset, 1 << (offset % 8)))
        expect(await auditLog(damaged, owner)).toMatchObject({ ok: false, sequence: at + 1 })
      }
    }
    expect(await auditLog(good, owner)).toEqual({ ok: true, entries: 3 })
  })

  test('finds entries that were removed, doubled, put elsewhere or cut', async () => {
    const [a, b, c] = (await logOf(3)) as [Uint8Array, Uint8Array, Uint8Array]
    for (const [entries, sequence] of [
      [[b, c], 1],
      [[a, c], 2],
      [[a, b, b], 3],
      [[b, a, c], 1],
      [[a, c, b], 2],
      [[a, b, c.subarray(1)], 3],
    ] as const) {
      expect(await auditLog(entries, owner)).toMatchObject({ ok: false, sequence })
    }
  })

  test('finds an entry of another log of the same bank', async () => {
    const [first] = (await logOf(2)) as [Uint8Array]
    const elsewhere = await logOf(2, { log: 1 })
    expect(await auditLog([first, elsewhere[1]!], owner)).toMatchObject({ ok: false, sequence: 2 })
    expect(await auditLog(elsewhere, { ...owner, log: 1 })).toMatchObject({ ok: true })
  })

  test('finds a log that was cut short or written anew by the bank itself, with what somebody kept of it', async () => {
    const log = await logOf(3)
    const known = log.map(entryOf)
    expect(await auditLog(log, owner, known)).toEqual({ ok: true, entries: 3 })
    expect(await auditLog(log.slice(0, 2), owner)).toEqual({ ok: true, entries: 2 })
    expect(await auditLog(log.slice(0, 2), owner, known)).toMatchObject({ ok: false, sequence: 3 })
    const anew = await logOf(3, { now: 1001n })
    expect(await auditLog(anew, owner)).toEqual({ ok: true, entries: 3 })
    expect(await auditLog(anew, owner, [known[1]!])).toMatchObject({ ok: false, sequence: 2 })
  })
})

describe('an entry', () => {
  test('is refused with a reason or re-encodes to itself, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2 * LogEntry.size }), bytesOfSize, (any, sized) => {
        for (const bytes of [any, sized]) {
          const parsed = LogEntry.parse(bytes)
          if (parsed.ok) expect(toHex(LogEntry.encode(parsed.value))).toBe(toHex(bytes))
          else expect(parsed.detail).not.toBe('')
        }
      }),
    )
  })
})

describe('SQLite', () => {
  test('keeps logs apart, over a restart, and never takes a number twice', async () => {
    const path = join(folder, 'bank.db')
    const database = open(path)
    const chains = [0, 1].map((log) => logIn(sqliteLogStore(database, log), { log }))
    for (const chain of chains) await chain.record(batchOf(1))
    await chains[0]!.record(batchOf(2))
    database.close()
    opened = []
    const again = open(path)
    const store = sqliteLogStore(again)
    expect(await logIn(store).last()).toBe(2)
    expect(await logIn(sqliteLogStore(again, 1), { log: 1 }).last()).toBe(1)
    expect(() => store.append(2, new Uint8Array(LogEntry.size))).toThrow('UNIQUE')
    expect(() => store.append(3, new Uint8Array(1))).toThrow('CHECK')
  })

  test('reads a log longer than a page', async () => {
    const store = sqliteLogStore(open(':memory:'))
    for (let sequence = 1; sequence <= 600; sequence++)
      await store.append(sequence, new Uint8Array(LogEntry.size).fill(sequence))
    const all: Uint8Array[] = []
    for await (const entry of store.entries(2)) all.push(entry)
    expect(all.map((entry) => entry[0])).toEqual(Array.from({ length: 599 }, (_, index) => (index + 2) % 256))
  })

  test('lets the second of two processes find the batch that the first recorded', async () => {
    const store = sqliteLogStore(open(':memory:'))
    // The other process records between this one's look at the log and its append.
    const late: LogStore = {
      ...store,
      append: async (sequence, entry) => {
        await logIn(store).record(batchOf(1))
        return store.append(sequence, entry)
      },
    }
    const recorded = await logIn(late).record(batchOf(1))
    expect(recorded).toEqual(await logIn(store).prove(1))
    const other = logIn({ ...late, append: (sequence, entry) => store.append(sequence - 1, entry) })
    await expect(other.record(batchOf(2))).rejects.toThrow('UNIQUE')
  })
})

const bytesOfSize = fc.uint8Array({ minLength: LogEntry.size, maxLength: LogEntry.size }).map((bytes) => {
  // Small numbers where large ones are refused at once.
  for (const offset of [0, 72, 80]) bytes.fill(0, offset, offset + 2)
  return bytes
})

function logIn(
  store: LogStore,
  options: { readonly key?: typeof bank; readonly network?: string; readonly log?: number; readonly now?: bigint } = {},
): Chain {
  const now = (): UnixSeconds => unixSeconds(options.now ?? 1000n)
  const { log = 0 } = options
  return openLog({ store, key: options.key ?? bank, now }, { network: options.network ?? network, log, pollMs: 5 })
}

async function logOf(count: number, options: Parameters<typeof logIn>[1] = {}): Promise<readonly Uint8Array[]> {
  const store = memoryLog()
  for (let number = 1; number <= count; number++) await logIn(store, options).record(batchOf(number))
  return store.stored
}

function entryOf(encoded: Uint8Array): LogEntry.LogEntry {
  const parsed = LogEntry.parse(encoded)
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.value
}

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  opened.push(database)
  return database
}
