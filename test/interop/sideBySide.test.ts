import { x402HTTPResourceServer, x402ResourceServer } from '@x402/core/server'
import { ExactEvmScheme } from '@x402/evm'
import { ExactEvmScheme as ExactEvmServer } from '@x402/evm/exact/server'
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { Receipt } from 'mppx'
import { evm as evmClient, Mppx as MppxClient, tempo as tempoClient } from 'mppx/client'
import { evm, Mppx, tempo } from 'mppx/server'
import { expect, test } from 'vitest'
import { byMpp, clientMethod, serverMethod } from '../../src/interop/mppx/index.ts'
import { byX402, facilitator, network, priced, serverScheme } from '../../src/interop/x402/index.ts'
import { byLockstep, sideBySide } from '../../src/vendor/index.ts'
import { openTestWallet } from '../client/wallet/market.ts'
import { onEnd } from '../e2e/town.ts'
import { openPayTown, type PayTown } from '../vendor/town.ts'
import { openTokenChain, type TokenChain, tokenDomain } from './chain.ts'
import { openRecorder, type Recorder } from './recorder.ts'
import { type Goods, listen, openGoods, secretKey, x402Stock } from './shops.ts'

/** One route, paid for by Lockstep itself, as a method of MPP, as a scheme of x402, and by two of their stock methods. */
async function openKiosk(): Promise<{ town: PayTown; chain: TokenChain; goods: Goods; recorder: Recorder }> {
  const town = await openPayTown()
  const chain = await openTokenChain()
  const { pay } = town
  const charge = evm.charge({
    chainId: chain.chainId,
    currency: chain.token,
    decimals: 6,
    recipient: chain.payee,
    authorization: tokenDomain,
    settle: async ({ payload }) => ({ reference: await chain.transfer(payload) }),
  })
  const offline = tempo.charge({ currency: '0x20c0000000000000000000000000000000000000', recipient: chain.payee })
  const mppx = Mppx.create({ methods: [serverMethod(pay), charge, offline], secretKey, realm: 'kiosk.example' })
  const composed = mppx.compose(
    [mppx.lockstep.session, { amount: '0.001' }],
    [mppx.evm.charge, { amount: '0.001' }],
    [mppx.tempo.charge, { amount: '0.001' }],
  )
  const server = new x402ResourceServer([facilitator, chain.facilitator])
    .register(network, serverScheme(pay))
    .register(chain.network, new ExactEvmServer())
  const exact = {
    scheme: 'exact',
    network: chain.network,
    payTo: chain.payee,
    price: { asset: chain.token, amount: '1000', extra: tokenDomain },
  }
  const x402 = new x402HTTPResourceServer(server, { 'GET /tea': { accepts: [priced(pay, '0.001'), exact] } })
  await x402.initialize()
  const goods = openGoods()
  const ways = [byLockstep(pay, pay.price('0.001')), byMpp(composed), byX402(x402)]
  const shop = await listen(pay, sideBySide(ways, goods.answer))
  onEnd(shop.close)
  const recorder = await openRecorder(shop.url)
  onEnd(recorder.close)
  return { town, chain, goods, recorder }
}

test('one route is paid in five ways, and its one 402 is read by the stock client of each', async () => {
  const { town, chain, goods, recorder } = await openKiosk()
  const url = `${recorder.url}/tea`
  const told = await fetch(url)
  expect(told.status).toBe(402)
  expect(told.headers.get('WWW-Authenticate')).toMatch(/^Lockstep offer=.*, Payment id=.*, Payment id=.*, Payment id=/)
  expect(told.headers.has('PAYMENT-REQUIRED')).toBe(true)
  expect(await told.json()).toMatchObject({ reason: 'PaymentRequired', price: { amount: '1000', asset: 'USD/6' } })

  const known = MppxClient.create({ methods: [tempoClient.charge({ account: chain.payer })], polyfill: false })
  const chosen = await known.preparePayment(await fetch(url))
  expect(chosen.challenges.map(({ method }) => method)).toEqual(['lockstep', 'evm', 'tempo', 'evm'])
  expect(chosen.challenge).toMatchObject({ method: 'tempo', intent: 'charge' })

  const { w, of } = await openTestWallet(town.bankUrl)
  const byWallet = await w.fetch(url)
  expect(byWallet.status).toBe(200)
  expect(byWallet.headers.has('Payment-Receipt') || byWallet.headers.has('PAYMENT-RESPONSE')).toBe(false)

  const lockstep = clientMethod(w)
  const mppx = MppxClient.create({ methods: [lockstep], fetch: lockstep.fetch, polyfill: false })
  expect(Receipt.fromResponse(await mppx.fetch(url))).toMatchObject({
    method: 'lockstep',
    statement: expect.stringMatching(/^[\w-]{82}$/),
  })

  const settled = decodePaymentResponseHeader((await x402Stock(w)(url)).headers.get('PAYMENT-RESPONSE')!)
  expect(settled).toMatchObject({ success: true, network, amount: '1000' })
  expect(settled.extra).toEqual({ statement: expect.stringMatching(/^[\w-]{82}$/) })
  expect(of('payment').map(({ index, charged }) => [index, charged])).toEqual([1, 2, 3].map((at) => [at, '0.001']))

  // What the packages bring themselves, beside it: money on a chain.
  const stock = MppxClient.create({
    methods: [evmClient.charge({ account: chain.payer, authorization: tokenDomain })],
    polyfill: false,
  })
  expect(Receipt.fromResponse(await stock.fetch(url))).toMatchObject({ method: 'evm' })
  expect(await chain.balanceOf(chain.payee)).toBe(1000n)

  const client = new x402Client().register(chain.network, new ExactEvmScheme(chain.payer)).setSpendControls(false)
  const exact = await wrapFetchWithPayment(fetch, client)(url)
  expect(decodePaymentResponseHeader(exact.headers.get('PAYMENT-RESPONSE')!)).toMatchObject({ success: true })
  expect(await chain.balanceOf(chain.payee)).toBe(2000n)
  expect(goods.runs).toEqual(new Map([['/tea', 5]]))
})
