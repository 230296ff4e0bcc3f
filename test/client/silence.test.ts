import { describe, expect, test } from 'vitest'
import { UnansweredError } from '../../src/client/index.ts'
import { openChannel, openTown, type Town, until } from '../e2e/town.ts'
import { openShop, price } from '../vendor/shop.ts'

/** A town whose client is silent after that, and whose vendor may be away. */
async function openQuiet(silenceMs: number): Promise<Town & { readonly line: { isDown: boolean; asked: number } }> {
  const line = { isDown: false, asked: 0 }
  const town = await openTown({
    routes: openShop().routes,
    wallet: { silenceMs },
    fetch: (input, init) => {
      const isAsk = (typeof input === 'string' ? input : input.url).endsWith('/lockstep/ask')
      if (isAsk) line.asked += 1
      return isAsk && line.isDown ? Promise.reject(new TypeError('no way there')) : fetch(input, init)
    },
  })
  return { ...town, line }
}

describe('a channel that pays nothing for a while', () => {
  test('signs a checkpoint over all that was paid, which its vendor has without another payment', async () => {
    const town = await openQuiet(5)
    const channel = await openChannel(town)
    for (const name of ['tea', 'milk']) await channel.fetch(`${town.stall.url}/goods/${name}`, price)
    const { channel: held } = await town.stall.held(channel)
    await until(() => held.segments.at(-1)!.index === 2, 'the vendor has the checkpoint')
    const { transcript } = channel.state
    expect(held.segments.at(-1)).toMatchObject({ base: 2n * price, transcript })
    await until(() => channel.state.checkpoint === undefined, 'it is acknowledged')
    // Nothing was paid since: there is nothing more to sign.
    const asked = town.line.asked
    await channel.rest()
    expect(channel.state.segment.number).toBe(held.segments.at(-1)!.number)
    expect(town.line.asked).toBe(asked)
    expect((await channel.fetch(`${town.stall.url}/goods/cake`, price)).status).toBe(200)
  })

  test('sends it along with the next payment where its vendor does not hear it', async () => {
    const town = await openQuiet(60_000)
    const channel = await openChannel(town)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    town.line.isDown = true
    await expect(channel.rest()).rejects.toThrow(UnansweredError)
    expect(channel.state.checkpoint).toBeDefined()
    expect((await channel.fetch(`${town.stall.url}/goods/milk`, price)).status).toBe(200)
    expect((await town.stall.held(channel)).channel.segments.at(-1)).toMatchObject({ base: price, index: 1 })
  })

  test('signs none before its vendor knows it, nor after it was closed', async () => {
    const town = await openQuiet(60_000)
    const channel = await openChannel(town)
    await channel.rest()
    expect(channel.state.segment.number).toBe(0)
    await channel.fetch(`${town.stall.url}/goods/tea`, price)
    await channel.close()
    const asked = town.line.asked
    await channel.rest()
    expect(channel.state.segment.number).toBe(0)
    expect(town.line.asked).toBe(asked)
  })
})

test('a checkpoint that rides along with a question is held to its signature', async () => {
  const town = await openQuiet(60_000)
  const channel = await openChannel(town)
  await channel.fetch(`${town.stall.url}/goods/tea`, price)
  const before = (await town.stall.held(channel)).channel.segments.length
  const checkpoint = (await channel.checkpoint())!
  channel.state.checkpoint?.set([checkpoint.at(-1)! ^ 1], checkpoint.length - 1)
  await expect(channel.rest()).rejects.toMatchObject({ reason: 'CheckpointSignature' })
  expect((await town.stall.held(channel)).channel.segments).toHaveLength(before)
})
