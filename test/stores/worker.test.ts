import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import type { Runner } from '../../src/sql/program.ts'
import { StoreError } from '../../src/sql/storeError.ts'
import { compact } from '../../src/sqlite/messages.ts'
import { runInWorker } from '../../src/sqlite/worker.ts'
import { alter, query, temporaryPath } from './files.ts'

const stores: Runner[] = []

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})

async function open(path: string): Promise<Runner> {
  const store = await runInWorker({ path, tasks: new URL('./counter.ts', import.meta.url) })
  stores.push(store)
  return store
}

describe('a store in a thread of its own', () => {
  test.each([
    ['in memory', () => ':memory:'],
    ['in a file', () => temporaryPath()],
  ])('works %s', async (_, path) => {
    const store = await open(path())
    expect(await store.run('add', [7n, new Uint8Array([1, 2])])).toBe(7n)
    expect(await store.run('add', [2n ** 62n, new Uint8Array([3])])).toBe(2n ** 62n + 7n)
    expect(await store.run('list', [])).toEqual([new Uint8Array([1, 2]), new Uint8Array([3])])
  })

  test('lets a read see every commit that was called for before it', async () => {
    const store = await open(temporaryPath())
    const sums = await Promise.all(Array.from({ length: 20 }, () => store.run('add', [1n, new Uint8Array(1)])))
    expect(sums).toEqual(Array.from({ length: 20 }, (_, at) => BigInt(at + 1)))
  })

  test('never holds up the loop while it waits', async () => {
    const store = await open(':memory:')
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 1)
    await store.run('wait', [300])
    clearInterval(timer)
    expect(turns).toBeGreaterThan(30)
  })

  test('answers what was asked before it is closed, and nothing afterwards', async () => {
    const path = temporaryPath()
    const store = await open(path)
    const asked = Array.from({ length: 50 }, () => store.run('add', [1n, new Uint8Array(1)]))
    await store.close()
    expect((await Promise.all(asked)).at(-1)).toBe(50n)
    await expect(store.run('list', [])).rejects.toMatchObject({ fault: 'closed' })
    await store.close()
    expect(query(path, 'SELECT count(*) AS count FROM counts')).toEqual([{ count: 50n }])
  })

  test('passes on what is wrong with its file, with its fault and cause', async () => {
    const path = temporaryPath()
    alter(path, 'CREATE TABLE notes (note)')
    const error = await open(path).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(StoreError)
    expect(error).toMatchObject({ fault: 'foreign', message: expect.stringContaining(path) as string })

    const store = await open(temporaryPath())
    const full = await store.run('fill', []).catch((caught: unknown) => caught)
    expect(full).toBeInstanceOf(StoreError)
    expect(full).toMatchObject({ fault: 'full', cause: { message: expect.stringMatching(/full/) as string } })
  })

  test('passes on a bug as what it is, and goes on', async () => {
    const store = await open(temporaryPath())
    const bug = await store.run('fail', []).catch((caught: unknown) => caught)
    expect(bug).not.toBeInstanceOf(StoreError)
    expect(bug).toMatchObject({ name: 'RangeError', message: 'a bug' })
    expect(String((bug as Error).stack)).toContain('counter.ts')
    expect(await store.run('add', [1n, new Uint8Array(1)])).toBe(1n)
  })

  test('takes no argument that cannot cross, and goes on', async () => {
    const store = await open(temporaryPath())
    await expect(store.run('add', [1n, () => undefined])).rejects.toThrow(/could not be cloned/)
    expect(await store.run('add', [1n, new Uint8Array(1)])).toBe(1n)
  })

  test('answers those that were called at once each by itself, and has written all that did not fail', async () => {
    const path = temporaryPath()
    const store = await open(path)
    const outcomes = await Promise.allSettled([
      store.run('wait', [50]),
      store.run('add', [1n, new Uint8Array(1)]),
      store.run('fail', []),
      store.run('add', [2n, new Uint8Array(1)]),
      store.run('takeBack', [5n]),
      store.run('add', [4n, new Uint8Array(1)]),
    ])
    expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : 'failed'))).toEqual([
      undefined,
      1n,
      'failed',
      3n,
      'taken back',
      7n,
    ])
    await store.close()
    expect(query(path, 'SELECT sum(count) AS sum FROM counts')).toEqual([{ sum: 7n }])
  })

  test('fails all that share a commit which fails, and none before or after', async () => {
    const path = temporaryPath()
    const store = await open(path)
    await store.run('add', [1n, new Uint8Array(1)])
    const shared = await Promise.allSettled([
      store.run('wait', [50]),
      store.run('add', [2n, new Uint8Array(1)]),
      store.run('spoil', []),
      store.run('add', [4n, new Uint8Array(1)]),
    ])
    expect(shared.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected'])
    expect(await store.run('add', [8n, new Uint8Array(1)])).toBe(9n)
    await store.close()
    expect(query(path, 'SELECT sum(count) AS sum FROM counts')).toEqual([{ sum: 9n }])
  })

  test('that dies says that an outcome is unknown, and the next call finds out', async () => {
    const store = await open(temporaryPath())
    await store.run('add', [1n, new Uint8Array(1)])
    const doubtful = store.run('die', [])
    await expect(doubtful).rejects.toMatchObject({ fault: 'outcomeUnknown', passes: true })
    expect(await store.run('add', [1n, new Uint8Array(1)])).toBe(2n)
  })

  test('in memory that dies does not start again as an empty one', async () => {
    const store = await open(':memory:')
    await expect(store.run('die', [])).rejects.toMatchObject({ fault: 'outcomeUnknown' })
    await expect(store.run('list', [])).rejects.toMatchObject({ fault: 'closed' })
  })

  test('does not keep a process alive that has nothing left to do', async () => {
    const program = `
      const { runInWorker } = await import(${JSON.stringify(new URL('../../src/sqlite/worker.ts', import.meta.url).href)})
      const store = await runInWorker({ path: ':memory:', tasks: new URL(${JSON.stringify(new URL('./counter.ts', import.meta.url).href)}) })
      await store.run('list', [])`
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`))
    const code = await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))
    expect(code).toBe(0)
  })
})

describe('what crosses', () => {
  test('is copied where it shows a small part of its buffer, and left as it is otherwise', () => {
    const pool = new ArrayBuffer(65_536)
    const view = new Uint8Array(pool, 100, 3).fill(5)
    const own = new Uint8Array(32)
    const message = [{ own, list: [1n, 'a', undefined, null], deep: { own } }]
    expect(compact(message)).toBe(message)
    const small = compact([{ own, deep: { view } }])
    expect(small).toEqual([{ own, deep: { view } }])
    expect(small[0]!.own).toBe(own)
    expect(small[0]!.deep.view.buffer.byteLength).toBe(3)
    expect(compact([undefined])).toEqual([undefined])
  })
})
