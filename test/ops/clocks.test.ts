import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createBankTime } from '../../src/vendor/bankTime.ts'
import { unixSeconds } from '../../src/wire/amount.ts'
import { fund, lockstep, openPlace, type Place, startService } from './services.ts'
import { openWallet } from './wallet.ts'

const day = 86_400

/** A clock that a test sets, for the process that gets this environment. */
function settableClock({ folder }: Place, name: string, seconds = 0) {
  const file = join(folder, `${name}.clock`)
  const set = (by: number): void => writeFileSync(file, String(by))
  set(seconds)
  const preload = new URL('./setClock.ts', import.meta.url).href
  return { set, env: { SET_CLOCK: file, NODE_OPTIONS: `--import ${preload}` } }
}

describe('a service whose clock is set', { timeout: 120_000 }, () => {
  test('as a vendor goes by the bank’s, ahead at its start and back in the middle', async () => {
    const place = await openPlace()
    place.write({ vendor: { jobs: { clockEverySeconds: 1 } } })
    const bank = await startService('bank', place.config)
    await fund(place)
    const clock = settableClock(place, 'vendor', 10 * day)
    const vendor = await startService('vendor', place.config, clock.env)
    expect(vendor.events()).toContainEqual(expect.objectContaining({ event: 'clock put right' }))
    const channel = await (await openWallet(place)).open(vendor.url, { funds: 1_000_000n })
    expect((await channel.fetch(`${vendor.url}/report`, 1000n)).status).toBe(200)
    clock.set(-10 * day)
    expect((await channel.fetch(`${vendor.url}/report`, 1000n)).status).toBe(200)
    await bank.end()
    expect((await channel.fetch(`${vendor.url}/report`, 1000n)).status).toBe(200)
    expect(channel.state.acknowledged).toBe(3000n)
  })

  test('as a bank lets no deadline pass until its operator has looked; its channels open and are paid meanwhile', async () => {
    const place = await openPlace()
    const clock = settableClock(place, 'bank')
    const bank = await startService('bank', place.config, clock.env)
    await fund(place)
    const vendor = await startService('vendor', place.config)
    const wallet = await openWallet(place)
    await wallet.open(vendor.url, { funds: 100_000n })
    clock.set(-day)
    await expect.poll(() => bank.metric('lockstep_bank_clock_held'), { timeout: 30_000 }).toBe(1)
    const channel = await wallet.open(vendor.url, { funds: 100_000n })
    expect((await channel.fetch(`${vendor.url}/report`, 1000n)).status).toBe(200)
    clock.set(0)
    const confirmed = await lockstep(['bank', 'confirm-clock', '--config', place.config])
    expect(confirmed).toMatchObject({ code: 0 })
    await expect.poll(() => bank.metric('lockstep_bank_clock_held'), { timeout: 30_000 }).toBe(0)
  })
})

describe('a vendor’s time', () => {
  const start = 1_800_000_000n

  function createClocks() {
    const clocks = { shown: start, countedMs: 0 }
    const time = createBankTime({ wall: () => unixSeconds(clocks.shown), monotonicMs: () => clocks.countedMs })
    return { clocks, time }
  }

  test('never goes back, whatever the machine’s clock does', () => {
    const { clocks, time } = createClocks()
    clocks.shown -= 7200n
    expect(time.now()).toBe(start)
    clocks.countedMs += 5000
    expect(time.now()).toBe(start + 5n)
  })

  test('is the bank’s once that was heard, and goes on from there', () => {
    const { clocks, time } = createClocks()
    expect(time.hear(unixSeconds(start + 300n))).toBe(300n)
    clocks.shown += 10n
    clocks.countedMs += 10_000
    expect(time.now()).toBe(start + 310n)
    expect(time.hear(unixSeconds(start + 100n))).toBe(-210n)
    expect(time.now()).toBe(start + 100n)
  })

  test('goes on while the machine sleeps', () => {
    const { clocks, time } = createClocks()
    clocks.shown += 3600n
    expect(time.now()).toBe(start + 3600n)
  })
})
