import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PayingChannel } from '../../src/client/index.ts'
import { openFromLast, Vendor } from '../../src/protocol/index.ts'
import { readCores } from '../../src/vendor/held.ts'
import { collect, release } from '../../src/vendor/index.ts'
import * as Closing from '../../src/wire/Closing.ts'
import { query } from '../bank/support.ts'
import { openChannel, openTown, prepare, type Town } from '../e2e/town.ts'
import { must } from '../protocol/world.ts'
import { openShop, price } from './shop.ts'

describe('two hundred requests at once on one channel', () => {
  test.each([
    ['in order', price, (count: number) => Array.from({ length: count }, (_, at) => at)],
    ['the last first', price, (count: number) => Array.from({ length: count }, (_, at) => count - 1 - at)],
    ['in any order', price, (count: number) => shuffled(count, 7)],
    // More than a segment's 1,024 coins: each is paid by a checkpoint, whose segment is used up at once.
    ['in any order, one segment a payment', 10_250n, (count: number) => shuffled(count, 11)],
  ])('are all served and charged once each: %s', async (_, goods, order) => {
    const shop = openShop({ price: goods })
    const town = await openTown({ routes: shop.routes, wallet: { path: ':memory:' } })
    const channel = await openChannel(town, 3_000_000n)
    const prepared: Awaited<ReturnType<typeof prepare>>[] = []
    for (let number = 0; number < 200; number++) prepared.push(await prepare(channel, `/goods/${number}`, goods))
    // The first of all shows the channel; the others need nothing but themselves.
    const answers = await Promise.all(order(200).map((at) => prepared[at]!.send()))
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 200 }, () => 200))
    for (const { index } of prepared) expect(shop.runs(index)).toBe(1)
    expect(await channel.refresh()).toMatchObject({ spent: 200n * goods, paid: 200n * goods, contiguous: 200 })
    await everyReceiptOpens(town, channel)
    expect(checkpointsMissing(town, channel)).toEqual([])
  })

  test('by the client itself, whose close then finds nothing missing', async () => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes, wallet: { path: ':memory:' } })
    const channel = await openChannel(town)
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, number) => channel.fetch(`${town.stall.url}/goods/${number}`, price)),
    )
    expect(answers.every(({ ok }) => ok)).toBe(true)
    expect(shop.total()).toBe(200)
    const { closing, receiptsOpened } = await channel.close()
    expect(closing).toMatchObject({ index: 200, spent: 200n * price })
    expect(receiptsOpened).toBe(201)
    const settlement = await collect(town.stall, await town.stall.held(channel), town.bankUrl)
    expect(settlement).toMatchObject({ settled: 200n * price, refund: 1_000_000n - 200n * price, basis: 'proven' })
  })
})

test('whatever fails, is lost and is sent again, in any order: everything served is charged once, and nothing else', async () => {
  const shop = openShop()
  const town = await openTown({ routes: shop.routes, wallet: { path: ':memory:' } })
  const step = fc.record({
    path: fc.constantFrom('/goods/tea', '/status/500', '/throw/now', '/free'),
    times: fc.integer({ min: 0, max: 3 }),
    elsewhere: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.integer(), async (steps, seed) => {
      const channel = await openChannel(town, 10_000n)
      const sent: { readonly at: number; readonly send: () => Promise<Response> }[] = []
      for (const [at, { path, times, elsewhere }] of steps.entries()) {
        const { send } = await prepare(channel, path, path === '/free' ? 0n : price)
        for (let time = 0; time < times; time++) sent.push({ at, send: () => send() })
        if (elsewhere) sent.push({ at: -1, send: () => send({ url: `${town.stall.url}/goods/elsewhere` }) })
      }
      const responses = await Promise.all(
        shuffled(sent.length, seed).map(async (place) => ({
          at: sent[place]!.at,
          response: await sent[place]!.send(),
        })),
      )
      const served = new Set(responses.filter(({ at, response }) => at >= 0 && response.ok).map(({ at }) => at))
      const worth = [...served].reduce((sum, at) => sum + (steps[at]!.path === '/free' ? 0n : price), 0n)
      expect(responses.every(({ at, response }) => at >= 0 || !response.ok)).toBe(true)
      await channel.resend()
      expect(await channel.refresh()).toMatchObject({
        spent: worth,
        paid: channel.state.paid,
        contiguous: steps.length,
      })
      expect(charged(town, channel)).toBe(worth)
      expect(await channel.close()).toMatchObject({ closing: { spent: worth }, receiptsOpened: steps.length + 1 })
    }),
    { numRuns: 25 },
  )
  expect(await town.stall.store.running()).toEqual([])
})

/** The sum of what the payments of a channel were charged, as the file has it. */
function charged(town: Town, channel: PayingChannel): bigint {
  const id = Buffer.from(channel.state.channelId).toString('hex')
  const [row] = query(
    town.stall.path,
    `SELECT coalesce(sum(charged), 0) AS charged FROM payments WHERE channel_id = x'${id}'`,
  )
  return row!.charged as bigint
}

/** Segments that payments of a channel name and that the file has no checkpoint of: without it nobody could verify them. */
function checkpointsMissing(town: Town, channel: PayingChannel): readonly unknown[] {
  const id = Buffer.from(channel.state.channelId).toString('hex')
  return query(
    town.stall.path,
    `SELECT DISTINCT segment FROM payments WHERE channel_id = x'${id}' AND segment NOT IN
      (SELECT number FROM segments WHERE channel_id = x'${id}')`,
  )
}

async function everyReceiptOpens(town: Town, channel: PayingChannel): Promise<void> {
  await channel.close()
  const held = await town.stall.held(channel)
  const released = must(await release(town.stall, held, held.release!))
  const made = Closing.parseRelease(held.release!)
  const { channelId, window, terms } = held.channel
  const cores = await town.stall.store.cores(channelId, window.contiguous)
  const chain = Vendor.chainOf(held.channel, readCores(terms.lockScheme, cores))
  expect(made.ok && openFromLast(chain, made.value.receipt)).toMatchObject({ ok: true })
  expect(released.receiptsOpened).toBe(201)
}

/** Numbers below `count` in an order that the seed chooses. */
function shuffled(count: number, seed: number): number[] {
  let state = seed >>> 0
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state % below
  }
  const order = Array.from({ length: count }, (_, at) => at)
  for (let at = count - 1; at > 0; at--) {
    const other = random(at + 1)
    ;[order[at], order[other]] = [order[other]!, order[at]!]
  }
  return order
}
