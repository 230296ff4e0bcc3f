import { existsSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/crypto/bytes.ts'
import { fund, lockstep, openPlace, type Place, startService } from './services.ts'
import { openWallet } from './wallet.ts'

/** As a lost disk: the stores are gone, the keys and the config are not. */
function lose({ folder }: Place, ...names: readonly string[]): void {
  for (const name of readdirSync(folder)) {
    if (names.some((each) => name.startsWith(each))) renameSync(join(folder, name), join(folder, `lost-${name}`))
  }
}

describe('a backup', { timeout: 180_000 }, () => {
  test('is made while services run; restored, they go on from it', async () => {
    const place = await openPlace()
    const backup = join(place.folder, 'backup')
    const bank = await startService('bank', place.config)
    await fund(place)
    const vendor = await startService('vendor', place.config)
    const wallet = await openWallet(place)
    const channel = await wallet.open(vendor.url, { funds: 1_000_000n })
    await channel.fetch(`${vendor.url}/report`, 1000n)

    // The wallet has its journal to itself.
    const refused = await lockstep(['backup', backup, '--config', place.config])
    expect(refused.code).toBe(1)
    expect(refused.stderr.trim().split('\n')).toHaveLength(1)
    expect(existsSync(backup)).toBe(false)
    for (const role of ['bank', 'vendor']) {
      const made = await lockstep(['backup', `${backup}-${role}`, '--config', place.config, '--role', role, '--json'])
      expect(made).toMatchObject({ code: 0 })
      expect(JSON.parse(made.stdout)).toMatchObject({ role, path: `${backup}-${role}/${role}.db` })
      expect(readdirSync(`${backup}-${role}`)).toEqual([`${role}.db`])
      expect(statSync(`${backup}-${role}`).mode & 0o077).toBe(0)
      expect(statSync(`${backup}-${role}/${role}.db`).mode & 0o077).toBe(0)
    }
    const again = await lockstep(['backup', `${backup}-bank`, '--config', place.config, '--role', 'bank'])
    expect(again).toMatchObject({ code: 1 })
    expect(again.stderr).toContain('a backup is never written over')
    const nowhere = await lockstep(['backup', join(place.config, 'copy'), '--config', place.config, '--role', 'bank'])
    expect(nowhere).toMatchObject({ code: 1 })
    expect(nowhere.stderr).toMatch(/^lockstep: .*copy cannot be made \(ENOTDIR\): name another folder\n$/)

    await channel.fetch(`${vendor.url}/report`, 1000n)
    const running = await lockstep(['restore', `${backup}-bank`, '--config', place.config])
    expect(running.stderr).toContain('stop it first')
    for (const service of [vendor, bank]) await service.end()
    const there = await lockstep(['restore', `${backup}-bank`, '--config', place.config])
    expect(there).toMatchObject({ code: 1 })
    expect(there.stderr).toContain('nothing is written over')

    lose(place, 'bank.db', 'vendor.db')
    for (const role of ['bank', 'vendor']) {
      expect(await lockstep(['restore', `${backup}-${role}`, '--config', place.config])).toMatchObject({ code: 0 })
    }
    const audit = await lockstep(['ledger', 'audit', '--config', place.config, '--json'])
    expect(JSON.parse(audit.stdout)).toMatchObject({ ok: true, counts: { channelsOpen: 1 } })
    await startService('bank', place.config)
    const restored = await startService('vendor', place.config)
    expect(restored.url).toBe(vendor.url)
    const id = toHex(channel.state.channelId)
    const shown = await lockstep(['channels', 'show', id, '--config', place.config, '--json'])
    expect(JSON.parse(shown.stdout)).toMatchObject({ spent: '1000', payments: 1 })
    // What it forgot it does not charge again: the channel is claimed for what the copy has, and another one is opened.
    expect((await channel.fetch(`${vendor.url}/report`, 1000n)).status).toBe(402)
    const claimed = await lockstep(['channels', 'close', id, '--config', place.config, '--json'])
    expect(JSON.parse(claimed.stdout)).toMatchObject({ settled: '1000', refund: '999000' })
    const next = await wallet.open(vendor.url, { funds: 1_000_000n })
    expect((await next.fetch(`${vendor.url}/report`, 1000n)).status).toBe(200)
  })

  test('of a wallet holds no key: restored, its channels sign nothing any more, and new ones can be opened', async () => {
    const place = await openPlace()
    const backup = join(place.folder, 'backup')
    await startService('bank', place.config)
    await fund(place)
    const vendor = await startService('vendor', place.config)
    const wallet = await openWallet(place)
    const channel = await wallet.open(vendor.url, { funds: 1_000_000n })
    await channel.fetch(`${vendor.url}/report`, 1000n)
    await wallet.journal.close()
    expect(await lockstep(['backup', backup, '--config', place.config, '--role', 'client'])).toMatchObject({ code: 0 })
    lose(place, 'client.db')
    expect(await lockstep(['restore', backup, '--config', place.config, '--role', 'client'])).toMatchObject({ code: 0 })
    const listed = await lockstep(['channels', 'ls', '--role', 'client', '--config', place.config, '--json'])
    expect(JSON.parse(listed.stdout)).toMatchObject({
      channel: toHex(channel.state.channelId),
      spent: '1000',
      payments: 1,
    })

    const restored = await openWallet(place)
    expect(await restored.channels()).toEqual([])
    const next = await restored.open(vendor.url, { funds: 1_000_000n })
    expect((await next.fetch(`${vendor.url}/report`, 1000n)).status).toBe(200)
    await restored.journal.close()
    const closed = await lockstep([
      'channels',
      'close',
      toHex(next.state.channelId),
      '--role',
      'client',
      '--config',
      place.config,
    ])
    expect(JSON.parse(closed.stdout)).toEqual({
      channel: toHex(next.state.channelId),
      spent: '1000',
      receiptsOpened: 2,
    })
  })

  test('is not made of nothing, nor restored from it', async () => {
    const place = await openPlace()
    const none = await lockstep(['backup', join(place.folder, 'backup'), '--config', place.config])
    expect(none.code).toBe(1)
    expect(none.stderr).toContain('there is no store')
    const empty = await lockstep(['restore', place.folder, '--config', place.config])
    expect(empty.code).toBe(1)
    expect(empty.stderr).toContain('holds no copy of a store')
    for (const args of [['backup'], ['restore'], ['backup', 'x', '--role', 'thief', '--config', place.config]]) {
      expect(await lockstep(args)).toMatchObject({ code: 2 })
    }
  })
})
