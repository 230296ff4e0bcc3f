import { expect, test } from 'vitest'
import { verifyRecord } from '../../src/chain/index.ts'
import type { Fetch } from '../../src/client/index.ts'
import { headerNames } from '../../src/http/headers.ts'
import { collect, type StreamRoute } from '../../src/vendor/index.ts'
import * as Record from '../../src/wire/Record.ts'
import { bankKey } from '../protocol/world.ts'
import { openShop, price } from '../vendor/shop.ts'
import { openClient, openTown, unitPrice } from './town.ts'

const count: StreamRoute = {
  path: '/count/:to',
  price: unitPrice,
  *source({ params }) {
    for (let unit = 0; unit < Number(params.to); unit++) yield Uint8Array.of(unit)
  },
}

test.each(['schnorr', 'ecdsa-xor'] as const)(
  'a channel is opened, pays requests and a stream through lost answers and restarts, and ends recorded: %s',
  async (lockScheme) => {
    const shop = openShop()
    let lose = 0
    const lossy: Fetch = async (input, init) => {
      const response = await fetch(input, init)
      if (!new Headers(init?.headers).has(headerNames.payment) || lose === 0) return response
      lose -= 1
      await response.arrayBuffer()
      throw new TypeError('the answer was lost')
    }
    const town = await openTown({ routes: shop.routes, streams: [count], fetch: lossy })
    const channel = await town.client.wallet.open(town.stall.url, { funds: 50_000n, lockScheme })
    lose = 2
    expect((await channel.fetch(`${town.stall.url}/goods/tea`, price)).status).toBe(200)
    expect(shop.runs(1)).toBe(1)
    const received: number[] = []
    const isPayment = (unit: number): boolean => unit % 10 === 0
    for await (const unit of channel.stream(`${town.stall.url}/count/50`, { price: unitPrice, isPayment }))
      received.push(unit[0]!)
    expect(received).toEqual(Array.from({ length: 50 }, (_, at) => at))

    const stall = await town.stall.restart()
    await town.client.close()
    const client = openClient(town.bankUrl, { path: town.client.path })
    const [again] = await client.wallet.channels()
    expect((await again!.fetch(`${stall.url}/goods/milk`, price)).status).toBe(200)
    const spent = 2n * price + 50n * unitPrice
    expect(await again!.close()).toMatchObject({ closing: { index: 8, spent }, receiptsOpened: 9 })
    const settlement = await collect(stall, await stall.held(again!), town.bankUrl)
    expect(settlement).toMatchObject({ settled: spent, refund: 50_000n - spent, basis: 'proven' })

    await town.bank.record()
    const recorded = await town.bank.proof(again!.state.channelId)
    expect(
      await verifyRecord({
        leaf: Record.leaf(recorded!.record),
        proof: recorded!.proof,
        trust: { bank: bankKey.publicKey, network: 'lockstep:test', registry: undefined },
      }),
    ).toMatchObject({ ok: true })
    expect(Record.parse(recorded!.record)).toMatchObject({ ok: true, value: { settled: spent } })
    expect(stall.errors).toEqual([])
  },
)
