import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import type { PayingChannel } from '../../src/client/index.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { usePostgres } from '../stores/postgres.ts'
import { fund, lockstep, onEnd, openPlace, type Place, type Service, startService } from './services.ts'
import { openWallet } from './wallet.ts'

const isRoot = process.getuid?.() === 0
const price = 1000n

/** Both services, and a channel between them over which one payment went. */
async function openTown(
  place: Place,
): Promise<{ readonly bank: Service; readonly vendor: Service; readonly channel: PayingChannel }> {
  const bank = await startService('bank', place.config)
  await fund(place)
  const vendor = await startService('vendor', place.config)
  const channel = await (await openWallet(place)).open(vendor.url, { funds: 1_000_000n })
  expect((await channel.fetch(`${vendor.url}/report`, price)).status).toBe(200)
  return { bank, vendor, channel }
}

/** What a vendor that cannot write says of a payment, and that it still answers what it can. */
async function expectRefusing(vendor: Service, channel: PayingChannel, why: RegExp): Promise<void> {
  const refused = await channel.fetch(`${vendor.url}/report`, price)
  expect(refused.status).toBe(503)
  expect(await refused.json()).toMatchObject({ reason: 'StoreUnavailable' })
  expect((await fetch(`${vendor.url}/.well-known/lockstep`)).status).toBe(200)
  expect((await channel.refresh()).spent).toBe(channel.state.acknowledged)
  const { status, checks } = await vendor.ready()
  expect(status).toBe(503)
  expect(checks.writes).toMatch(why)
  const failures = vendor.events().filter(({ event }) => event === 'request failed')
  expect(JSON.stringify(failures)).toMatch(why)
}

/** That it takes payments again, and lost none: what was refused is paid by the same bytes. */
async function expectRecovered(vendor: Service, channel: PayingChannel): Promise<void> {
  const before = channel.state.acknowledged
  await expect
    .poll(async () => (await channel.fetch(`${vendor.url}/report`, price)).status, { timeout: 30_000 })
    .toBe(200)
  expect(channel.state.acknowledged).toBeGreaterThan(before)
  await expect.poll(async () => (await vendor.ready()).status, { timeout: 30_000 }).toBe(200)
}

async function expectClosed(place: Place, channel: PayingChannel): Promise<void> {
  const { closing } = await channel.close()
  expect(closing.spent).toBe(channel.state.acknowledged)
  const closed = await lockstep(['channels', 'close', toHex(channel.state.channelId), '--config', place.config])
  expect(JSON.parse(closed.stdout)).toMatchObject({ settled: String(closing.spent) })
  const audit = await lockstep(['ledger', 'audit', '--config', place.config, '--json'])
  expect(JSON.parse(audit.stdout)).toMatchObject({ ok: true, imbalance: { 'USD/6': '0' } })
}

describe('a vendor’s service', { timeout: 180_000 }, () => {
  test.runIf(isRoot)(
    'whose disk is full refuses payments with the reason, reads on, and goes on once there is room',
    async () => {
      const place = await openPlace()
      const disk = mountDisk(place, 'disk')
      place.write({ vendor: { store: join(disk, 'vendor.db') } })
      const { vendor, channel } = await openTown(place)
      fillUp(disk)
      await expectRefusing(vendor, channel, /make room/)
      rmSync(join(disk, 'filling'))
      await expectRecovered(vendor, channel)
      await expectClosed(place, channel)
    },
  )

  test.runIf(isRoot)(
    'whose store may only be read says so, serves what it has, and takes payments once it may write',
    async () => {
      const place = await openPlace()
      const { vendor, channel } = await openTown(place)
      await vendor.end()
      const store = join(place.folder, 'vendor.db')
      giveTo(nobody, place.folder)
      chmodSync(store, 0o444)
      const again = await startService('vendor', place.config, {}, nobody)
      await expectRefusing(again, channel, /may not be written|read-only|may only be read/)
      for (const name of readdirSync(place.folder)) {
        if (name.startsWith('vendor.db')) chmodSync(join(place.folder, name), 0o666)
      }
      await expectRecovered(again, channel)
    },
  )

  test('that meets a changed row refuses that channel alone, and takes it again once the row is mended', async () => {
    const place = await openPlace()
    const { vendor, channel } = await openTown(place)
    await vendor.end()
    const id = channel.state.channelId
    const terms = changeTerms(place, id, (bytes) => bytes.with(100, bytes[100]! ^ 1))
    const again = await startService('vendor', place.config)
    const refused = await channel.fetch(`${again.url}/report`, price)
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({ reason: 'StoreUnavailable' })
    expect(JSON.stringify(again.events())).toMatch(/is damaged/)
    const other = await (await openOtherWallet(place)).open(again.url, { funds: 100_000n })
    expect((await other.fetch(`${again.url}/report`, price)).status).toBe(200)
    changeTerms(place, id, () => terms)
    await expectRecovered(again, channel)
    await expectClosed(place, channel)
  })

  test('does not touch a store of a newer version', async () => {
    const place = await openPlace()
    const { vendor } = await openTown(place)
    await vendor.end()
    const db = new DatabaseSync(join(place.folder, 'vendor.db'))
    db.exec('PRAGMA user_version = 99')
    db.close()
    const { code, stderr } = await lockstep(['vendor', '--config', place.config])
    expect(code).toBe(1)
    expect(stderr).toContain('is at version 99')
  })
})

describe('a bank’s service', { timeout: 180_000 }, () => {
  test.runIf(isRoot)(
    'whose disk is full opens and pays nothing, answers what it has, and goes on once there is room',
    async () => {
      const place = await openPlace()
      const disk = mountDisk(place, 'disk')
      place.write({ bank: { store: join(disk, 'bank.db'), jobs: { recordEverySeconds: 1, auditEverySeconds: 0 } } })
      const { bank, vendor, channel } = await openTown(place)
      fillUp(disk)
      const wallet = await openOtherWallet(place)
      await expect(wallet.open(vendor.url, { funds: 100_000n })).rejects.toThrow(/cannot reach its store/)
      const shown = await fetch(`${place.bankUrl}/v1/channels/${toHex(channel.state.channelId)}`)
      expect(shown.status).toBe(200)
      await expect.poll(async () => (await bank.ready()).checks.writes).toMatch(/make room/)
      // Payments need no bank.
      expect((await channel.fetch(`${vendor.url}/report`, price)).status).toBe(200)

      rmSync(join(disk, 'filling'))
      await expect.poll(async () => (await bank.ready()).status, { timeout: 30_000 }).toBe(200)
      const [opened] = await wallet.resume()
      expect((await opened!.fetch(`${vendor.url}/report`, price)).status).toBe(200)
      await expectClosed(place, channel)
    },
  )
})

describe('services on PostgreSQL', { timeout: 180_000 }, () => {
  const server = usePostgres()

  test('that may only read for a while refuse payments with the reason, read on, and go on by themselves', async () => {
    const place = await openPlace()
    const url = await server.createDatabase()
    const database = new URL(url).pathname.slice(1)
    place.write({ vendor: { store: url } })
    const { vendor, channel } = await openTown(place)
    const asWriter = `${url}?options=${encodeURIComponent('-c default_transaction_read_only=off')}`
    const terminate = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
      WHERE datname = '${database}' AND pid <> pg_backend_pid()`
    await server.query(asWriter, `ALTER DATABASE ${database} SET default_transaction_read_only = on`)
    await server.query(asWriter, terminate)
    await expectRefusing(vendor, channel, /read-only|may only be read|takes no writes/)
    await server.query(asWriter, `ALTER DATABASE ${database} SET default_transaction_read_only = off`)
    await expectRecovered(vendor, channel)
    await expectClosed(place, channel)
  })

  test('whose server is killed in the middle lose no payment that was acknowledged', async () => {
    const place = await openPlace()
    const url = await server.createDatabase()
    place.write({ vendor: { store: url } })
    const { vendor, channel } = await openTown(place)
    const paying = Array.from({ length: 20 }, () => channel.fetch(`${vendor.url}/report`, price))
    await server.kill()
    const answers = await Promise.allSettled(paying)
    const paid = answers.filter((answer) => answer.status === 'fulfilled' && answer.value.status === 200).length
    expect((await vendor.ready()).status).toBe(503)
    expect((await fetch(`${vendor.url}/.well-known/lockstep`)).status).toBe(200)
    await server.start()
    await expectRecovered(vendor, channel)
    expect(channel.state.acknowledged).toBeGreaterThanOrEqual(price * BigInt(paid + 2))
    await expectClosed(place, channel)
  })
})

const nobody = 65_534

/** A disk of its own of a few megabytes. */
function mountDisk({ folder }: Place, name: string): string {
  const disk = join(folder, name)
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', disk])
  onEnd(() => execFileSync('umount', ['--lazy', disk]))
  return disk
}

function fillUp(disk: string): void {
  const file = join(disk, 'filling')
  for (let size = 1 << 20; size >= 1; size >>= 1) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' })
    } catch {
      // As much as there was room for: the rest is filled in smaller parts.
    }
  }
}

function giveTo(user: number, folder: string): void {
  chownSync(folder, user, user)
  for (const name of readdirSync(folder)) chownSync(join(folder, name), user, user)
}

/** Changes a row as a bad disk or a careless hand does; gives what it was. */
function changeTerms({ folder }: Place, id: Uint8Array, change: (terms: Uint8Array) => Uint8Array): Uint8Array {
  const db = new DatabaseSync(join(folder, 'vendor.db'))
  try {
    const { terms } = db.prepare('SELECT terms FROM openings WHERE channel_id = ?').get(id) as { terms: Uint8Array }
    db.prepare('UPDATE openings SET terms = ? WHERE channel_id = ?').run(change(terms), id)
    return terms
  } finally {
    db.close()
  }
}

/** The same account on a journal of its own. */
function openOtherWallet(place: Place): ReturnType<typeof openWallet> {
  const folder = join(place.folder, 'other')
  mkdirSync(folder)
  return openWallet({ ...place, folder })
}
