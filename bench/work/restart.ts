import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openVendorStore } from '../../src/vendor/index.ts'
import { backendName, createParties, must, openChannel, pay } from '../channel.ts'
import type { Figures, Work } from '../measure.ts'
import { acceptAndCharge, createTill, type Message } from '../service.ts'

/**
 * A vendor's start with many channels in its store: opens it, looks what ran at the last stop, takes one payment. One operation is one
 * stored channel; the figure is the whole.
 */
export async function restart(): Promise<Work<Message>> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-bench-'))
  const path = join(folder, 'vendor.db')
  const parties = createParties()
  const channel = openChannel({ parties })
  const first = await openVendorStore(path)
  const till = createTill({ database: first }, parties)
  must(await till.find(channel.client.channelId.subarray(0, 16), channel.attachment))
  await acceptAndCharge(till, pay(channel.client))
  await first.close()
  let isFilled = false
  return {
    backend: backendName,
    prepare(count) {
      if (!isFilled) fill(path, count)
      isFilled = true
      return pay(channel.client)
    },
    async run(message): Promise<Figures> {
      const startMs = performance.now()
      const database = await openVendorStore(path)
      await database.running()
      await acceptAndCharge(createTill({ database }, parties), message)
      const restartMs = performance.now() - startMs
      await database.close()
      return { restartMs }
    },
    dispose: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Other channels, each with its opening, segment and a payment: copies under ids of their own. */
function fill(path: string, count: number): void {
  const db = new DatabaseSync(path)
  const known = db.prepare('SELECT channel_id FROM channels').get()?.channel_id
  db.exec(`BEGIN;
    CREATE TEMP TABLE ids AS
      WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count})
      SELECT abs(random()) % 256 AS shard, randomblob(32) AS id FROM numbers;`)
  for (const table of ['channels', 'openings', 'segments', 'payments']) {
    const columns = db
      .prepare(`SELECT name FROM pragma_table_info('${table}')`)
      .all()
      .map(({ name }) => String(name))
    const replaced: Readonly<Record<string, string>> = {
      shard: 'ids.shard',
      channel_id: 'ids.id',
      reference: 'substr(ids.id, 1, 16)',
    }
    const values = columns.map((name) => replaced[name] ?? `row.${name}`)
    db.prepare(
      `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM ids, ${table} AS row
         WHERE row.channel_id = :known`,
    ).run({ known: known! })
  }
  db.exec('COMMIT')
  db.close()
}
