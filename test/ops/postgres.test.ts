import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/crypto/bytes.ts'
import { auditBooks } from '../../src/ops/audit/audit.ts'
import { openBankReader } from '../../src/ops/audit/stores.ts'
import { usePostgres } from '../stores/postgres.ts'
import { fund, lockstep, openPlace, startService } from './services.ts'
import { openWallet } from './wallet.ts'

const server = usePostgres()

describe('services on PostgreSQL', { timeout: 180_000 }, () => {
  test('are paid through, listed, claimed and audited as on SQLite', async () => {
    const url = await server.createDatabase()
    const place = await openPlace()
    place.write({ bank: { store: url }, vendor: { store: url } })
    const bank = await startService('bank', place.config)
    await fund(place)
    const vendor = await startService('vendor', place.config)
    const wallet = await openWallet(place)
    const channel = await wallet.open(vendor.url, { funds: 1_000_000n })
    await channel.fetch(`${vendor.url}/report`, 1000n)
    const id = toHex(channel.state.channelId)
    const listed = await lockstep(['channels', 'show', id, '--config', place.config, '--json'])
    expect(JSON.parse(listed.stdout)).toMatchObject({
      channel: id,
      phase: 'open',
      spent: '1000',
      byStatus: { charged: 1 },
    })

    // The database is away for a while: what needs it is refused with the reason, and goes on by itself.
    await server.stop()
    expect((await vendor.ready()).status).toBe(503)
    expect((await vendor.ready()).checks.store).toContain('server')
    expect((await fetch(`${place.bankUrl}/v1/channels/${id}`)).status).toBe(503)
    await server.start()
    await expect.poll(async () => (await vendor.ready()).status, { timeout: 30_000 }).toBe(200)
    await channel.fetch(`${vendor.url}/report`, 1000n)

    const claimed = await lockstep(['channels', 'close', id, '--config', place.config])
    expect(JSON.parse(claimed.stdout)).toMatchObject({ settled: '2000', refund: '998000' })
    await lockstep(['bank', 'record', '--config', place.config])
    const audit = await lockstep(['ledger', 'audit', '--config', place.config, '--json'])
    expect(JSON.parse(audit.stdout)).toMatchObject({
      ok: true,
      faults: [],
      counts: { channelsEnded: 1, recordsQueued: 0 },
    })
    const exported = await lockstep(['ledger', 'export', '--config', place.config])
    expect(exported.stdout.trim().split('\n')).toHaveLength(6)

    const backup = join(place.folder, 'backup')
    expect(await lockstep(['backup', backup, '--config', place.config, '--role', 'bank'])).toMatchObject({ code: 0 })
    place.write({ bank: { store: await server.createDatabase() } })
    expect((await lockstep(['restore', backup, '--config', place.config])).stderr).toContain('stop it first')
    for (const service of [vendor, bank]) await service.end()
    expect(await lockstep(['restore', backup, '--config', place.config])).toMatchObject({ code: 0 })
    const restored = await lockstep(['ledger', 'audit', '--config', place.config, '--json'])
    expect({ ...JSON.parse(restored.stdout), checks: [] }).toEqual({ ...JSON.parse(audit.stdout), checks: [] })

    for (const [sql, check] of [
      [`UPDATE balances SET balance = balance + 5 WHERE place = 'account'`, 'every balance is the sum of its postings'],
      [
        `UPDATE records SET leaf = decode(repeat('00', 32), 'hex')`,
        'every record is of its channel, and every leaf of its record',
      ],
    ] as const) {
      await server.query(url, `SET search_path = lockstep_bank; ${sql}`)
      const reader = await openBankReader(url)
      const report = await auditBooks(reader, { bank: place.bank.publicKey, network: 'lockstep:local', isDeep: true })
      await reader.close()
      expect(report.faults.map((fault) => fault.check)).toContain(check)
    }
  })

  test('start while the database is away, say so to everybody, and go on when it is there', async () => {
    const url = await server.createDatabase()
    const place = await openPlace()
    place.write({ bank: { store: url } })
    await server.stop()
    const starting = startService('bank', place.config)
    // Refused with its reason, not left waiting.
    await expect
      .poll(
        () =>
          fetch(`${place.bankUrl}/v1/offer`).then(
            async (response) => ({ status: response.status, ...((await response.json()) as object) }),
            () => undefined,
          ),
        {
          timeout: 30_000,
        },
      )
      .toMatchObject({ status: 503, reason: 'StoreUnavailable' })
    await server.start()
    const bank = await starting
    expect((await fetch(`${bank.url}/v1/offer`)).status).toBe(200)
    const plan = await lockstep(['migrate', '--plan', '--config', place.config, '--json'])
    const [books] = plan.stdout.split('\n')
    expect(JSON.parse(books ?? '')).toMatchObject({ role: 'bank', steps: [] })
    expect(plan.stdout).not.toContain('lockstep:lockstep@')
  })
})
