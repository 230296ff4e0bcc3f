import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { backupBank, restoreBank } from '../../src/bank/store/backup.ts'
import { postgresBankStore } from '../../src/bank/store/postgres.ts'
import { sqliteBankStore } from '../../src/bank/store/sqlite.ts'
import { backupJournal, restoreJournal } from '../../src/client/journal/backup.ts'
import { openJournal } from '../../src/client/journal/open.ts'
import { openPostgresJournal } from '../../src/client/journal/postgres.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { tablesOf } from '../../src/sqlite/copy.ts'
import { backupVendor, restoreVendor } from '../../src/vendor/store/backup.ts'
import { postgresVendorStore } from '../../src/vendor/store/postgres.ts'
import { schema as vendorSchema } from '../../src/vendor/store/schema.ts'
import { sqliteVendorStore } from '../../src/vendor/store/sqlite.ts'
import { unixSeconds } from '../../src/wire/amount.ts'
import { now } from '../protocol/world.ts'
import { answers, script } from './bankScript.ts'
import { alter, query, temporaryPath } from './files.ts'
import { paymentOf, proposed, state } from './journalChannels.ts'
import { usePostgres } from './postgres.ts'
import { channelNamed, paidUpTo, payment } from './vendorChannels.ts'

const server = usePostgres()

describe('a bank’s store', () => {
  test('is the same after a backup and a restore, from either database into either', async () => {
    const [path, copy, again, third] = [temporaryPath(), temporaryPath(), temporaryPath(), temporaryPath()]
    const store = sqliteBankStore(path)
    for (const { changes } of script()) await store.commit(changes)
    const expected = await answers(store)

    // While the bank runs.
    await backupBank(path, copy)
    const restored = temporaryPath()
    await restoreBank(copy, restored)
    expect(await answers(sqliteBankStore(restored))).toEqual(expected)

    const url = await server.createDatabase()
    await restoreBank(copy, { url })
    const onServer = postgresBankStore({ url })
    expect(await answers(onServer)).toEqual(expected)
    const audit = 'SELECT fault, place, owner, asset, found, expected FROM imbalances ORDER BY fault, owner'
    expect(await server.query(url, `SET search_path = lockstep_bank; ${audit}`)).toEqual(query(path, audit))
    await backupBank({ url }, again)
    await restoreBank(again, third)
    expect(await answers(sqliteBankStore(third))).toEqual(expected)
    await onServer.close()
    await store.close()
  })
})

describe('a vendor’s store', () => {
  test('keeps every row, of as many parts as it takes, and remembers that it was restored', async () => {
    const [path, copy, restored] = [temporaryPath(), temporaryPath(), temporaryPath()]
    const store = sqliteVendorStore(path)
    const channel = paidUpTo(channelNamed('one'), 1300, { phase: 'closed' })
    const payments = Array.from({ length: 1300 }, (_, at) => payment(channel, at + 1))
    await store.commit({ channels: [channel], payments })
    await store.bury(new Uint8Array(32), now)
    await store.acquire({ channelId: channel.channelId, node: 'a', now, ttl: 5 })
    expect(await store.restoredAt()).toBeUndefined()

    await backupVendor(path, copy)
    await restoreVendor(copy, restored, now)
    const again = sqliteVendorStore(restored)
    expect(await again.restoredAt()).toBe(now)
    expect(await again.cores(channel.channelId, 1300)).toEqual(payments.map(({ core }) => core))
    const url = await server.createDatabase()
    const later = unixSeconds(now + 1n)
    await restoreVendor(copy, { url }, later)
    const onServer = postgresVendorStore({ url })
    expect(await onServer.restoredAt()).toBe(later)
    expect(await onServer.channel(channel.channelId.subarray(0, 16))).toEqual(
      await store.channel(channel.channelId.subarray(0, 16)),
    )
    expect(await onServer.tombstone(new Uint8Array(16))).toBe(now)
    for (const open of [store, again, onServer]) await open.close()
  })
})

describe('a client’s journal', () => {
  test('comes without its secrets, signs nothing on what is in it, and has its receipts', async () => {
    const [path, copy, restored] = [temporaryPath(), temporaryPath(), temporaryPath()]
    const journal = await openJournal({ path, inThread: true })
    const channel = proposed('one')
    await journal.propose(channel)
    await journal.commit(channel.channelId, state(1), [paymentOf(1)])
    await expect(backupJournal(path, copy)).rejects.toMatchObject({ fault: 'busy' })
    expect(existsSync(copy)).toBe(false)
    await journal.close()

    await backupJournal(path, copy)
    const bytes = readFileSync(copy).toString('hex')
    for (const secret of [channel.channelKey, channel.channelSeed]) expect(bytes).not.toContain(toHex(secret))
    expect(bytes).toContain(toHex(channel.channelId))

    await restoreJournal(copy, restored)
    const again = await openJournal({ path: restored, inThread: true })
    expect(await again.channels()).toEqual([])
    expect(await again.retired()).toMatchObject([{ channelId: channel.channelId, state: state(1) }])
    expect(await again.payments(channel.channelId)).toEqual([paymentOf(1)])
    await again.propose(proposed('two'))
    expect(await again.channels()).toHaveLength(1)
    await again.close()
  })

  test('put back over the newest one retires its channels, keys or not', async () => {
    const [path, copy] = [temporaryPath(), temporaryPath()]
    const first = await openJournal({ path, inThread: true })
    await first.propose(proposed('one'))
    await first.close()
    await backupJournal(path, copy)
    await expect(restoreJournal(copy, path)).rejects.toMatchObject({ fault: 'foreign' })
    const next = await openJournal({ path, inThread: true })
    expect(await next.channels()).toHaveLength(1)
    await next.close()
  })

  test('on PostgreSQL belongs to whoever opened it last', async () => {
    const url = await server.createDatabase()
    const generationPath = temporaryPath('generation')
    const first = await openPostgresJournal({ url, generationPath })
    await first.propose(proposed('one'))
    const second = await openPostgresJournal({ url, generationPath })
    expect(second).toMatchObject({ generation: 2n, stale: undefined })
    await expect(first.commit(proposed('one').channelId, state(1), [paymentOf(1)])).rejects.toMatchObject({
      fault: 'held',
    })
    await second.commit(proposed('one').channelId, state(1), [paymentOf(1)])
    await first.close()
    await second.close()
    const elsewhere = await openPostgresJournal({ url, generationPath: temporaryPath('generation') })
    expect(elsewhere.stale).toMatch(/copy/)
    await elsewhere.close()
  })
})

describe('a copy', () => {
  test('is one file that its user alone may read, and so is a store', async () => {
    const [path, copy] = [temporaryPath(), temporaryPath()]
    const store = sqliteVendorStore(path)
    await backupVendor(path, copy)
    expect(readdirSync(dirname(copy))).toHaveLength(1)
    for (const file of [path, copy, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600)
    await store.close()
  })

  test('is never written over, nor made of what is none', async () => {
    const [path, copy] = [temporaryPath(), temporaryPath()]
    const store = sqliteVendorStore(path)
    await store.bury(new Uint8Array(32), now)
    await backupVendor(path, copy)
    const before = readFileSync(copy)
    await expect(backupVendor(path, copy)).rejects.toMatchObject({ fault: 'foreign' })
    await expect(restoreVendor(copy, path, now)).rejects.toMatchObject({ fault: 'foreign' })
    expect(readFileSync(copy)).toEqual(before)

    await expect(backupVendor(temporaryPath(), temporaryPath())).rejects.toMatchObject({
      message: expect.stringMatching(/no store/) as string,
    })
    await expect(backupBank(path, temporaryPath())).rejects.toMatchObject({ fault: 'foreign' })
    const url = await server.createDatabase()
    await expect(backupVendor({ url }, temporaryPath())).rejects.toMatchObject({
      message: expect.stringMatching(/no store/) as string,
    })
    await restoreVendor(copy, { url }, now)
    await expect(restoreVendor(copy, { url }, now)).rejects.toMatchObject({ fault: 'foreign' })
    await store.close()
  })

  test('of an older version is not made: the store is migrated first', async () => {
    const [path, copy] = [temporaryPath(), temporaryPath()]
    await sqliteVendorStore(path).close()
    alter(path, 'PRAGMA user_version = 1')
    await expect(backupVendor(path, copy)).rejects.toMatchObject({
      message: expect.stringMatching(/migrate first/) as string,
    })
    expect(existsSync(copy)).toBe(false)
  })

  test('that cannot be finished leaves nothing behind', async () => {
    const [path, copy] = [temporaryPath(), temporaryPath()]
    const store = sqliteVendorStore(path)
    await store.commit({ channels: [channelNamed('one')], payments: [] })
    await store.close()
    // A row that no store would take.
    alter(path, `PRAGMA ignore_check_constraints = ON; UPDATE channels SET phase = 'lost'`)
    await expect(backupVendor(path, copy)).rejects.toThrow(/constraint/)
    expect(readdirSync(dirname(copy))).toEqual([])
  })

  test('has its tables after those that they refer to', () => {
    const names = tablesOf(vendorSchema).map(({ name }) => name)
    expect(names.indexOf('channels')).toBeLessThan(names.indexOf('segments'))
    expect(names.indexOf('channels')).toBeLessThan(names.indexOf('packs'))
    const path = temporaryPath()
    void sqliteVendorStore(path)
    expect(query(path, `SELECT count(*) AS tables FROM sqlite_schema WHERE type = 'table'`)).toEqual([
      { tables: BigInt(names.length) },
    ])
  })
})
