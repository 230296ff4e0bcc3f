import { execFile } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Transfer } from '../../src/bank/ledger.ts'
import type { Change, Conflict } from '../../src/bank/store/contract.ts'
import { migrations } from '../../src/bank/store/schema.ts'
import { sqliteBankStore } from '../../src/bank/store/sqlite.ts'
import { fromHex } from '../../src/crypto/bytes.ts'
import { applicationId } from '../../src/sqlite/look.ts'
import { StoreError } from '../../src/sqlite/open.ts'
import { amountMax } from '../../src/wire/amount.ts'
import { account, bytesOf, must, now, vendorKey } from '../protocol/world.ts'
import { asset, buy, claimOf, openWorld, propose } from './channels.ts'
import { contents, openBank, openFundedBank, query, temporaryPath } from './support.ts'

const ann = account.publicKey

describe('the schema', () => {
  test('says of every column what it holds', () => {
    const path = temporaryPath()
    openBank({ path })
    const tables = query(path, `SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL`)
    expect(tables.length).toBeGreaterThan(7)
    for (const { name, sql } of tables) {
      const columns = query(path, `SELECT name FROM pragma_table_info('${String(name)}')`)
      for (const column of columns) {
        const line = String(sql)
          .split('\n')
          .find((one) => one.trim().startsWith(`${String(column.name)} `))
        expect(line, `${String(name)}.${String(column.name)}`).toMatch(/-- \S/)
      }
    }
  })

  test('starts every key with its shard, and has neither triggers nor sequences', () => {
    const path = temporaryPath()
    openBank({ path })
    const keys = query(
      path,
      `SELECT DISTINCT t.name AS "table", (SELECT name FROM pragma_index_info(i.name) WHERE seqno = 0) AS first
         FROM pragma_table_list t JOIN pragma_index_list(t.name) i WHERE t.schema = 'main' AND t.type = 'table'`,
    )
    expect(keys.length).toBeGreaterThan(7)
    for (const key of keys) expect(['shard', 'log']).toContain(key.first)
    const links = query(
      path,
      `SELECT f."from" FROM pragma_table_list t JOIN pragma_foreign_key_list(t.name) f WHERE seq = 0 AND t.schema = 'main'`,
    )
    expect(new Set(links.map(({ from }) => from))).toEqual(new Set(['shard']))
    expect(query(path, `SELECT * FROM sqlite_schema WHERE type = 'trigger' OR sql LIKE '%AUTOINCREMENT%'`)).toEqual([])
  })

  test.each([
    ['a balance below zero', `INSERT INTO balances VALUES (0, 'account', zeroblob(32), 'USD/6', -1)`],
    ['a movement of nothing', `UPDATE transfers SET amount = 0`],
    ['a movement of half a unit', `UPDATE transfers SET amount = 0.5`],
    ['a transfer of no entry', `UPDATE transfers SET reference = zeroblob(32)`],
    ['an entry that vanishes', `DELETE FROM entries`],
    ['a reputation above 100', `UPDATE reputation SET score = 101`],
    ['a channel closed without a claim', `UPDATE channels SET status = 'closed'`],
    [
      'a split that is not the funds',
      `UPDATE channels SET status = 'closed', close = x'00', basis = 'proven', closed_at = 1, settled = 1, refund = 1`,
    ],
    ['an open channel with a settlement', `UPDATE channels SET settled = 1`],
    ['a channel key of another channel', `UPDATE channels SET channel_key = zeroblob(32)`],
    ['a change of reputation of nobody', `UPDATE reputation SET account = zeroblob(32)`],
    [
      'an expired channel that paid its vendor',
      `UPDATE channels SET status = 'expired', closed_at = 1, settled = 1, refund = funds - 1`,
    ],
    ['an expired channel that kept something', `UPDATE channels SET status = 'expired', closed_at = 1, refund = 1`],
    [
      'a record of no channel',
      `INSERT INTO records VALUES (0, zeroblob(32), zeroblob(269), zeroblob(32), 1, NULL, NULL)`,
    ],
    [
      'two batches on their way',
      `INSERT INTO batches (shard, batch, root, leaf_count, made_at) VALUES (0, 1, zeroblob(32), 1, 1), (0, 2, zeroblob(32), 1, 1)`,
    ],
  ])('cannot hold %s', async (_, sql) => {
    const { bank, path } = await openFundedBank()
    must(await bank.open(propose('one').bytes))
    must(await bank.open(propose('two').bytes))
    const db = new DatabaseSync(path, { enableForeignKeyConstraints: true })
    expect(() => db.exec(sql)).toThrow(/constraint|cannot store/)
    db.close()
  })
})

describe('a store of the version before', () => {
  test('keeps its accounts, money, channels and records, and gets everything that is new', async () => {
    const path = temporaryPath()
    const { terms, channelId } = propose('old')
    const db = new DatabaseSync(path)
    for (const sql of migrations.slice(0, 2)) db.exec(sql)
    const hex = (bytes: Uint8Array): string => `x'${Buffer.from(bytes).toString('hex')}'`
    const [client, vendor, id, zero] = [hex(ann), hex(vendorKey.publicKey), hex(channelId), 'zeroblob(32)']
    const open = [now + 4_200n, hex(terms), zero, 'zeroblob(64)', 'zeroblob(64)', now].join()
    db.exec(`PRAGMA application_id = ${applicationId('bank')}; PRAGMA user_version = 2;
      INSERT INTO accounts VALUES (0, ${client}, 77, ${now}), (0, ${vendor}, 60, ${now});
      INSERT INTO commands VALUES (0, ${client}, zeroblob(16), ${zero}, x'07', ${now});
      INSERT INTO entries VALUES (0, 'deposit', ${zero}, ${now}), (0, 'open', ${id}, ${now + 1n});
      INSERT INTO transfers VALUES
        (0, 'deposit', ${zero}, 0, '${asset}', 200000, 'outside', ${client}, 'account', ${client}),
        (0, 'open', ${id}, 0, '${asset}', 100000, 'account', ${client}, 'channel', ${id});
      INSERT INTO balances VALUES (0, 'outside', ${client}, '${asset}', -200000), (0, 'account', ${client}, '${asset}', 100000),
        (0, 'channel', ${id}, '${asset}', 100000);
      INSERT INTO channels VALUES (0, ${id}, ${zero}, ${client}, ${vendor}, '${asset}', 100000, ${open}, 'open', NULL, NULL, NULL,
        NULL, NULL);`)
    db.close()

    const { bank, setClock } = openBank({ path })
    expect(await bank.balance(ann, asset)).toEqual({ ok: true, balance: 100_000n })
    expect(await bank.status(channelId)).toMatchObject({ status: 'open', funds: 100_000n })
    expect(await bank.reputation(ann, { before: undefined, limit: 9 })).toEqual({
      score: 77,
      changes: [{ number: 1, change: { cause: 'registered', at: now, score: 77 } }],
    })
    expect(await bank.journal(ann, { before: undefined, limit: 9 })).toMatchObject([
      { kind: 'open', amount: -100_000n, at: now + 1n },
      { kind: 'deposit', amount: 200_000n, at: now },
    ])
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
    // Its grace counts from its deadline: longer than agreed, never shorter.
    await setClock(now + 4_201n)
    expect(await bank.expire()).toBe(0)
    await setClock(now + 4_801n)
    expect(await bank.expire()).toBe(1)
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
    expect(query(path, `SELECT name FROM sqlite_schema WHERE name LIKE 'old%'`)).toEqual([])
  })
})

describe('a commit', () => {
  const accountOf = (name: string): Change => ({
    kind: 'account',
    account: { account: bytesOf(name), reputation: 60, registeredAt: now },
  })

  test('writes all of its changes or none', async () => {
    const { store, path } = openBank()
    expect(await store.commit([accountOf('one')])).toEqual({ ok: true })
    const before = contents(path)
    const refused = await store.commit([accountOf('two'), accountOf('one'), accountOf('three')])
    expect(refused).toEqual({ ok: false, conflict: 'AccountExists' })
    expect(contents(path)).toEqual(before)
    expect(await store.commit([accountOf('two'), accountOf('three')])).toEqual({ ok: true })
  })

  test('that fails on a bug leaves the store as it was, and usable', async () => {
    const { store, path } = openBank()
    const before = contents(path)
    const broken: Change = {
      kind: 'account',
      account: { account: new Uint8Array(3), reputation: 60, registeredAt: now },
    }
    await expect(store.commit([accountOf('one'), broken])).rejects.toThrow('constraint')
    expect(contents(path)).toEqual(before)
    expect(await store.commit([accountOf('one')])).toEqual({ ok: true })
  })

  test('meets each of its guards, and then writes nothing', async () => {
    const { bank, store, path } = await openFundedBank(amountMax - 5n)
    const world = await openWorld(bank, 'one')
    const other = must(await bank.open(propose('two').bytes))
    must(await bank.close(claimOf(world)))
    await bank.record()
    const closed = (await store.channel(world.client.channelId))!
    const { channelId } = propose('two')
    const open = (await store.channel(channelId))!
    const batch = (await store.recordedBatch(1))!
    const { record } = (await store.record(closed.channelId))!
    const clock = (await store.clock())!
    const ending = { disputed: false, releaseProven: false, reviewed: false, version: 1 }
    const proof = { reference: bytesOf('p'), cause: 'equivocation', amount: 0n, at: now } as const
    const command = {
      account: ann,
      id: bytesOf('two command', 16),
      bodyHash: bytesOf('b'),
      answer: other.opened,
      validUntil: now,
    }
    const owner = ann
    const outside = { place: 'outside', owner } as const
    const mine = { place: 'account', owner } as const
    const entryOf = (amount: bigint, from: Transfer['from'], to: Transfer['to']): Change => {
      const transfers = [{ asset, amount, from, to }]
      return { kind: 'entry', entry: { kind: 'deposit', reference: bytesOf('d'), transfers }, at: now }
    }
    const before = contents(path)
    const guarded: readonly (readonly [Conflict, Change])[] = [
      ['AccountExists', { kind: 'account', account: { account: ann, reputation: 1, registeredAt: now } }],
      ['CommandExists', { kind: 'command', command }],
      ['EntryExists', { kind: 'entry', entry: { kind: 'open', reference: channelId, transfers: [] }, at: now }],
      ['BalanceTooLow', entryOf(amountMax, mine, { place: 'transit', owner })],
      ['BalanceTooLow', entryOf(1n, { place: 'transit', owner }, mine)],
      ['AssetFull', entryOf(6n, outside, mine)],
      ['ChannelExists', { kind: 'open', channel: open, at: now }],
      ['ChannelExists', { kind: 'open', channel: { ...open, channelId: bytesOf('new') }, at: now }],
      ['ChannelNotOpen', { kind: 'close', channelId: closed.channelId, closing: closed.closing!, at: now }],
      ['ChannelNotOpen', { kind: 'close', channelId: bytesOf('none'), closing: closed.closing!, at: now }],
      ['TooManyChannels', { kind: 'open', channel: { ...open, channelId: bytesOf('new') }, at: now, openMax: 1 }],
      ['EndingChanged', { kind: 'close', channelId, closing: closed.closing!, at: now, ending: 1 }],
      ['EndingChanged', { kind: 'ending', channelId, ending: { ...ending, version: 2 }, status: 'open' }],
      ['EndingChanged', { kind: 'ending', channelId, ending, status: 'expired' }],
      ['ChannelNotOpen', { kind: 'expire', channelId: closed.channelId, at: now }],
      ['ClockMoved', { kind: 'clock', clock: { ...clock, beats: clock.beats } }],
      ['ClockMoved', { kind: 'clock', clock: { ...clock, beats: clock.beats + 2 } }],
      ['RecordPlaced', { kind: 'rerecord', channelId: closed.channelId, record, leaf: bytesOf('leaf') }],
      ['WithdrawalNotPending', { kind: 'paidOut', reference: bytesOf('none'), at: now }],
      ['ProofExists', { kind: 'proof', channelId, proof, evidence: bytesOf('e'), judged: 1n }],
      ['RecordExists', { kind: 'record', channelId: closed.channelId, record, leaf: bytesOf('leaf'), at: now }],
      ['BatchExists', { kind: 'batch', batch: batch.batch, channelIds: [], at: now }],
      [
        'RecordNotQueued',
        { kind: 'batch', batch: { ...batch.batch, number: 2 }, channelIds: [closed.channelId], at: now },
      ],
      ['BatchNotPending', { kind: 'recorded', batch, at: now }],
    ]
    for (const [conflict, change] of guarded) {
      expect(await store.commit([accountOf('new'), change])).toEqual({ ok: false, conflict })
      expect(contents(path), conflict).toEqual(before)
    }
    // The last units that fit, posted once.
    const last = entryOf(5n, outside, mine)
    expect(await store.commit([last])).toEqual({ ok: true })
    expect(await store.commit([last])).toEqual({ ok: false, conflict: 'EntryExists' })
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })
})

describe('the audit view', () => {
  test.each([
    ['balance is not the sum of its postings', `UPDATE balances SET balance = balance + 1 WHERE place = 'account'`],
    ['balance is not the sum of its postings', `DELETE FROM balances WHERE place = 'account'`],
    ['channel does not hold its funds', `UPDATE balances SET balance = 0 WHERE place = 'channel'`],
    ['channel does not hold its funds', `UPDATE channels SET funds = funds + 1`],
    ['money is in no channel that is known', `DELETE FROM channels`],
    ['settled channel was not paid out', `INSERT INTO balances VALUES (0, 'transit', zeroblob(32), 'USD/6', 1)`],
    [
      'vendor was not paid what was settled',
      `UPDATE channels SET status = 'closed', close = x'00', basis = 'proven', closed_at = 1, settled = 1, refund = funds - 1`,
    ],
    ['client did not get the refund', `UPDATE channels SET status = 'expired', refund = funds, closed_at = 1`],
    [
      'debtor has money',
      `INSERT INTO debts SELECT 0, zeroblob(32), owner, owner, asset, 1, 1, 1 FROM balances WHERE place = 'account'`,
    ],
    [
      'overcharge was neither returned nor is owed',
      `INSERT INTO proofs SELECT 0, channel_id, zeroblob(32), 'overcharge', x'00', 1, 1 FROM channels`,
    ],
    [
      'withdrawal is not in the journal',
      `INSERT INTO withdrawals VALUES (0, zeroblob(32), zeroblob(32), 'USD/6', 1, zeroblob(32), 1, NULL)`,
    ],
    ['asset does not add up to zero', `INSERT INTO balances VALUES (0, 'account', zeroblob(32), 'USD/6', 1)`],
  ])('shows that a %s', async (fault, sql) => {
    const { bank, path } = await openFundedBank()
    must(await bank.open(propose('one').bytes))
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
    const db = new DatabaseSync(path)
    db.exec(sql)
    db.close()
    expect(query(path, 'SELECT fault FROM imbalances').map((row) => row.fault)).toContain(fault)
  })
})

describe('a store', () => {
  test('keeps everything when it is closed and opened', async () => {
    const { bank, path } = await openFundedBank()
    const world = await openWorld(bank, 'one')
    const { bytes } = propose('two')
    const { opened } = must(await bank.open(bytes))
    buy(world, 4)
    const claim = claimOf(world)
    const settlement = await bank.close(claim)
    await bank.record()
    const proof = await bank.proof(world.client.channelId)
    const before = contents(path)
    await bank.stop()

    const again = openBank({ path }).bank
    expect(contents(path)).toEqual(before)
    expect(must(await again.open(bytes)).opened).toEqual(opened)
    expect(await again.close(claim)).toEqual(settlement)
    expect(await again.proof(world.client.channelId)).toEqual(proof)
    expect(await again.record()).toEqual([])
    expect(contents(path)).toEqual(before)
  })

  test('keeps what was acknowledged when its process is killed', async () => {
    const path = temporaryPath()
    const program = fileURLToPath(new URL('./killed.ts', import.meta.url))
    const killed = promisify(execFile)(process.execPath, [program, path])
    const { stdout, signal } = await killed.then(
      (result) => ({ ...result, signal: 'none' }),
      (error: { readonly stdout: string; readonly signal: string }) => error,
    )
    expect(signal).toBe('SIGKILL')
    const { opened, settled } = JSON.parse(stdout) as { readonly opened: string; readonly settled: string }
    const { bank } = openBank({ path })
    expect(must(await bank.open(propose('acknowledged').bytes)).opened).toEqual(fromHex(opened))
    expect(await bank.balance(vendorKey.publicKey, asset)).toEqual({ ok: true, balance: BigInt(settled) })
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
    expect(await bank.record()).toHaveLength(1)
  })

  test('waits for the disk at every commit', async () => {
    const { path } = openBank()
    expect(query(path, 'PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }])
    expect(readFileSync(join(import.meta.dirname, '../../src/sqlite/open.ts'), 'utf8')).toContain('synchronous = FULL')
  })

  test('of a newer version is not opened, and not touched', async () => {
    const { bank, path } = await openFundedBank()
    await bank.stop()
    const db = new DatabaseSync(path)
    db.exec(`PRAGMA user_version = ${migrations.length + 1}`)
    db.close()
    const before = readFileSync(path)
    expect(() => sqliteBankStore(path)).toThrow(StoreError)
    expect(() => sqliteBankStore(path)).toThrow(/newer/)
    expect(readFileSync(path)).toEqual(before)
  })

  test('of another role is not opened', () => {
    const path = temporaryPath('vendor.sqlite')
    const db = new DatabaseSync(path)
    db.exec('PRAGMA application_id = 1; PRAGMA user_version = 1')
    db.close()
    expect(() => sqliteBankStore(path)).toThrow(/not a bank's store/)
  })

  test('that is no database is not opened', () => {
    const path = temporaryPath()
    writeFileSync(path, 'accounts,balances\n'.repeat(100))
    expect(() => sqliteBankStore(path)).toThrow(StoreError)
    expect(() => sqliteBankStore(path)).toThrow(/no SQLite database/)
  })

  test('in a folder that is not there says so', () => {
    expect(() => sqliteBankStore(join(temporaryPath(), 'none', 'bank.sqlite'))).toThrow(/folder exist/)
  })

  test('that is damaged refuses with advice, and what it can still read is right', async () => {
    const { bank, path } = await openFundedBank()
    for (let number = 0; number < 20; number++) must(await bank.open(propose(`${number}`).bytes))
    await bank.stop()
    const copy = temporaryPath('copy.sqlite')
    copyFileSync(path, copy)
    const bytes = readFileSync(copy)
    // Pages of rows: the schema is whole.
    const pages = query(path, `SELECT rootpage FROM sqlite_schema WHERE name IN ('commands', 'channels')`)
    for (const { rootpage } of pages) bytes.fill(0xa5, (Number(rootpage) - 1) * 4096, Number(rootpage) * 4096)
    writeFileSync(copy, bytes)
    const { bank: damaged } = openBank({ path: copy })
    const attempts = await Promise.allSettled(
      Array.from({ length: 20 }, (_, number) => damaged.open(propose(`${number}`).bytes)),
    )
    const errors = attempts.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
    expect(errors.length).toBeGreaterThan(0)
    for (const error of errors) {
      expect(error).toBeInstanceOf(StoreError)
      expect(String(error)).toMatch(/restore a backup/)
    }
  })
})
