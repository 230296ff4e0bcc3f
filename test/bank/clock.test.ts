import { describe, expect, test } from 'vitest'
import { type BankTime, createTime } from '../../src/bank/clock.ts'
import type { BankStore } from '../../src/bank/store/contract.ts'
import { sqliteBankStore } from '../../src/bank/store/sqlite.ts'
import { Bank as Decide } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import { account, must, now, vendorKey } from '../protocol/world.ts'
import { commandOf } from './acts.ts'
import { asset, buy, claimOf, openWorld } from './channels.ts'
import { openBank, openFundedBank, query, reasonOf, temporaryPath } from './support.ts'

/** A process on a store, with a system clock and a measure of time of its own. */
interface Node {
  readonly time: BankTime
  /** Seconds pass. */
  pass(seconds: bigint): void
  /** Somebody sets the system's clock. */
  set(by: bigint): void
}

function nodeOn(store: BankStore, at = 0n): Node {
  let wall = now + at
  let seconds = 0n
  const time = createTime({
    store,
    now: () => unixSeconds(wall),
    monotonic: () => seconds,
    rules: Decide.BankClock.defaultClockRules,
  })
  return {
    time,
    pass(by) {
      wall += by
      seconds += by
    },
    set(by) {
      wall += by
    },
  }
}

function fresh(): { readonly path: string; readonly store: BankStore } {
  const path = temporaryPath()
  return { path, store: sqliteBankStore(path) }
}

describe('the bank’s clock', () => {
  test('is stored at every beat, and goes on where it was', async () => {
    const { path, store } = fresh()
    const node = nodeOn(store)
    await node.time.beat()
    for (let beat = 0; beat < 5; beat++) {
      node.pass(5n)
      await node.time.beat()
    }
    await store.close()
    const again = nodeOn(sqliteBankStore(path), 30n)
    expect(await again.time.current()).toMatchObject({ wall: now + 25n, uptime: 25n, held: undefined })
  })

  test('steps for a decision as soon as a second has passed, without a job', async () => {
    const node = nodeOn(fresh().store)
    await node.time.current()
    node.pass(1n)
    expect(await node.time.current()).toMatchObject({ wall: now + 1n, uptime: 1n })
  })

  test('counts no time that the bank was away, and holds after a long gap', async () => {
    const { path, store } = fresh()
    const node = nodeOn(store)
    await node.time.beat()
    await store.close()
    const soon = nodeOn(sqliteBankStore(path), 500n)
    expect(await soon.time.current()).toMatchObject({ wall: now + 500n, uptime: 0n, held: undefined })
    const late = nodeOn(sqliteBankStore(path), 500n + 601n)
    expect(await late.time.current()).toMatchObject({ uptime: 0n, held: 'gap' })
    await late.time.confirm()
    expect(await late.time.current()).toMatchObject({ wall: now + 1_101n, held: undefined })
  })

  test('never goes back, and holds after a jump either way', async () => {
    for (const jump of [61n, -61n]) {
      const node = nodeOn(fresh().store)
      await node.time.beat()
      node.pass(10n)
      node.set(jump)
      const held = await node.time.beat()
      expect(held).toMatchObject({ wall: now + 10n, uptime: 10n, held: 'jump' })
      node.set(-jump)
      node.pass(5n)
      // Set right again, it is still the operator's to say so.
      expect(await node.time.beat()).toMatchObject({ held: 'jump', wall: now + 15n })
      expect(await node.time.confirm()).toMatchObject({ held: undefined })
    }
  })

  test('of two processes counts uptime once', async () => {
    const { store } = fresh()
    const nodes = [nodeOn(store), nodeOn(store)]
    await nodes[0]!.time.beat()
    for (let second = 1n; second <= 600n; second++) {
      for (const node of nodes) {
        node.pass(1n)
        await node.time.current()
      }
    }
    const seen = await Promise.all(nodes.map(({ time }) => time.beat()))
    for (const clock of seen) expect(clock).toMatchObject({ wall: now + 600n, uptime: 600n, held: undefined })
  })

  test('goes on with the other process when one dies, and no second counts twice', async () => {
    const { store } = fresh()
    const [one, other] = [nodeOn(store), nodeOn(store)]
    await one.time.beat()
    await other.time.beat()
    for (let beat = 0; beat < 20; beat++) {
      for (const node of [one, other]) node.pass(5n)
      if (beat < 10) await one.time.beat()
      await other.time.beat()
    }
    const clock = await other.time.current()
    expect(clock.held).toBeUndefined()
    expect(clock.wall).toBe(now + 100n)
    expect(clock.uptime).toBeLessThanOrEqual(100n)
    expect(clock.uptime).toBeGreaterThanOrEqual(95n)
  })

  test('of a process that only looks in is left to the one that beats', async () => {
    const { store } = fresh()
    const server = nodeOn(store)
    await server.time.beat()
    for (let visit = 1n; visit <= 60n; visit++) {
      server.pass(5n)
      await server.time.beat()
      await nodeOn(store, 5n * visit).time.current()
    }
    expect(await server.time.current()).toMatchObject({ wall: now + 300n, uptime: 300n, held: undefined })
  })

  test('confirmed at another process runs here, too', async () => {
    const { store } = fresh()
    const server = nodeOn(store)
    await server.time.beat()
    server.pass(5n)
    server.set(100n)
    expect(await server.time.beat()).toMatchObject({ held: 'jump' })
    await nodeOn(store, 105n).time.confirm()
    server.pass(5n)
    expect(await server.time.beat()).toMatchObject({ held: undefined })
  })
})

describe('grace', () => {
  const expire = (channelId: Uint8Array, id: string, validUntil: bigint): Uint8Array =>
    commandOf({ kind: 'expire', channelId }, { id, validUntil })

  test('starts at the first beat after the channel’s end, once', async () => {
    const { bank, path, setClock } = await openFundedBank()
    await openWorld(bank, 'one')
    await setClock(now + 3_599n)
    expect(query(path, 'SELECT grace_from FROM channels')).toEqual([{ grace_from: null }])
    await setClock(now + 3_602n)
    await setClock(now + 3_700n)
    expect(query(path, 'SELECT grace_from FROM channels')).toEqual([{ grace_from: 3_602n }])
  })

  test('is the bank’s uptime alone: what it was away does not count against the vendor', async () => {
    const { bank, path, setClock } = await openFundedBank()
    const world = await openWorld(bank, 'one')
    buy(world, 2)
    await setClock(now + 3_600n)
    await bank.stop()
    // Away for nine of the ten minutes of grace, and back without a doubt.
    const back = openBank({ path })
    back.jump(now + 3_600n + 540n)
    await back.bank.beat()
    await back.setClock(now + 4_201n)
    expect(await back.bank.expire()).toBe(0)
    expect(must(await back.bank.close(claimOf(world)))).toMatchObject({ settled: 40n })
  })

  test('does not pass while the clock is held, for nobody', async () => {
    const { bank, jump, path } = await openFundedBank()
    const world = await openWorld(bank, 'one')
    buy(world, 2)
    const { channelId } = world.client
    jump(now + 1_000_000n)
    expect(await bank.beat()).toMatchObject({ held: 'jump' })
    expect(await bank.expire()).toBe(0)
    expect(reasonOf(await bank.command(expire(channelId, 'a', now + 80_000n)))).toBe('DeadlineAhead')
    expect(must(await bank.close(claimOf(world)))).toMatchObject({ settled: 40n })
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })

  test('held after its start, ends only after the operator has confirmed', async () => {
    const { bank, setClock, jump } = await openFundedBank()
    const world = await openWorld(bank, 'one')
    const { channelId } = world.client
    await setClock(now + 3_700n)
    jump(now + 500_000n)
    await bank.beat()
    expect(reasonOf(await bank.command(expire(channelId, 'a', now + 80_000n)))).toBe('ExpiryHeld')
    jump(now + 3_700n)
    await bank.confirmClock()
    await setClock(now + 4_200n)
    expect(await bank.expire()).toBe(0)
    await setClock(now + 4_201n)
    expect(await bank.expire()).toBe(1)
    expect(await bank.status(channelId)).toMatchObject({ status: 'expired', refund: 100_000n })
  })
})

describe('an expiry', () => {
  test('gives everything back to every client whose deadline has passed, and to no other', async () => {
    const { bank, path, setClock } = await openFundedBank()
    const worlds = await Promise.all(['one', 'two', 'three'].map((label) => openWorld(bank, label)))
    await openWorld(bank, 'later', { expiresAt: unixSeconds(now + 3_601n) })
    for (const world of worlds) buy(world, 1)
    must(await bank.close(claimOf(worlds[2]!)))
    await setClock(now + 4_201n)
    expect(await bank.expire()).toBe(2)
    expect(await bank.expire()).toBe(0)
    expect(await bank.balance(account.publicKey, asset)).toEqual({ ok: true, balance: 10_000_000n - 100_000n - 20n })
    expect(await bank.balance(vendorKey.publicKey, asset)).toEqual({ ok: true, balance: 20n })
    expect(query(path, `SELECT status, count(*) AS count FROM channels GROUP BY status`)).toEqual([
      { status: 'closed', count: 1n },
      { status: 'expired', count: 2n },
      { status: 'open', count: 1n },
    ])
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
    expect(query(path, 'SELECT count(*) AS count FROM records')).toEqual([{ count: 1n }])
  })

  test('of several hundred channels goes through them all', async () => {
    const { bank, setClock } = await openFundedBank(10_000_000n, {
      limits: {
        ...Decide.defaultLimits,
        rates: { ...Decide.defaultLimits.rates, open: { burst: 1_000, everySeconds: 1 } },
      },
    })
    for (let number = 0; number < 300; number++) {
      await openWorld(bank, `channel ${number}`, { funds: amount(1_000n) })
    }
    await setClock(now + 4_201n)
    expect(await bank.expire()).toBe(300)
  })

  test('by command is the account’s own, from the second after the deadline', async () => {
    const { bank, setClock } = await openFundedBank()
    const world = await openWorld(bank, 'one')
    const { channelId } = world.client
    const asked = commandOf({ kind: 'expire', channelId }, { validUntil: now + 80_000n })
    const byVendor = commandOf({ kind: 'expire', channelId }, { validUntil: now + 80_000n, key: vendorKey })
    await setClock(now + 4_200n)
    expect(reasonOf(await bank.command(asked))).toBe('DeadlineAhead')
    await setClock(now + 4_201n)
    expect(reasonOf(await bank.command(byVendor))).toBe('ChannelNotYours')
    const answer = { ok: true, answer: { action: 'expire', channelId, refund: 100_000n } }
    expect(await bank.command(asked)).toEqual(answer)
    expect(await bank.command(asked)).toEqual(answer)
    expect(reasonOf(await bank.close(claimOf(world)))).toBe('ChannelClosed')
  })
})
