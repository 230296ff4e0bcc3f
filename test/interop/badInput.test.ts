import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  encodePaymentSignatureHeader,
  x402HTTPResourceServer,
} from '@x402/core/http'
import type { PaymentRequirements } from '@x402/core/types'
import { Hono } from 'hono'
import { Challenge, Credential, Receipt } from 'mppx'
import { Mppx as MppxClient } from 'mppx/client'
import { Mppx as HonoMppx } from 'mppx/hono'
import { Mppx } from 'mppx/server'
import { describe, expect, test, vi } from 'vitest'
import { toMembers } from '../../src/http/members.ts'
import { byMpp, clientMethod, mppFetch, serverMethod } from '../../src/interop/mppx/index.ts'
import { byX402, clientScheme, facilitatorScheme, network, priced, x402Fetch } from '../../src/interop/x402/index.ts'
import { openTestWallet } from '../client/wallet/market.ts'
import { onEnd, type Prepared, prepare, problemIn, statementIn } from '../e2e/town.ts'
import { openPayTown, type PayTown } from '../vendor/town.ts'
import { openRecorder } from './recorder.ts'
import { type Goods, listen, openGoods, type Protocol, protocols, resourceServer, secretKey } from './shops.ts'

const price = 1000n
const [mppx, x402] = protocols as [Protocol, Protocol]

describe('an MPP credential', () => {
  test('for another route charges nothing there, and is served where it belongs', async () => {
    const { town, goods, url } = await openShop(mppx)
    const channel = await town.open(url)
    const payment = await prepare(channel, '/tea', price)
    const elsewhere = await present(url, '/coffee', payment)
    expect(await problemIn(elsewhere)).toMatchObject({ status: 409, reason: 'RequestMismatch' })
    expect(elsewhere.headers.get('WWW-Authenticate')).toContain('method="lockstep"')
    expect(goods.runs.size).toBe(0)
    expect((await present(url, '/tea', payment)).status).toBe(200)
    expect(await channel.refresh()).toMatchObject({ spent: price, paid: price })
  })

  test('that comes again gets the same answer, and its handler does not run again', async () => {
    const { town, goods, url } = await openShop(mppx)
    const channel = await town.open(url)
    const payment = await prepare(channel, '/tea', price)
    const header = await credentialFor(url, '/tea', payment)
    const send = (path: string): Promise<Response> => fetch(url + path, { headers: { Authorization: header } })
    const [first, again] = [await send('/tea'), await send('/tea')]
    expect(await again.text()).toBe(await first.text())
    expect(Receipt.fromResponse(again).reference).toBe(Receipt.fromResponse(first).reference)
    expect(await problemIn(await send('/coffee'))).toMatchObject({ status: 409, reason: 'IndexConflict' })
    expect(goods.runs).toEqual(new Map([['/tea', 1]]))
    expect(await channel.refresh()).toMatchObject({ spent: price, contiguous: 1 })
  })

  test('that is sent fifty times at once is served once', async () => {
    const { town, goods, url } = await openShop(mppx)
    const channel = await town.open(url)
    const header = await credentialFor(url, '/tea', await prepare(channel, '/tea', price))
    const send = (): Promise<Response> => fetch(`${url}/tea`, { headers: { Authorization: header } })
    const answers = await Promise.all(Array.from({ length: 50 }, async () => (await send()).json()))
    expect(answers).toEqual(Array.from({ length: 50 }, () => ({ name: '/tea', run: 1 })))
    expect(goods.runs).toEqual(new Map([['/tea', 1]]))
    expect(await channel.refresh()).toMatchObject({ spent: price })
  })

  test.each([
    ['that is no base64url', () => 'Payment %%%'],
    ['that is no JSON', () => 'Payment bm90IGpzb24'],
    ['that is cut short', (header: string) => header.slice(0, -40)],
    ['whose challenge has another id', (header: string) => changed(header, (c) => ({ ...c, id: 'A'.repeat(43) }))],
    ['whose challenge asks for less', (header: string) => changed(header, (c) => ({ ...c, request: asking(c, '1') }))],
    ['whose challenge has another realm', (header: string) => changed(header, (c) => ({ ...c, realm: 'other' }))],
    [
      'whose challenge lives longer',
      (header: string) => changed(header, (c) => ({ ...c, expires: '2099-01-01T00:00:00Z' })),
    ],
    ['without its payment', (header: string) => changed(header, (c) => c, {})],
    ['with what is no payment', (header: string) => changed(header, (c) => c, { payment: 'not base64url!' })],
    ['longer than any', (header: string) => changed(header, (c) => c, { payment: 'A'.repeat(2_000) })],
  ])('%s is asked for again, and the handler does not run', async (_, change) => {
    const { town, goods, url } = await openShop(mppx)
    const channel = await town.open(url)
    const header = change(await credentialFor(url, '/tea', await prepare(channel, '/tea', price)))
    const response = await fetch(`${url}/tea`, { headers: { Authorization: header } })
    expect(response.status).toBe(402)
    expect(Challenge.fromResponse(response)).toMatchObject({ method: 'lockstep', intent: 'session' })
    expect(goods.runs.size).toBe(0)
    expect(town.errors).toEqual([])
  })

  test('whose frame was changed is refused by its MAC', async () => {
    const { town, goods, url } = await openShop(mppx)
    const payment = await prepare(await town.open(url), '/tea', price)
    const frame = payment.headers['Lockstep-Payment']!
    const other = frame.slice(0, -2) + (frame.at(-2) === 'A' ? 'B' : 'A') + frame.at(-1)
    const response = await present(url, '/tea', { headers: { ...payment.headers, 'Lockstep-Payment': other } })
    expect(await problemIn(response)).toMatchObject({ status: 401, reason: 'MacMismatch' })
    expect(goods.runs.size).toBe(0)
  })

  test('whose handler fails gets no receipt, and the statement that nothing was charged', async () => {
    const { town, url } = await openShop(mppx)
    const channel = await town.open(url)
    const response = await present(url, '/fail/status', await prepare(channel, '/fail/status', price))
    expect([response.status, response.headers.has('Payment-Receipt')]).toEqual([503, false])
    expect(statementIn(channel, response)).toMatchObject({ index: 1, charged: 0n, paid: price })
  })

  test('that pays too little is told the price, and its credit is kept', async () => {
    const { town, goods, url } = await openShop(mppx)
    const channel = await town.open(url)
    expect((await present(url, '/tea', await prepare(channel, '/tea', price))).status).toBe(200)
    const response = await present(url, '/tea', await prepare(channel, '/tea', 0n))
    expect(response.status).toBe(402)
    expect(await response.json()).toMatchObject({ reason: 'CreditTooLow', price: { amount: '1000', asset: 'USD/6' } })
    expect(goods.runs).toEqual(new Map([['/tea', 1]]))
  })

  test('of more than 16 KiB is not read', async () => {
    const { goods, url } = await openShop(mppx)
    const response = await fetch(`${url}/tea`, { headers: { Authorization: `Payment ${'A'.repeat(20_000)}` } })
    expect(response.status).toBe(431)
    expect(goods.runs.size).toBe(0)
  })
})

describe('a wallet that speaks MPP', () => {
  test('gets a new challenge where its own has expired, or another server made it', async () => {
    const town = await openPayTown()
    const goods = openGoods()
    const chargeOf = (secret: string) =>
      Mppx.create({ methods: [serverMethod(town.pay)], secretKey: secret, realm: 'shop.example' }).lockstep.session
    let charge = chargeOf(secretKey)({ amount: '0.001' })
    const shop = await listen(town.pay, (request) => byMpp(charge).sell(request, goods.answer))
    onEnd(shop.close)
    const recorder = await openRecorder(shop.url)
    onEnd(recorder.close)
    const { w, of } = await openTestWallet(town.bankUrl, { fetch: mppFetch() })
    const buy = async (): Promise<number> => (await w.fetch(`${recorder.url}/tea`)).status
    expect(await buy()).toBe(200)
    // A challenge of mppx is good for five minutes.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 360_000 })
    onEnd(async () => void vi.useRealTimers())
    const before = recorder.requests.filter((line) => line === 'GET /tea').length
    expect(await buy()).toBe(200)
    expect(recorder.requests.filter((line) => line === 'GET /tea')).toHaveLength(before + 2)
    charge = chargeOf(`${secretKey}, and another`)({ amount: '0.001' })
    expect(await buy()).toBe(200)
    expect(await buy()).toBe(200)
    expect(recorder.requests.filter((line) => line === 'GET /tea')).toHaveLength(before + 5)
    expect(of('payment').map(({ index, charged }) => [index, charged])).toEqual(
      [1, 2, 3, 4].map((index) => [index, '0.001']),
    )
    expect(goods.runs).toEqual(new Map([['/tea', 4]]))
  })

  test('pays the rest where a price has risen, and asks its owner', async () => {
    const town = await openPayTown()
    const goods = openGoods()
    const { lockstep } = Mppx.create({ methods: [serverMethod(town.pay)], secretKey, realm: 'shop.example' })
    let amount = '0.001'
    const shop = await listen(town.pay, (request) => byMpp(lockstep.session({ amount })).sell(request, goods.answer))
    onEnd(shop.close)
    const asked: unknown[] = []
    const approve = (purchase: { price: string; raisedFrom?: string }): boolean => {
      asked.push([purchase.price, purchase.raisedFrom])
      return true
    }
    const { w, of } = await openTestWallet(town.bankUrl, { fetch: mppFetch(), approve })
    expect((await w.fetch(`${shop.url}/tea`)).status).toBe(200)
    amount = '0.003'
    expect((await w.fetch(`${shop.url}/tea`)).status).toBe(200)
    expect(asked).toEqual([
      ['0.001', undefined],
      ['0.001', undefined],
      ['0.003', '0.001'],
    ])
    expect(of('payment').map(({ charged }) => charged)).toEqual(['0.001', '0', '0.003'])
    const [channel] = await w.channels()
    expect(channel).toMatchObject({ spent: '0.004' })
  })
})

describe('a wallet that speaks x402', () => {
  test('pays the rest where a price has risen', async () => {
    const { pay, bankUrl } = await openPayTown()
    const goods = openGoods()
    let amount = '0.001'
    const accepts = { ...priced(pay, amount), price: () => amount }
    const server = new x402HTTPResourceServer(resourceServer(pay), { 'GET /tea': { accepts } })
    await server.initialize()
    const shop = await listen(pay, (request) => byX402(server).sell(request, goods.answer))
    onEnd(shop.close)
    const { w, of } = await openTestWallet(bankUrl, { fetch: x402Fetch() })
    for (const price of ['0.001', '0.003', '0.002']) {
      amount = price
      expect((await w.fetch(`${shop.url}/tea`)).status).toBe(200)
    }
    expect(of('payment').map(({ charged }) => charged)).toEqual(['0.001', '0', '0.003', '0.002'])
    expect(goods.runs).toEqual(new Map([['/tea', 3]]))
  })
})

describe('a server of mppx', () => {
  test('releases what a handler that nobody hears of was to cost', async () => {
    const town = await openPayTown()
    const method = serverMethod(town.pay, { handlerTimeoutMs: 50 })
    const { lockstep } = Mppx.create({ methods: [method], secretKey, realm: 'shop.example' })
    const charge = lockstep.session({ amount: '0.001' })
    const shop = await listen(town.pay, async (request) => {
      const result = await charge(request)
      if (result.status === 402) return result.challenge
      throw new Error('the handler threw before withReceipt')
    })
    onEnd(shop.close)
    const channel = await town.open(shop.url)
    const payment = await prepare(channel, '/tea', price)
    expect((await present(shop.url, '/tea', payment)).status).toBe(500)
    await expect.poll(async () => channel.refresh()).toMatchObject({ spent: 0n, paid: price })
    await channel.close()
  })

  test('charges nothing behind a middleware that does not wait for the receipt', async () => {
    const town = await openPayTown()
    const { lockstep } = HonoMppx.create({ methods: [serverMethod(town.pay)], secretKey, realm: 'shop.example' })
    const app = new Hono()
    const said: string[] = []
    app.onError((error, context) => {
      said.push(error.message)
      return context.text('', 500)
    })
    app.get('/tea', lockstep.session({ amount: '0.001' }), (context) => context.text('tea'))
    const shop = await listen(town.pay, async (request) => app.fetch(request))
    onEnd(shop.close)
    const channel = await town.open(shop.url)
    const response = await present(shop.url, '/tea', await prepare(channel, '/tea', price))
    expect(response.status).toBe(500)
    expect(said).toEqual([expect.stringContaining('await it, or sell with byMpp')])
    expect(await channel.refresh()).toMatchObject({ spent: 0n, paid: price })
  })

  test('refuses a credential that comes without its request', async () => {
    const { town, url } = await openShop(mppx)
    const server = Mppx.create({ methods: [serverMethod(town.pay)], secretKey, realm: 'shop.example' })
    const header = await credentialFor(url, '/tea', await prepare(await town.open(url), '/tea', price))
    await expect(server.broadcastCredential(header)).rejects.toThrow('a Lockstep payment is for one HTTP request')
  })
})

describe('an x402 payment', () => {
  test('for another route charges nothing there, and is served where it belongs', async () => {
    const { town, goods, url } = await openShop(x402)
    const channel = await town.open(url)
    const payment = await prepare(channel, '/tea', price)
    expect(refusalIn(await presentX402(url, '/coffee', payment))).toMatchObject({
      error: 'RequestMismatch',
      refused: { problem: { reason: 'RequestMismatch', status: 409 }, statement: expect.stringMatching(/^[\w-]{82}$/) },
    })
    expect(goods.runs.size).toBe(0)
    expect((await presentX402(url, '/tea', payment)).status).toBe(200)
    expect(await channel.refresh()).toMatchObject({ spent: price, paid: price })
  })

  test.each(protocols.slice(1))(
    'that comes again to $name gets the same answer, and its handler does not run again',
    async (protocol) => {
      const { town, goods, url } = await openShop(protocol)
      const channel = await town.open(url)
      const payment = await prepare(channel, '/tea', price)
      const [first, again] = [await presentX402(url, '/tea', payment), await presentX402(url, '/tea', payment)]
      expect(await again.json()).toEqual(await first.json())
      const settled = [first, again].map(({ headers }) => decodePaymentResponseHeader(headers.get('PAYMENT-RESPONSE')!))
      expect(settled[0]).toMatchObject({ success: true, network, amount: '1000' })
      expect(settled[1]).toMatchObject({ success: true })
      expect(refusalIn(await presentX402(url, '/coffee', payment))).toMatchObject({ error: 'IndexConflict' })
      expect(goods.runs).toEqual(new Map([['/tea', 1]]))
      expect(await channel.refresh()).toMatchObject({ spent: price })
    },
  )

  test.each(protocols.slice(1))('is charged what its handler says, up to its price: $name', async (protocol) => {
    const { town, url } = await openShop(protocol)
    const channel = await town.open(url)
    const response = await presentX402(url, '/part', await prepare(channel, '/part', price))
    expect(response.headers.has('Settlement-Overrides')).toBe(false)
    expect(decodePaymentResponseHeader(response.headers.get('PAYMENT-RESPONSE')!)).toMatchObject({ amount: '400' })
    expect(await channel.refresh()).toMatchObject({ spent: 400n, paid: price })
    const above = await presentX402(url, '/more', await prepare(channel, '/more', price))
    expect([402, 500]).toContain(above.status)
    expect(await above.text()).not.toContain('/more')
    const { spent, paid, credit } = await channel.refresh()
    expect([spent, credit]).toEqual([400n, paid - spent])
  })

  test.each([
    ['that is no base64', '%%%'],
    ['that is no JSON', 'bm90IGpzb24='],
    ['without what it accepts', btoa('{"x402Version":2,"payload":{}}')],
  ])('%s is asked for again, and the handler does not run', async (_, header) => {
    const { goods, url } = await openShop(x402)
    const response = await fetch(`${url}/tea`, { headers: { 'PAYMENT-SIGNATURE': header } })
    expect(response.status).toBe(402)
    expect(goods.runs.size).toBe(0)
  })

  test.each<[string, Partial<PaymentRequirements>]>([
    ['asks for less', { amount: '1' }],
    ['pays another', { payTo: '0'.repeat(64) }],
    ['is on another network', { network: 'lockstep:2' }],
    ['is of another scheme', { scheme: 'exact' }],
  ])('whose requirements say that it %s is not taken', async (_, change) => {
    const { town, goods, url } = await openShop(x402)
    const payment = await prepare(await town.open(url), '/tea', price)
    const response = await presentX402(url, '/tea', payment, change)
    expect(refusalIn(response)).toMatchObject({ error: 'No matching payment requirements' })
    expect(goods.runs.size).toBe(0)
  })

  test.each(protocols.slice(1))(
    'that carries nothing, from what seems a browser, runs no handler: $name',
    async (protocol) => {
      const { goods, url } = await openShop(protocol)
      const accepted = await requirementsOf(url, '/tea')
      const header = encodePaymentSignatureHeader({ x402Version: 2, accepted, payload: {} })
      const response = await fetch(`${url}/tea`, { headers: { 'PAYMENT-SIGNATURE': header, Accept: 'text/html' } })
      expect(refusalIn(response)).toMatchObject({ error: 'PaymentRequired' })
      expect(goods.runs.size).toBe(0)
    },
  )

  test.each<[string, Record<string, unknown>, string]>([
    ['nothing', {}, 'PaymentRequired'],
    ['what is no frame', { payment: 'AAAA' }, 'VersionUnsupported'],
    ['what is no base64url', { payment: 'not base64url!' }, 'PaymentRequired'],
    ['more than any', { payment: 'A'.repeat(2_000) }, 'PaymentRequired'],
    ['a number', { payment: 7 }, 'PaymentRequired'],
  ])('that carries %s is refused', async (_, members, reason) => {
    const { goods, url } = await openShop(x402)
    const accepted = await requirementsOf(url, '/tea')
    const header = encodePaymentSignatureHeader({ x402Version: 2, accepted, payload: members })
    const response = await fetch(`${url}/tea`, { headers: { 'PAYMENT-SIGNATURE': header } })
    expect(refusalIn(response)).toMatchObject({ error: reason })
    expect(goods.runs.size).toBe(0)
  })

  test('without a payment is not paid for by one in a header beside it', async () => {
    const { town, goods, url } = await openShop(x402)
    const payment = await prepare(await town.open(url), '/tea', price)
    const accepted = await requirementsOf(url, '/tea')
    const header = encodePaymentSignatureHeader({ x402Version: 2, accepted, payload: {} })
    const response = await fetch(`${url}/tea`, { headers: { ...payment.headers, 'PAYMENT-SIGNATURE': header } })
    expect(refusalIn(response)).toMatchObject({ error: 'PaymentRequired' })
    expect(goods.runs.size).toBe(0)
  })

  test('is taken by no facilitator', async () => {
    const accepted = await requirementsOf((await openShop(x402)).url, '/tea')
    const payment = { x402Version: 2, accepted, payload: {} }
    expect(await facilitatorScheme.verify(payment, accepted)).toMatchObject({ isValid: false })
    expect(await facilitatorScheme.settle(payment, accepted)).toMatchObject({ success: false })
  })

  test('is not asked for on a route that x402 does not know, nor is that served for nothing', async () => {
    const { pay } = await openPayTown()
    const server = new x402HTTPResourceServer(resourceServer(pay), {})
    await server.initialize()
    const selling = byX402(server).sell(new Request('http://shop.example/tea'), () => new Response('tea'))
    await expect(selling).rejects.toThrow('x402 has no price for GET /tea')
  })
})

test.each([
  ['mppx', () => MppxClient.create({ methods: [clientMethod(nobody)], polyfill: false }).fetch],
  ['x402', () => clientScheme(nobody).createPaymentPayload],
] as const)('a client of %s that does not fetch through the wallet is told how to', async (name, open) => {
  const { url } = await openShop(name === 'mppx' ? mppx : x402)
  const failing =
    name === 'mppx'
      ? (open() as typeof fetch)(url)
      : clientScheme(nobody).createPaymentPayload(2, await requirementsOf(url, '/'))
  await expect(failing).rejects.toThrow('names the request that it is for')
})

const nobody = {
  fetch: () => Promise.reject(new Error('no wallet is asked')),
  connect: () => undefined,
}

async function openShop(protocol: Protocol): Promise<{ town: PayTown; goods: Goods; url: string }> {
  const town = await openPayTown()
  const goods = openGoods()
  const { url, close } = await protocol.open(town.pay, goods)
  onEnd(close)
  return { town, goods, url }
}

type Paying = Pick<Prepared, 'headers'>

async function credentialFor(url: string, path: string, payment: Paying): Promise<string> {
  const challenge = Challenge.fromResponse(await fetch(url + path))
  return Credential.serialize({ challenge, payload: toMembers(new Headers(payment.headers)) })
}

async function present(url: string, path: string, payment: Paying): Promise<Response> {
  return fetch(url + path, { headers: { Authorization: await credentialFor(url, path, payment) } })
}

/** The credential with another challenge, or another payment. */
function changed(
  header: string,
  change: (challenge: Challenge.Challenge) => Challenge.Challenge,
  payload?: Record<string, string>,
): string {
  const credential = Credential.deserialize(header)
  return Credential.serialize({ challenge: change(credential.challenge), payload: payload ?? credential.payload })
}

function asking({ request }: Challenge.Challenge, amount: string): Record<string, unknown> {
  return { ...request, amount }
}

async function requirementsOf(url: string, path: string): Promise<PaymentRequirements> {
  const { headers } = await fetch(url + path)
  return decodePaymentRequiredHeader(headers.get('PAYMENT-REQUIRED')!).accepts[0]!
}

async function presentX402(
  url: string,
  path: string,
  payment: Paying,
  change: Partial<PaymentRequirements> = {},
): Promise<Response> {
  const accepted = { ...(await requirementsOf(url, path)), ...change }
  const payload = toMembers(new Headers(payment.headers))
  const header = encodePaymentSignatureHeader({ x402Version: 2, accepted, payload })
  return fetch(url + path, { headers: { 'PAYMENT-SIGNATURE': header } })
}

function refusalIn(response: Response): { error: string | undefined; refused: unknown } {
  expect(response.status).toBe(402)
  const { error, accepts } = decodePaymentRequiredHeader(response.headers.get('PAYMENT-REQUIRED')!)
  return { error, refused: accepts[0]!.extra.refused }
}
