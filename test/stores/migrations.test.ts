import { describe, expect, test } from 'vitest'
import { runOnPostgres } from '../../src/postgres/index.ts'
import { change, type Tasks, type Values } from '../../src/sql/program.ts'
import type { Schema } from '../../src/sql/schema.ts'
import { runInThread } from '../../src/sqlite/run.ts'
import { schema } from '../../src/vendor/store/schema.ts'
import { tasks, vendorStore } from '../../src/vendor/store/tasks.ts'
import { deadlineOf } from '../../src/vendor/store/writes.ts'
import { temporaryPath } from './files.ts'
import { usePostgres } from './postgres.ts'
import { channelNamed, paidUpTo, payment } from './vendorChannels.ts'

const server = usePostgres()
const second: Schema = { ...schema, migrations: schema.migrations.slice(0, 2) }

/** Puts a row where a program of version 2 would have. */
const insert: Tasks = {
  insert: {
    mode: 'write',
    *steps(table: string, row: Values) {
      const names = Object.keys(row)
      yield* change(
        `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map((name) => `:${name}`).join(', ')})`,
        row,
      )
    },
  },
}

describe.each([
  [
    'SQLite',
    async () => {
      const path = temporaryPath()
      return { old: runInThread(path, second, insert), open: () => runInThread(path, schema, tasks) }
    },
  ],
  [
    'PostgreSQL',
    async () => {
      const url = await server.createDatabase()
      return { old: runOnPostgres({ url }, second, insert), open: () => runOnPostgres({ url }, schema, tasks) }
    },
  ],
])('a vendor’s store of version 2 on %s', (_, make) => {
  test('has all that it had, after it was migrated', async () => {
    const { old, open } = await make()
    const channel = paidUpTo(channelNamed('one'), 1)
    const answer = { status: 200, headers: [], body: new Uint8Array([1]) }
    const paid = payment(channel, 1, { answer })
    const place = { shard: channel.channelId[0]!, channel_id: channel.channelId }
    await old.run('insert', [
      'channels',
      {
        ...place,
        reference: channel.channelId.slice(0, 16),
        terms: channel.terms,
        commitment: channel.commitment,
        bank_grant: channel.grant,
        phase: channel.phase,
        strikes: 0,
        paid: channel.paid,
        spent: channel.spent,
        contiguous: 1,
        transcript: channel.transcript,
        amount: channel.amount,
        deadline: deadlineOf(channel.terms),
      },
    ])
    const { coin, step } = channel.segments[0]!
    await old.run('insert', ['segments', { ...place, number: 0, step, coin }])
    const { digest, core, status } = paid
    const answered = { answer_status: 200, answer_headers: '[]', answer_body: answer.body }
    await old.run('insert', [
      'payments',
      { ...place, number: 1, segment: 0, amount: paid.amount, digest, core, status, charged: 10n, ...answered },
    ])
    await old.close()

    const store = vendorStore(open())
    expect(await store.channel(channel.channelId.subarray(0, 16))).toEqual(channel)
    expect(await store.payment(channel.channelId, 1)).toEqual(paid)
    await store.commit({ channels: [paidUpTo(channel, 2)], payments: [payment(channel, 2)] })
    expect(await store.cores(channel.channelId, 2)).toHaveLength(2)
    await store.close()
  })
})
