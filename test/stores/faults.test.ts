import { spawn, spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { postgresVendorStore } from '../../src/vendor/store/postgres.ts'
import { openVendorStore, sqliteVendorStore } from '../../src/vendor/store/sqlite.ts'
import { vendorStore } from '../../src/vendor/store/tasks.ts'
import { alter, temporaryPath } from './files.ts'
import { kindsOf } from './places.ts'
import { usePostgres } from './postgres.ts'
import { channelNamed, paidUpTo, payment } from './vendorChannels.ts'
import { schema, tasks } from './vendorTasks.ts'

const server = usePostgres()
const kinds = kindsOf({ schema, tasks, module: new URL('./vendorTasks.ts', import.meta.url) }, server)
const channel = channelNamed('one')
const reference = channel.channelId.subarray(0, 16)
const batchOf = (last: number): Parameters<ReturnType<typeof vendorStore>['commit']>[0] => ({
  channels: [paidUpTo(channel, last)],
  payments: [payment(channel, last)],
})

describe.each(kinds.slice(0, 2))('a full disk under $name', ({ make }) => {
  test('refuses what does not fit, keeps what it has, reads on, and goes on by itself', async () => {
    const place = await make()
    const runner = await place.open()
    const store = vendorStore(runner)
    await store.commit(batchOf(1))
    await place.fill(runner)
    let stored = 1
    const error = await (async () => {
      for (;;) {
        await store.commit(batchOf(stored + 1))
        stored += 1
      }
    })().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ fault: 'full', passes: true, message: expect.stringMatching(/make room/) as string })
    expect(await store.channel(reference)).toEqual(paidUpTo(channel, stored))
    expect(await store.cores(channel.channelId, 10_000)).toHaveLength(stored)
    await expect(store.commit(batchOf(stored + 1))).rejects.toMatchObject({ fault: 'full' })

    await place.makeRoom(runner)
    await store.commit(batchOf(stored + 1))
    expect(await vendorStore(await place.open()).channel(reference)).toEqual(paidUpTo(channel, stored + 1))
  })
})

describe.each(kinds)('on $name', ({ make }) => {
  test('a store that may only be read refuses writes with the reason, serves reads, and goes on by itself', async () => {
    const place = await make()
    const runner = await place.open()
    const store = vendorStore(runner)
    await store.commit(batchOf(1))
    await place.readOnly(runner)
    await expect(store.commit(batchOf(2))).rejects.toMatchObject({ fault: 'readOnly', passes: true })
    expect(await store.channel(reference)).toEqual(paidUpTo(channel, 1))
    await place.writable(runner)
    await store.commit(batchOf(2))
    expect(await store.channel(reference)).toEqual(paidUpTo(channel, 2))
  })

  test('a store of a newer version is refused, and not touched', async () => {
    const place = await make()
    const runner = await place.open()
    await vendorStore(runner).commit(batchOf(1))
    await runner.close()
    await place.setVersion(99)
    const open = async (): Promise<unknown> => vendorStore(await place.open()).channel(reference)
    await expect(open()).rejects.toMatchObject({ fault: 'newer', passes: false })
    await place.setVersion(schema.migrations.length)
    expect(await open()).toEqual(paidUpTo(channel, 1))
  })
})

describe('SQLite', () => {
  test('that another process holds for too long refuses, and goes on when it is free', async () => {
    const path = temporaryPath()
    const store = sqliteVendorStore(path)
    await store.commit(batchOf(1))
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    await expect(store.commit(batchOf(2))).rejects.toMatchObject({ fault: 'busy', passes: true })
    expect(await store.channel(reference)).toEqual(paidUpTo(channel, 1))
    other.exec('COMMIT')
    other.close()
    await store.commit(batchOf(2))
    await store.close()
  })

  test('whose user may not write serves reads, says what is missing, and writes once the user may', () => {
    if (process.getuid?.() !== 0) return
    const path = temporaryPath()
    sqliteVendorStore(path)
      .close()
      .catch(() => undefined)
    alter(path, 'PRAGMA wal_checkpoint(TRUNCATE)')
    const program = fileURLToPath(new URL('./asNobody.ts', import.meta.url))
    const run = (): unknown => {
      const { stdout, stderr } = spawnSync(process.execPath, [program, path], {
        uid: 65_534,
        gid: 65_534,
        encoding: 'utf8',
      })
      return stdout === '' ? stderr : JSON.parse(stdout)
    }
    chmodSync(dirname(path), 0o777)
    chmodSync(path, 0o444)
    expect(run()).toEqual({ read: 'nothing', write: 'readOnly' })
    for (const end of ['', '-wal', '-shm']) chmodSync(path + end, 0o666)
    expect(run()).toEqual({ read: 'nothing', write: 'done' })
  })

  test('keeps what a thread of its own acknowledged when its process is killed under load', async () => {
    const path = temporaryPath()
    const program = fileURLToPath(new URL('./payUntilKilled.ts', import.meta.url))
    let acknowledged = 0
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
      let text = ''
      child.stdout.on('data', (bytes: Buffer) => {
        text += bytes.toString()
      })
      const target = acknowledged + 20
      const reached = (): number => Number(text.split('\n').at(-2) ?? 0)
      while (reached() < target) await sleep(5)
      const ended = new Promise((resolve) => child.on('exit', resolve))
      child.kill('SIGKILL')
      await ended
      acknowledged = reached()
      const store = await openVendorStore(path)
      const stored = (await store.channel(reference))!
      expect(stored.contiguous).toBeGreaterThanOrEqual(acknowledged)
      expect(stored.spent).toBe(BigInt(stored.contiguous) * 10n)
      expect(await store.cores(channel.channelId, stored.contiguous + 5)).toHaveLength(stored.contiguous)
      await store.close()
    }
  })
})

test('each of the stores is opened by its own name', async () => {
  const url = await server.createDatabase()
  const path = temporaryPath()
  const stores = [
    sqliteVendorStore(':memory:'),
    await openVendorStore(path),
    postgresVendorStore({ url, schema: 'shop' }),
  ]
  for (const store of stores) {
    await store.commit(batchOf(1))
    expect(await store.channel(reference)).toEqual(paidUpTo(channel, 1))
    await store.close()
  }
})
