import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { runOnPostgres } from '../../src/postgres/index.ts'
import type { Runner } from '../../src/sql/program.ts'
import { schema, tasks } from './counter.ts'
import { usePostgres } from './postgres.ts'

const server = usePostgres()
const stores: Runner[] = []
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})

function open(url: string): Runner {
  const store = runOnPostgres({ url }, schema, tasks)
  stores.push(store)
  return store
}

describe('a store on PostgreSQL', () => {
  test('adds up', async () => {
    const store = open(await server.createDatabase())
    expect(await store.run('add', [7n, new Uint8Array([1, 2])])).toBe(7n)
    expect(await store.run('add', [2n ** 62n, new Uint8Array([3])])).toBe(2n ** 62n + 7n)
    expect(await store.run('list', [])).toEqual([new Uint8Array([1, 2]), new Uint8Array([3])])
  })
  test('restart', async () => {
    const store = open(await server.createDatabase())
    await store.run('add', [7n, new Uint8Array([1, 2])])
    await server.kill()
    await expect(store.run('add', [1n, new Uint8Array(0)])).rejects.toMatchObject({ fault: 'unreachable' })
    await server.start()
    expect(await store.run('add', [1n, new Uint8Array(0)])).toBe(8n)
    await sleep(1)
  })
})
