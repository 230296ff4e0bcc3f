import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { type Fetch, JournalError, RefusedError, UnansweredError } from '../../src/client/index.ts'
import { sqliteJournal } from '../../src/client/journal/index.ts'
import { headerNames } from '../../src/http/headers.ts'
import { collect } from '../../src/vendor/index.ts'
import { toBase64url } from '../../src/wire/base64url.ts'
import { query, temporaryPath } from '../bank/support.ts'
import { openChannel, openClient, openTown, overriding, prepare, type TestClient } from '../e2e/town.ts'
import { openShop, price } from '../vendor/shop.ts'

/** The payments that the file has, as their headers carry them. */
function framesIn(path: string): readonly string[] {
  return query(path, 'SELECT frame FROM payments ORDER BY number').map(({ frame }) => toBase64url(frame as Uint8Array))
}

function isPaid(init: RequestInit | undefined): string | undefined {
  return new Headers(init?.headers).get(headerNames.payment) ?? undefined
}

function addressOf(input: string | Request): string {
  return typeof input === 'string' ? input : input.url
}

/** Loses the answers to paid requests while `isLossy`. */
function lossyLine(): { readonly fetch: Fetch; sent: string[]; isLossy: boolean } {
  const line = {
    sent: [] as string[],
    isLossy: true,
    fetch: (async (input, init) => {
      const response = await fetch(input, init)
      const payment = isPaid(init)
      if (payment !== undefined && !addressOf(input).includes('/lockstep/')) line.sent.push(payment)
      if (payment === undefined || !line.isLossy) return response
      await response.arrayBuffer()
      throw new TypeError('the answer was lost')
    }) as Fetch,
  }
  return line
}

async function reopen(client: TestClient, bankUrl: string, path = client.path): Promise<TestClient> {
  await client.close()
  return openClient(bankUrl, { path })
}

describe('a payment', () => {
  test('is in the journal’s file before its request leaves, and so is every coin of a stream', async () => {
    const path = temporaryPath('client.sqlite')
    const found: boolean[] = []
    const look: Fetch = (input, init) => {
      const payment = isPaid(init)
      if (payment !== undefined) found.push(framesIn(path).includes(payment))
      return fetch(input, init)
    }
    const town = await openTown({ routes: openShop().routes, fetch: look, wallet: { path } })
    const channel = await openChannel(town)
    for (const name of ['tea', 'milk', 'cake']) await channel.fetch(`${town.stall.url}/goods/${name}`, price)
    expect(found).toEqual([true, true, true])
    const { frame } = await channel
      .tick((await prepare(channel, '/free', 0n)).index, 5)
      .catch(() => ({ frame: undefined }))
    expect(frame).toBeDefined()
    expect(query(path, 'SELECT paid FROM states')).toEqual([{ paid: channel.state.paid }])
  })

  test('is sent again with the same bytes while its answer does not come, and charged once', async () => {
    const shop = openShop()
    const line = lossyLine()
    const town = await openTown({ routes: shop.routes, fetch: line.fetch })
    const channel = await openChannel(town)
    const lost = channel.fetch(`${town.stall.url}/goods/tea`, price)
    await expect(lost).rejects.toThrow(UnansweredError)
    await expect(lost).rejects.toThrow('3 attempts')
    expect(line.sent).toHaveLength(3)
    expect(new Set(line.sent).size).toBe(1)
    line.isLossy = false
    // What became of it is asked for first: it was charged, so the next one is paid in full.
    expect((await channel.fetch(`${town.stall.url}/goods/milk`, price)).status).toBe(200)
    expect(channel.state).toMatchObject({ index: 2, paid: 2n * price, acknowledged: 2n * price })
    expect([...channel.state.outstanding]).toEqual([])
    expect(shop.total()).toBe(2)
  })

  test('that did not arrive is resent, and its price is credit for the next', async () => {
    const shop = openShop()
    let isDown = true
    const town = await openTown({
      routes: shop.routes,
      fetch: (input, init) => (isDown && isPaid(init) ? Promise.reject(new TypeError('no way')) : fetch(input, init)),
    })
    const channel = await openChannel(town)
    await expect(channel.fetch(`${town.stall.url}/goods/tea`, price)).rejects.toThrow(UnansweredError)
    isDown = false
    expect((await channel.fetch(`${town.stall.url}/goods/milk`, price)).status).toBe(200)
    expect(channel.state).toMatchObject({ index: 2, paid: price, acknowledged: price })
    expect(await channel.close()).toMatchObject({ closing: { spent: price, index: 2 }, receiptsOpened: 3 })
    expect(shop.total()).toBe(1)
  })

  test('is given up with its signal, and not sent again', async () => {
    const { fetch: real } = globalThis
    let sent = 0
    const controller = new AbortController()
    const town = await openTown({
      routes: openShop().routes,
      fetch: (input, init) => {
        if (isPaid(init) !== undefined && !addressOf(input).includes('/lockstep/')) {
          sent += 1
          controller.abort(new Error('enough'))
        }
        return real(input, init)
      },
    })
    const channel = await openChannel(town)
    const given = channel.fetch(`${town.stall.url}/goods/tea`, price, { signal: controller.signal })
    await expect(given).rejects.toThrow(UnansweredError)
    expect(sent).toBe(1)
  })

  test('is refused before anything is signed where the channel cannot pay it', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town, 100n)
    await expect(channel.fetch(`${town.stall.url}/goods/tea`, 101n)).rejects.toThrow(RefusedError)
    expect(channel.state).toMatchObject({ index: 0, paid: 0n })
    expect(framesIn(town.client.path)).toEqual([])
  })
})

describe('a client started again', () => {
  test('goes on where its journal is, without using an index twice, and closes', async () => {
    const shop = openShop()
    const line = lossyLine()
    const town = await openTown({ routes: shop.routes, fetch: line.fetch })
    const channel = await openChannel(town)
    line.isLossy = false
    for (const name of ['tea', 'milk']) await channel.fetch(`${town.stall.url}/goods/${name}`, price)
    // One that was signed and never sent, one whose answer was lost: then the process ends.
    await prepare(channel, '/goods/cake', price)
    line.isLossy = true
    await expect(channel.fetch(`${town.stall.url}/goods/soup`, price)).rejects.toThrow(UnansweredError)
    const before = framesIn(town.client.path)

    const client = await reopen(town.client, town.bankUrl)
    const [again] = await client.wallet.channels()
    expect(again!.state).toMatchObject({ index: 4, paid: 4n * price })
    // Credit for what was never served is found again.
    expect((await again!.fetch(`${town.stall.url}/goods/bread`, price)).status).toBe(200)
    expect(again!.state).toMatchObject({ index: 5, paid: 4n * price, acknowledged: 4n * price })
    const after = framesIn(client.path)
    expect(after.slice(0, 4)).toEqual(before)
    expect(new Set(after).size).toBe(5)
    expect(await again!.close()).toMatchObject({ closing: { index: 5, spent: 4n * price }, receiptsOpened: 6 })
    expect(await collect(town.stall, await town.stall.held(again!), town.bankUrl)).toMatchObject({
      settled: 4n * price,
    })
  })

  test('releases what it had begun to release', async () => {
    let isDown = false
    const town = await openTown({
      routes: openShop().routes,
      fetch: (input, init) =>
        isDown && /\/(?:release|commands)$/.test(addressOf(input))
          ? Promise.reject(new TypeError('no way'))
          : fetch(input, init),
    })
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    isDown = true
    await expect(channel.close()).rejects.toThrow(UnansweredError)
    await expect(channel.fetch(`${town.stall.url}/goods/tea`, price)).rejects.toThrow(RefusedError)
    const client = await reopen(town.client, town.bankUrl)
    const [again] = await client.wallet.channels()
    await again!.refresh()
    expect((await client.journal.channels())[0]!.state).toMatchObject({
      release: expect.anything(),
      closing: expect.anything(),
    })
    await expect(again!.fetch(`${town.stall.url}/goods/tea`, price)).rejects.toThrow(RefusedError)
    expect(await again!.close()).toMatchObject({ receiptsOpened: 2 })
  })

  test('with an old copy of its journal signs nothing: the vendor knows of more', async () => {
    const town = await openTown({ routes: openShop().routes })
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    const copy = temporaryPath('copy.sqlite')
    const db = new DatabaseSync(town.client.path)
    db.exec(`VACUUM INTO '${copy}'`)
    db.close()
    await channel.fetch(`${town.stall.url}/free`, 0n)
    const client = await reopen(town.client, town.bankUrl, copy)
    const [old] = await client.wallet.channels()
    for (let time = 0; time < 2; time++) {
      await expect(old!.fetch(`${town.stall.url}/goods/milk`, price)).rejects.toThrow(/old copy/)
    }
    expect(old!.state.index).toBe(1)
    expect(framesIn(copy)).toHaveLength(1)
  })

  test('refuses a journal of a newer version, and touches nothing in it', () => {
    const path = temporaryPath('client.sqlite')
    void sqliteJournal(path).close()
    const db = new DatabaseSync(path)
    db.exec('PRAGMA user_version = 99')
    db.close()
    expect(() => sqliteJournal(path)).toThrow(/newer|version/)
  })
})

test('what is made while the journal stores goes with its next commit', async () => {
  const shop = openShop()
  const file = sqliteJournal(temporaryPath('client.sqlite'))
  const made: number[][] = []
  const journal = overriding(file, {
    commit: (channelId, state, payments = [], answered = []) => {
      made.push(payments.map(({ index }) => index))
      return file.commit(channelId, state, payments, answered)
    },
  })
  const town = await openTown({ routes: shop.routes, wallet: { journal } })
  const channel = await openChannel(town)
  made.length = 0
  const bought = Array.from({ length: 9 }, (_, at) => channel.fetch(`${town.stall.url}/goods/tea?${at}`, price))
  expect((await Promise.all(bought)).map(({ status }) => status)).toEqual(Array.from({ length: 9 }, () => 200))
  expect(made.flat()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(made.filter((indices) => indices.length > 0).length).toBeLessThan(9)
  expect(await journal.payments(channel.state.channelId)).toHaveLength(9)
  await channel.close()
})

describe('a journal that fails', () => {
  test('stops the channel: nothing that it does not have leaves, and nothing is signed after it', async () => {
    let failing = false
    const shop = openShop()
    const sent: (string | undefined)[] = []
    const path = temporaryPath('client.sqlite')
    const file = sqliteJournal(path)
    const journal = overriding(file, {
      commit: (...args) => (failing ? Promise.reject(new Error('the disk is full')) : file.commit(...args)),
    })
    const town = await openTown({
      routes: shop.routes,
      fetch: (input, init) => {
        sent.push(isPaid(init))
        return fetch(input, init)
      },
      wallet: { journal },
    })
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    failing = true
    const before = sent.length
    const attempts = ['milk', 'cake'].map((name) => channel.fetch(`${town.stall.url}/goods/${name}`, price))
    for (const attempt of attempts) await expect(attempt).rejects.toThrow(JournalError)
    failing = false
    await expect(channel.fetch(`${town.stall.url}/goods/soup`, price)).rejects.toThrow(JournalError)
    await expect(channel.close()).rejects.toThrow(JournalError)
    expect(sent.slice(before).filter((payment) => payment !== undefined)).toEqual([])
    await file.close()

    const client = openClient(town.bankUrl, { path })
    const [again] = await client.wallet.channels()
    expect(again!.state.index).toBe(1)
    expect((await again!.fetch(`${town.stall.url}/goods/milk`, price)).status).toBe(200)
    expect(await again!.close()).toMatchObject({ closing: { index: 2, spent: 2n * price }, receiptsOpened: 3 })
    expect(shop.total()).toBe(2)
  })
})
