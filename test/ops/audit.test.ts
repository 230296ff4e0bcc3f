import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { auditBooks } from '../../src/ops/audit/audit.ts'
import { type ExportFormat, exportJournal } from '../../src/ops/audit/exportJournal.ts'
import { type AuditReport, encodeReport, parseReport } from '../../src/ops/audit/report.ts'
import { openBankReader } from '../../src/ops/audit/stores.ts'
import { StoreError } from '../../src/sql/storeError.ts'
import { buy, claimOf, network, openWorld } from '../bank/channels.ts'
import { openFundedBank, temporaryPath } from '../bank/support.ts'
import { bankKey, must, vendorKey } from '../protocol/world.ts'

/** Books with an open channel, two closed ones on the chain, and one that is queued. */
async function openBooks(): Promise<string> {
  const { bank, path } = await openFundedBank()
  for (const [number, label] of ['one', 'two', 'three', 'four'].entries()) {
    const world = await openWorld(bank, label)
    buy(world, number + 1)
    if (number === 0) continue
    must(await bank.close(claimOf(world)))
    if (number === 2) await bank.record()
  }
  await bank.stop()
  return path
}

async function audit(path: string, options: Partial<Parameters<typeof auditBooks>[1]> = {}): Promise<AuditReport> {
  const reader = await openBankReader(path)
  try {
    return await auditBooks(reader, { bank: bankKey.publicKey, network, isDeep: true, ...options })
  } finally {
    await reader.close()
  }
}

/** Does to a file what its program never would. */
function corrupt(path: string, sql: string): void {
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; ${sql}`)
  db.close()
}

describe('an audit', () => {
  test('of right books finds nothing, whoever names the bank', async () => {
    const path = await openBooks()
    for (const owner of [{}, { bank: undefined, network: undefined }, { isDeep: false }]) {
      const report = await audit(path, owner)
      expect(report.faults).toEqual([])
      expect(report).toMatchObject({
        ok: true,
        imbalance: { 'USD/6': 0n },
        counts: { accounts: 2, channelsOpen: 1, channelsEnded: 3, records: 3, recordsQueued: 1, batches: 1 },
      })
      expect(report.totals).toMatchObject([
        {
          asset: 'USD/6',
          deposited: 10_000_000n,
          withdrawn: 0n,
          accounts: 9_900_000n,
          channels: 100_000n,
          transit: 0n,
        },
      ])
    }
  })

  test('of books that nobody has used finds nothing', async () => {
    const path = temporaryPath()
    const { bank } = await openFundedBank(1n, { path })
    await bank.stop()
    expect((await audit(path)).faults).toEqual([])
  })

  test.each([
    [
      'a balance that was raised',
      `UPDATE balances SET balance = balance + 5 WHERE place = 'account' AND balance > 100000`,
      'every balance is the sum of its postings',
    ],
    ['a balance below zero', `UPDATE balances SET balance = -1 WHERE place = 'account'`, 'no balance is below zero'],
    [
      'money moved between two accounts',
      `UPDATE balances SET balance = balance - 60 * (2 * (balance > 100000) - 1) WHERE place = 'account'`,
      'every balance is the sum of its postings',
    ],
    [
      'a transfer that was changed',
      `UPDATE transfers SET amount = amount + 1 WHERE kind = 'open'`,
      'every channel was opened with its funds, by its client',
    ],
    [
      'a transfer that was removed',
      `DELETE FROM transfers WHERE kind = 'credit'`,
      'every balance is the sum of its postings',
    ],
    ['an entry that was removed', `DELETE FROM entries WHERE kind = 'deposit'`, 'every transfer is of an entry'],
    ['an entry that moves nothing', `DELETE FROM transfers WHERE kind = 'deposit'`, 'every entry moves something'],
    [
      'a deposit to a channel',
      `UPDATE transfers SET to_place = 'channel' WHERE kind = 'deposit'`,
      'every entry moves what its kind moves',
    ],
    [
      'funds that were changed',
      `UPDATE channels SET funds = funds - 1, refund = refund - 1 WHERE status = 'closed'`,
      'every channel was opened with its funds, by its client',
    ],
    [
      'a channel that was opened again',
      `UPDATE channels SET status = 'open', close = NULL, settled = NULL, refund = NULL, basis = NULL, closed_at = NULL WHERE settled = 40`,
      'every channel holds its funds while it is open, and nothing afterwards',
    ],
    [
      'a settlement that was changed',
      `UPDATE channels SET settled = settled + 1, refund = refund - 1 WHERE status = 'closed'`,
      'every closed channel was paid out as it was settled',
    ],
    [
      'a record that was removed',
      'DELETE FROM records WHERE batch IS NULL',
      'every closed channel has a record, and no other has one',
    ],
    [
      'a record at another place',
      'UPDATE records SET position = 7 WHERE position = 1',
      'every batch has as many records as it says, at places of their own',
    ],
    [
      'a batch that is missing',
      'UPDATE batches SET batch = 2; UPDATE records SET batch = 2 WHERE batch = 1',
      'batches are numbered without gaps',
    ],
    [
      'terms that were changed',
      `UPDATE channels SET terms = zeroblob(344) WHERE status = 'open'`,
      'every channel is what its terms say, granted by the bank',
    ],
    [
      'a deadline that was changed',
      'UPDATE channels SET deadline = deadline + 1',
      'every channel is what its terms say, granted by the bank',
    ],
    [
      'a grant that was changed',
      'UPDATE channels SET bank_grant = zeroblob(64)',
      'every channel is what its terms say, granted by the bank',
    ],
    [
      'a leaf that was changed',
      'UPDATE records SET leaf = zeroblob(32) WHERE batch IS NULL',
      'every record is of its channel, and every leaf of its record',
    ],
    [
      'two leaves that changed places',
      'UPDATE records SET position = 9 WHERE position = 0; UPDATE records SET position = 0 WHERE position = 1; UPDATE records SET position = 1 WHERE position = 9',
      'every batch has the root of its leaves, signed by the bank',
    ],
    [
      'a tree head that was changed',
      `UPDATE batches SET head_signature = zeroblob(64)`,
      'every batch has the root of its leaves, signed by the bank',
    ],
    ['a log that was cut', 'DELETE FROM chain_log', 'the log of the embedded chain is whole, and holds every batch'],
    [
      'a log entry that was changed',
      `UPDATE chain_log SET entry = zeroblob(152)`,
      'the log of the embedded chain is whole, and holds every batch',
    ],
  ])('finds %s', async (_what, sql, check) => {
    const path = await openBooks()
    corrupt(path, sql)
    const report = await audit(path)
    expect(report.ok).toBe(false)
    expect(report.faults.map((fault) => fault.check)).toContain(check)
    for (const { detail } of report.faults) expect(detail).not.toMatch(/undefined|NaN|\[object/)
  })

  test('says by how much balances are wrong, for an alarm', async () => {
    const path = await openBooks()
    corrupt(path, `UPDATE balances SET balance = balance + 5 WHERE place = 'account'`)
    // Two accounts are wrong by five each, and so the asset by ten.
    expect((await audit(path)).imbalance).toEqual({ 'USD/6': 20n })
  })

  test('finds that the books are of another bank, or another network', async () => {
    const path = await openBooks()
    const [other, elsewhere] = [
      await audit(path, { bank: vendorKey.publicKey }),
      await audit(path, { network: 'lockstep:other' }),
    ]
    expect(other.faults[0]?.detail).toContain('it is of bank')
    expect(elsewhere.faults[0]?.detail).toContain('it is on lockstep:test, not on lockstep:other')
  })

  test('does not look at what is no bank’s store, or of another version', async () => {
    await expect(openBankReader(temporaryPath('nothing.db'))).rejects.toThrow('there is no store at')
    const path = await openBooks()
    corrupt(path, 'PRAGMA user_version = 99')
    await expect(openBankReader(path)).rejects.toThrow(StoreError)
    corrupt(path, 'PRAGMA user_version = 1')
    await expect(openBankReader(path)).rejects.toThrow('"lockstep migrate" brings it there')
  })

  test('is told to another process as text, word for word', async () => {
    const report = await audit(await openBooks())
    expect(parseReport(encodeReport(report))).toEqual(report)
  })
})

describe('an export of the journal', () => {
  async function lines(path: string, format: ExportFormat): Promise<readonly string[]> {
    const reader = await openBankReader(path)
    try {
      const found: string[] = []
      for await (const line of exportJournal(reader, format)) found.push(line)
      return found
    } finally {
      await reader.close()
    }
  }

  test('has a line for each transfer, whose sums are the balances', async () => {
    const path = await openBooks()
    const [header, ...rows] = await lines(path, 'csv')
    expect(header).toBe('at,kind,reference,line,asset,amount,from,from_owner,to,to_owner')
    // A deposit, four openings, three settlements of two lines, three credits.
    expect(rows).toHaveLength(14)
    const sums = new Map<string, bigint>()
    for (const row of rows) {
      const [, , , , , amount = '', from, fromOwner, to, toOwner] = row.split(',')
      for (const [holder, sign] of [
        [`${from} ${fromOwner}`, -1n],
        [`${to} ${toOwner}`, 1n],
      ] as const) {
        sums.set(holder, (sums.get(holder) ?? 0n) + sign * BigInt(amount))
      }
    }
    const { totals } = await audit(path)
    const accounts = [...sums].reduce(
      (sum, [holder, amount]) => (holder.startsWith('account') ? sum + amount : sum),
      0n,
    )
    expect(accounts).toBe(totals[0]?.accounts)
  })

  test('says the same as objects', async () => {
    const path = await openBooks()
    const [header = '', first = ''] = await lines(path, 'csv')
    const [object = ''] = await lines(path, 'ndjson')
    const names = header.split(',')
    expect(JSON.parse(object)).toEqual(Object.fromEntries(first.split(',').map((value, at) => [names[at], value])))
  })
})
