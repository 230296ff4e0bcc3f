import { describe, expect, test } from 'vitest'
import { UnansweredError } from '../../../src/client/index.ts'
import { parsePaymentHeaders, statementHeader } from '../../../src/http/headers.ts'
import { offerPath } from '../../../src/http/Offer.ts'
import { amount } from '../../../src/wire/amount.ts'
import { channelMacs } from '../../../src/wire/mac.ts'
import * as Terms from '../../../src/wire/Terms.ts'
import { gate, openBankServer, openStall } from '../../e2e/town.ts'
import { frameKey } from '../../protocol/world.ts'
import { type EvilServer, evilServer } from '../../vendor/evil.ts'
import { openLossyProxy } from '../../vendor/lossyProxy.ts'
import { openShop, price } from '../../vendor/shop.ts'
import { openMarket, openTestWallet, refusalOf } from './market.ts'

describe('on a line that loses answers', () => {
  test('every request is served and paid once, however often it is sent', async () => {
    const { bankUrl } = await openBankServer()
    const shop = openShop()
    // The address that clients use is the line's, and known once that listens.
    const address = await freePort()
    const line = await openLossyProxy(`http://127.0.0.1:${address}`, { oneIn: 20, seed: 7 })
    const stall = await openStall({ bankUrl, routes: shop.routes, port: address, publicUrl: line.url })
    const { w, of } = await openTestWallet(bankUrl, { attempts: 8 })
    await w.fetch(`${line.url}/goods/first`)
    const responses = await Promise.all(Array.from({ length: 100 }, (_, at) => w.fetch(`${line.url}/goods/${at}`)))
    expect(responses.every(({ status }) => status === 200)).toBe(true)
    expect(line.eaten()).toBeGreaterThanOrEqual(5)
    expect(of('retried').length).toBeGreaterThanOrEqual(5)
    expect(shop.total()).toBe(101)
    expect(w.paidToday()).toBe('0.00303')
    await w.close()
    expect(of('closed').map(({ spent }) => spent)).toEqual(['0.00303'])
    expect(stall.errors).toEqual([])
  })
})

describe('a vendor that', () => {
  test('charges more than was agreed is paid nothing more, not after a restart either', async () => {
    const { bankUrl, stall, open } = await openMarket()
    const liar = await lyingVendor(stall.url, { charged: price + 1n, spent: price + 1n, paid: price })
    const first = await open()
    expect((await refusalOf(first.w.fetch(`${liar.url}/goods/tea`))).message).toMatch(
      /charged 31 instead of at most 30/,
    )
    expect(first.of('disputed')).toHaveLength(1)
    const refusal = await refusalOf(first.w.fetch(`${liar.url}/goods/tea`))
    expect(refusal.message).toMatch(/is paid nothing more: .*charged 31 instead of at most 30/)
    // Another one at the same bank is none the worse for it.
    expect((await first.w.fetch(`${stall.url}/goods/tea`)).status).toBe(200)
    await first.w.stop()
    const second = await openTestWallet(bankUrl, { store: first.store })
    const requests = liar.requests()
    expect((await refusalOf(second.w.fetch(`${liar.url}/goods/tea`))).reason).toBe('ClosingDisputed')
    expect(liar.requests()).toBe(requests)
  })

  test('asks again for what was paid gets no second payment', async () => {
    const { stall, open } = await openMarket()
    const greedy = await evilServer()
    const offer = await offerOf(stall.url)
    const { w, of } = await open()
    greedy.answer((request, response) => {
      if (request.url === offerPath) return void response.end(JSON.stringify(offer))
      const asks = { amount: String(price), asset: 'USD/6', per: 'request' }
      const problem = { reason: 'CreditTooLow', detail: 'you paid nothing', offer, price: asks }
      response.writeHead(402, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify(problem))
    })
    const response = await w.fetch(`${greedy.url}/goods/tea`)
    expect(response.status).toBe(402)
    expect(await response.json()).toMatchObject({ detail: 'you paid nothing' })
    expect(of('payment')).toHaveLength(1)
    expect(w.paidToday()).toBe('0.00003')
  })

  test('raises its price, and does not say what became of what it was paid, gets no more', async () => {
    const { stall, open } = await openMarket()
    const greedy = await evilServer()
    const offer = await offerOf(stall.url)
    let asked = price
    greedy.answer((_, response) => {
      asked *= 2n
      const asks = { amount: String(asked), asset: 'USD/6', per: 'request' }
      const problem = { reason: 'CreditTooLow', detail: 'more', offer, price: asks }
      response.writeHead(402, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify(problem))
    })
    const { w, of } = await open()
    expect((await refusalOf(w.fetch(`${greedy.url}/goods/tea`))).reason).toBe('CreditTooLow')
    expect(of('payment')).toHaveLength(1)
    expect(w.paidToday()).toBe('0.00006')
  })

  test('has no offer that can be read gives its own answer to whoever asked', async () => {
    const { open } = await openMarket()
    const { w } = await open()
    const other = await evilServer()
    other.answer(other.says('pay me in gold', 402, 'text/plain'))
    const response = await w.fetch(`${other.url}/gold`)
    expect([response.status, await response.text()]).toEqual([402, 'pay me in gold'])
    // Asked for nothing else: it never said that it takes Lockstep.
    expect(other.requests()).toBe(1)
  })

  test('sends a giant of a refusal is not read to its end', async () => {
    const { open } = await openMarket()
    const { w } = await open({ timeoutMs: 1000 })
    const giant = await evilServer()
    giant.answer((request, response) => {
      response.writeHead(402, { 'WWW-Authenticate': 'Lockstep offer="/.well-known/lockstep"' })
      giant.endless('x')(request, response)
    })
    await expect(w.fetch(`${giant.url}/goods`)).rejects.toThrow(UnansweredError)
  })

  test('redirects a paid request is not followed, and its answer is given as it is', async () => {
    const { stall, open } = await openMarket({
      routes: openShop({ handler: () => new Response(null, { status: 302, headers: { Location: '/goods/other' } }) })
        .routes,
    })
    const { w, of } = await open()
    const response = await w.fetch(`${stall.url}/goods/tea`)
    expect([response.status, response.headers.get('Location')]).toEqual([302, '/goods/other'])
    expect(of('payment')).toHaveLength(1)
  })

  test('redirects to what has a price is paid there, where it is the same one', async () => {
    const { stall, open } = await openMarket()
    const moved = await evilServer()
    const offer = await offerOf(stall.url)
    const asks = { amount: String(price), asset: 'USD/6', per: 'request' }
    const seen: string[] = []
    moved.answer((request, response) => {
      const paid = request.headers['lockstep-payment'] !== undefined
      seen.push(`${request.method} ${request.url}${paid ? ' paid' : ''}`)
      if (request.url === '/old') return void response.writeHead(301, { Location: '/new' }).end()
      response.writeHead(paid ? 200 : 402).end(JSON.stringify({ offer, price: asks }))
    })
    const { w } = await open()
    expect((await w.fetch(`${moved.url}/old`)).status).toBe(200)
    expect(seen).toEqual(['GET /old', 'GET /new', 'GET /new paid'])
    expect((await w.fetch(`${moved.url}/old`, { method: 'DELETE', redirect: 'manual' })).status).toBe(301)
  })

  test('never answers is given up by whoever asked, as with any other fetch', async () => {
    const { stall, open } = await openMarket()
    const silent = await evilServer()
    const offer = await offerOf(stall.url)
    const asks = { amount: String(price), asset: 'USD/6', per: 'request' }
    const asked = gate()
    silent.answer((request, response) => {
      if (request.headers['lockstep-payment'] !== undefined) asked.open()
      else response.writeHead(402).end(JSON.stringify({ offer, price: asks }))
    })
    const { w } = await open({ budget: { atRisk: '0.00003' } })
    const [first, second] = [new AbortController(), new AbortController()]
    const paying = w.fetch(`${silent.url}/goods`, { signal: first.signal })
    await asked.opened
    // It waits for the answer to the first: both together would put too much at risk.
    const waiting = w.fetch(`${silent.url}/goods`, { signal: second.signal })
    second.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    first.abort(new Error('that is enough'))
    await expect(paying).rejects.toThrow('that is enough')
    expect(w.paidToday()).toBe('0.00003')
    await expect(w.fetch(`${stall.url}/goods/tea`, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
  })

  test('is led to by a redirect is not paid: its 402 is the caller’s', async () => {
    const { stall, open } = await openMarket()
    const { w, of } = await open()
    const elsewhere = await evilServer()
    elsewhere.answer((_, response) => response.writeHead(302, { Location: `${stall.url}/goods/tea` }).end())
    expect((await w.fetch(`${elsewhere.url}/cheap`)).status).toBe(402)
    expect(of('opened')).toEqual([])
  })

  test('is reached over plain http, and not on this machine, is not paid', async () => {
    const { stall, open } = await openMarket()
    const offer = await offerOf(stall.url)
    const asks = { amount: String(price), asset: 'USD/6', per: 'request' }
    const { w } = await open({
      fetch: (input, init) => {
        const url = input instanceof Request ? input.url : input
        const problem = JSON.stringify({ reason: 'PaymentRequired', detail: 'pay', offer, price: asks })
        return url.startsWith('http://api.example')
          ? Promise.resolve(new Response(problem, { status: 402 }))
          : fetch(input, init)
      },
    })
    const refusal = await refusalOf(w.fetch('http://api.example/goods/tea'))
    expect(refusal.message).toMatch(/is plain http, and not on this machine\. Nothing was signed\. Pay over https/)
  })
})

describe('a bank that is away', () => {
  test('stops openings, which say so, and no payment over an open channel, nor a restart', async () => {
    const { bankUrl, stall, open } = await openMarket()
    const line = await evilServer()
    line.answer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { method = 'GET', headers } = request
        const body = chunks.length > 0 ? { body: new Uint8Array(Buffer.concat(chunks)) } : {}
        const authorization = headers.authorization === undefined ? {} : { Authorization: headers.authorization }
        void fetch(bankUrl + request.url, { method, headers: authorization, ...body }).then(async (answer) =>
          response
            .writeHead(answer.status, { 'Content-Type': answer.headers.get('content-type') ?? '' })
            .end(new Uint8Array(await answer.arrayBuffer())),
        )
      })
    })
    const first = await open({ bank: line.url })
    await first.w.fetch(`${stall.url}/goods/1`)
    await line.close()
    expect((await first.w.fetch(`${stall.url}/goods/2`)).status).toBe(200)
    const other = await openStall({ bankUrl, routes: openShop().routes })
    await expect(first.w.fetch(`${other.url}/goods/3`)).rejects.toThrow(
      /^No channel to 127.* could be opened, and nothing was paid\. http.* does not answer: is it running/,
    )
    await first.w.stop()
    const second = await open({ bank: line.url, store: first.store })
    expect((await second.w.fetch(`${stall.url}/goods/4`)).status).toBe(200)
  })

  test('at the first start says so', async () => {
    await expect(openTestWallet('http://127.0.0.1:9')).rejects.toThrow(/does not answer: is it running/)
  })

  test('and is another one when it comes back, is not taken for it', async () => {
    const { stall, open } = await openMarket()
    const { w } = await open()
    await w.fetch(`${stall.url}/goods/1`)
    await w.stop()
    const key = 'ab'.repeat(32)
    await expect(open({ bank: { url: (await openMarket()).bankUrl, key } })).rejects.toThrow(/holds to abab/)
  })
})

async function offerOf(url: string): Promise<unknown> {
  return (await fetch(url + offerPath)).json()
}

/** A vendor with the right keys that says this of each payment. */
async function lyingVendor(
  honest: string,
  said: { readonly charged: bigint; readonly spent: bigint; readonly paid: bigint },
): Promise<EvilServer> {
  const offer = await offerOf(honest)
  const server = await evilServer()
  server.answer((request, response) => {
    if (request.url === offerPath) return void response.end(JSON.stringify(offer))
    const headers = new Headers(request.headers as Record<string, string>)
    const messages = parsePaymentHeaders(headers)
    if (messages?.ok !== true) {
      const asks = { amount: String(price), asset: 'USD/6', per: 'request' }
      return void response.writeHead(402).end(JSON.stringify({ offer, price: asks }))
    }
    const { attachment, payment } = messages.value
    const { channelKey } = attachment!.agreed
    const channelId = Terms.channelId(attachment!.terms)
    const macs = channelMacs({ secret: frameKey.secret, publicKey: channelKey, channelId })
    const { index } = payment.value
    const { charged, spent, paid } = said
    const statement = { index, contiguous: index, segment: 0, credit: amount(0n) }
    const whole = { ...statement, charged: amount(charged), spent: amount(spent), paid: amount(paid) }
    response.writeHead(200, statementHeader(whole, macs.statement)).end('goods')
  })
  return server
}

async function freePort(): Promise<number> {
  const server = await evilServer()
  await server.close()
  return Number(new URL(server.url).port)
}
