import { rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { serveBank } from '../../../src/bank/server.ts'
import { coarseClock, openFundedBank } from '../../bank/support.ts'
import { onEnd, openStall } from '../../e2e/town.ts'
import { account, now } from '../../protocol/world.ts'
import { openShop } from '../../vendor/shop.ts'
import { openMarket, openTestWallet } from './market.ts'

test('a wallet whose files are lost finds its channels at the bank, and gets them back when their time is up', async () => {
  const { bank, setClock } = await openFundedBank(1_000_000n, { clockRules: coarseClock })
  const server = await serveBank(bank)
  onEnd(() => server.close())
  const stall = await openStall({ bankUrl: server.url, routes: openShop().routes })
  const first = await openTestWallet(server.url, { budget: { channel: '0.4' }, channelLife: 3_600 })
  await first.w.fetch(`${stall.url}/goods/tea`)
  await first.w.stop()
  for (const end of ['', '.generation', '-wal', '-shm']) rmSync(first.store + end, { force: true })

  const second = await openTestWallet(server.url, { store: first.store })
  const early = await second.w.recover()
  expect(early).toMatchObject({ opened: [], ended: [], failed: [] })
  expect(early.lost.map(({ funds, refund }) => [funds, refund])).toEqual([['0.4', undefined]])
  // The wallet's own clock runs: its channel may have been opened a little after `now`.
  await setClock(now + 3_600n + 3_600n + 60n)
  const late = await second.w.recover()
  expect(late.lost.map(({ refund }) => refund)).toEqual(['0.4'])
  expect(await bank.balance(account.publicKey, 'USD/6')).toMatchObject({ balance: 1_000_000n })
  expect((await second.w.recover()).lost).toEqual([])
})

test('a channel that was closed is known to be settled once its vendor has claimed', async () => {
  const { stall, open } = await openMarket()
  const first = await open({ budget: { channel: '0.001' } })
  await first.w.fetch(`${stall.url}/goods/tea`)
  await first.w.close()
  expect(first.of('closed')).toHaveLength(1)
  const second = await open({ store: first.store })
  expect((await second.w.channels()).map(({ status }) => status)).toEqual(['released'])
  expect(await second.w.recover()).toMatchObject({ ended: [], lost: [], failed: [] })
})

test('a channel that nothing was bought over is closed too', async () => {
  const { stall, open } = await openMarket()
  const { w, of } = await open({ budget: { day: '0.00001' } })
  await expect(w.fetch(`${stall.url}/goods/tea`)).rejects.toThrow(/budget\.day/)
  expect(of('opened')).toHaveLength(1)
  await w.close()
  expect(of('closed').map(({ spent, receiptsOpened }) => [spent, receiptsOpened])).toEqual([['0', 0]])
})
