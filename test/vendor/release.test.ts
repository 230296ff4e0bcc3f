import { describe, expect, test } from 'vitest'
import { equal } from '../../src/crypto/bytes.ts'
import { Bank, Client } from '../../src/protocol/index.ts'
import { claim, close, collect, proveWrongLock, release, type VendorStore } from '../../src/vendor/index.ts'
import { sqliteVendorStore } from '../../src/vendor/store/sqlite.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { gate, onEnd, openChannel, openStall, openTown, overriding, twinOf, until } from '../e2e/town.ts'
import { createWorld, must, now, payClient, read, vendorKey, type World } from '../protocol/world.ts'
import { openShop, price } from './shop.ts'
import { heldIn, openTill, sell, sellMany } from './tills.ts'

function openStore(): VendorStore {
  const store = sqliteVendorStore(':memory:')
  onEnd(() => store.close())
  return store
}

/** The client's release of a channel whose vendor states its last. */
async function releaseOf(options: Parameters<typeof close>[0], world: World): Promise<Uint8Array> {
  const closing = read(Closing.parse(must(await close(options, await heldIn(options.till, world))).closing))
  return must(Client.release(world.client, closing)).release
}

describe('locks are verified behind the payments', () => {
  test('some at a time, and stay verified: after a restart only what is missing is read', async () => {
    const store = openStore()
    const world = createWorld({ funds: 1_000_000n })
    const till = openTill(store)
    await sellMany(till, world, 130)
    const before = await heldIn(till, world)
    await until(() => before.channel.locks?.index === 128, 'two times 64 locks are verified')
    await sellMany(till, world, 1)

    const read: number[] = []
    const watched = overriding(store, {
      cores: (channelId: Uint8Array, last: number, first = 1) => {
        read.push(first)
        return store.cores(channelId, last, first)
      },
    })
    const again = openTill(watched)
    const held = await heldIn(again, world)
    expect(held.channel.locks?.index).toBe(128)
    expect(await again.verifyLocks(held)).toBe(true)
    expect(held.channel.locks?.index).toBe(131)
    expect(read).toEqual([129])
  })

  test('by several who ask for it at once: each comes to the same', async () => {
    const till = openTill(openStore())
    const world = createWorld({ funds: 1_000_000n })
    await sellMany(till, world, 100)
    const held = await heldIn(till, world)
    expect(await Promise.all([1, 2, 3].map(() => till.verifyLocks(held)))).toEqual([true, true, true])
    expect(held.channel.locks?.index).toBe(100)
  })
})

describe('a wrong lock that is found behind the payments', () => {
  test('costs no money: payments go on until a checkpoint signs it, then the bank accepts the proof', async () => {
    const store = openStore()
    const world = createWorld({ funds: 1_000_000n })
    const till = openTill(store)
    const options = { till, store, vendor: vendorKey }
    await sellMany(till, world, 70, 40)
    const held = await heldIn(till, world)
    await until(() => held.channel.wrongLock === 40, 'the lock is found')
    await sellMany(till, world, 5)
    expect(held.channel).toMatchObject({ suspended: undefined, paid: 750n, spent: 750n })
    expect(await proveWrongLock(options, held)).toBeUndefined()

    must(Client.checkpoint(world.client))
    await sell(till, world, payClient(world, 10n))
    expect(held.channel).toMatchObject({ paid: 760n, spent: 760n })
    const late = till.admit(messagesOf(payClient(world, 10n)))
    expect(await late).toMatchObject({ ok: false, reason: 'ChannelSuspended' })
    const evidence = (await proveWrongLock(options, held))!
    expect(Bank.assessBadOpening(read(BadOpening.parse(evidence)), world.bank)).toMatchObject({ cause: 'badOpening' })

    // Another process finds all of it again.
    const again = openTill(store)
    const reloaded = await heldIn(again, world)
    expect(reloaded.channel.suspended).toBe('lock 40 does not hold, and a checkpoint signs it')
    expect(equal((await proveWrongLock({ ...options, till: again }, reloaded))!, evidence)).toBe(true)
    const { claim: signed } = must(await claim({ ...options, till: again }, reloaded))
    const paid = Bank.assessClose(read(Close.parse(signed)), world.bank, now)
    expect(paid).toMatchObject({ ok: true, settled: 760n })
  })

  test.each([1, 2, 1023])('is proven over as many payments as lie before the checkpoint: lock %i', async (spoilt) => {
    const store = openStore()
    const world = createWorld({ funds: 1_000_000n })
    const till = openTill(store)
    const options = { till, store, vendor: vendorKey }
    await sellMany(till, world, 1024, spoilt)
    must(Client.checkpoint(world.client))
    await sell(till, world, payClient(world, 10n))
    const evidence = (await proveWrongLock(options, await heldIn(till, world)))!
    expect(Bank.assessBadOpening(read(BadOpening.parse(evidence)), world.bank)).toMatchObject({ cause: 'badOpening' })
  })

  test('is shown to the bank when the vendor collects, and costs the client its reputation', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    const client = await twinOf(town.client, channel)
    const twin = { ...createWorld(), client }
    client.settled = price
    const { stall } = town
    await sellMany(stall.till, twin, 5, 4)
    must(Client.checkpoint(client))
    await sell(stall.till, twin, payClient(twin, 10n))
    const held = await stall.held(channel)
    expect(await stall.till.verifyLocks(held)).toBe(false)
    expect(await collect(stall, held, town.bankUrl)).toMatchObject({ settled: price + 60n })
    expect(await town.bank.proofs(client.channelId)).toMatchObject([{ cause: 'badOpening' }])
  })

  test.each(['schnorr', 'ecdsa-xor'] as const)(
    'makes the release fail where it lies, whose checkpoint proves it: %s',
    async (lockScheme) => {
      const store = openStore()
      const world = createWorld({ lockScheme, funds: 1_000_000n })
      const till = openTill(store)
      const options = { till, store, vendor: vendorKey }
      await sellMany(till, world, 20, 8)
      const bytes = await releaseOf(options, world)
      const held = await heldIn(till, world)
      expect(await proveWrongLock(options, held)).toBeUndefined()
      for (let sent = 0; sent < 2; sent++) {
        expect(await release(options, held, bytes)).toMatchObject({
          reason: 'ReleaseInvalid',
          detail: expect.stringMatching(/receipt 7/),
        })
      }
      expect(held.release).toBeUndefined()
      expect(held.channel).toMatchObject({ suspended: 'lock 8 does not hold, and a checkpoint signs it', paid: 200n })
      const evidence = (await proveWrongLock(options, held))!
      expect(Bank.assessBadOpening(read(BadOpening.parse(evidence)), world.bank)).toMatchObject({ cause: 'badOpening' })
      const { claim: signed } = must(await claim(options, held))
      expect(Bank.assessClose(read(Close.parse(signed)), world.bank, now)).toMatchObject({
        settled: 200n,
        record: { basis: 'proven' },
      })
    },
  )

  test('is not what bytes show that are no release', async () => {
    const store = openStore()
    const world = createWorld({ lockScheme: 'ecdsa-xor', funds: 1_000_000n })
    const till = openTill(store)
    const options = { till, store, vendor: vendorKey }
    await sellMany(till, world, 5)
    const bytes = await releaseOf(options, world)
    const held = await heldIn(till, world)
    const wrong = bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte))
    expect(await release(options, held, wrong)).toMatchObject({ reason: 'ReleaseInvalid' })
    expect(held.channel).toMatchObject({ suspended: undefined, wrongLock: undefined })
    expect(must(await release(options, held, bytes))).toMatchObject({ receiptsOpened: 6 })
  })
})

describe('a long release', () => {
  test.each(['schnorr', 'ecdsa-xor'] as const)('is opened while others are served: %s', async (lockScheme) => {
    const stall = await openStall({ path: ':memory:' })
    const world = createWorld({ lockScheme, funds: 1_000_000n })
    await sellMany(stall.till, world, 2000)
    const bytes = await releaseOf(stall, world)
    const held = await heldIn(stall.till, world)
    await stall.till.verifyLocks(held)
    // As if the store knew of none.
    held.channel.locks = undefined
    const order: string[] = []
    const releasing = fetch(`${stall.url}/lockstep/release`, { method: 'POST', body: new Uint8Array(bytes) })
    const released = releasing.then((response) => {
      order.push('release')
      return response.json()
    })
    await until(() => held.releasing !== undefined, 'the release is being opened')
    const frame = Frame.encodeAsk(
      { reference: world.client.channelId.subarray(0, 16), ask: 'statement' },
      world.client.macs.frame,
    )
    for (let asked = 0; asked < 3; asked++) {
      const answer = await fetch(`${stall.url}/lockstep/ask`, { method: 'POST', body: new Uint8Array(frame) })
      order.push(`answer ${answer.status}`)
    }
    expect(await released).toMatchObject({ receiptsOpened: 2001 })
    expect(order).toEqual(['answer 200', 'answer 200', 'answer 200', 'release'])
  })

  test('is asked for again until it is opened, and opened once', async () => {
    const { opened, open } = gate()
    let reads = 0
    const statuses: number[] = []
    const town = await openTown({
      routes: openShop().routes,
      releaseWaitMs: 10,
      wrapStore: (store) =>
        overriding(store, {
          cores: async (channelId: Uint8Array, last: number, first = 1) => {
            reads += 1
            await opened
            return store.cores(channelId, last, first)
          },
        }),
      fetch: async (input, init) => {
        const response = await fetch(input, init)
        const url = typeof input === 'string' ? input : input.url
        if (url.endsWith('/lockstep/release')) statuses.push(response.status)
        if (response.status === 202) open()
        return response
      },
    })
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    expect(await channel.close()).toMatchObject({ receiptsOpened: 2 })
    expect(statuses).toEqual([202, 200])
    // The closing has the locks verified, the release reads the receipts: each once.
    expect(reads).toBe(2)
    expect(await channel.close()).toMatchObject({ receiptsOpened: 2 })
    expect(reads).toBe(2)
  })

  test('of any other bytes waits for it, and costs what is wrong with it alone', async () => {
    const store = openStore()
    const world = createWorld({ funds: 1_000_000n })
    const till = openTill(store)
    const options = { till, store, vendor: vendorKey }
    await sellMany(till, world, 50)
    const bytes = await releaseOf(options, world)
    const held = await heldIn(till, world)
    await till.verifyLocks(held)
    held.channel.locks = undefined
    const wrong = bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte))
    const verdicts = await Promise.all([bytes, wrong, bytes, wrong].map((sent) => release(options, held, sent)))
    expect(verdicts.map(({ ok }) => ok)).toEqual([true, false, true, false])
    expect(verdicts[0]).toEqual({ ok: true, receiptsOpened: 51 })
    expect(equal(held.release!, bytes)).toBe(true)
  })
})

function messagesOf({ frame }: Client.Paid): Parameters<ReturnType<typeof openTill>['admit']>[0] {
  return {
    payment: { bytes: frame, value: read(Frame.parsePayment(frame)) },
    checkpoint: undefined,
    attachment: undefined,
  }
}
