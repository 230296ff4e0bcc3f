import { describe, expect, test } from 'vitest'
import { openClient, prepare, problemIn, statementIn } from '../e2e/town.ts'
import { type Framework, frameworks, long, type Runs } from './frameworks.ts'
import { openLossyProxy } from './lossyProxy.ts'
import { openPayTown, type PayTown } from './town.ts'

const price = 1000n

describe.each(frameworks)('behind $name', (framework) => {
  test('two hundred requests at once on one channel are all served, and charged once each', async () => {
    const { town, runs, url } = await openShop(framework)
    const channel = await town.open(url)
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, number) => (await channel.fetch(`${url}/goods/${number}`, price)).json()),
    )
    expect(answers).toEqual(Array.from({ length: 200 }, (_, number) => ({ name: String(number), run: 1 })))
    expect([...runs.values()]).toEqual(Array.from({ length: 200 }, () => 1))
    expect(await channel.refresh()).toMatchObject({ spent: 200n * price, paid: 200n * price, contiguous: 200 })
    expect(town.errors).toEqual([])
  })

  test('in whatever order they come, those are charged once each that were made for it', async () => {
    const { town, runs, url } = await openShop(framework)
    const channel = await town.open(url)
    const prepared: Awaited<ReturnType<typeof prepare>>[] = []
    for (let number = 0; number < 200; number++) prepared.push(await prepare(channel, `/goods/${number}`, price))
    const answers = await Promise.all(prepared.reverse().map(answered))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    // The same again: whatever was answered is answered as it was.
    const again = await Promise.all(prepared.map(answered))
    expect(await Promise.all(again.map((one) => one.json()))).toEqual(
      await Promise.all(answers.map((one) => one.json())),
    )
    expect([...runs.values()]).toEqual(Array.from({ length: 200 }, () => 1))
    expect(await channel.refresh()).toMatchObject({ spent: 200n * price, contiguous: 200 })
  })

  test('answers that are eaten on the way are given again: no second charge, no second run', async () => {
    const { town, runs, url } = await openShop(framework)
    const proxy = await openLossyProxy(url, { oneIn: 20, seed: 7 })
    const client = openClient(town.bankUrl, { attempts: 20 })
    const channel = await openThrough(client, proxy.url)
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, number) =>
        (await channel.fetch(`${proxy.url}/goods/${number}`, price)).json(),
      ),
    )
    expect(answers).toEqual(Array.from({ length: 200 }, (_, number) => ({ name: String(number), run: 1 })))
    expect(proxy.eaten()).toBeGreaterThan(3)
    expect([...runs.values()]).toEqual(Array.from({ length: 200 }, () => 1))
    expect(channel.state.acknowledged).toBe(200n * price)
  })

  test('a handler that fails charges nothing, and what was paid buys the next one', async () => {
    const { town, url } = await openShop(framework)
    const channel = await town.open(url)
    for (const how of ['throw', 'status']) {
      const failed = await channel.fetch(`${url}/fail/${how}`, price)
      expect(failed.status).toBe(500)
      expect(statementIn(channel, failed)).toMatchObject({ charged: 0n })
    }
    expect(await channel.refresh()).toMatchObject({ spent: 0n, paid: price })
    const served = await channel.fetch(`${url}/goods/tea`, price)
    expect(await served.json()).toEqual({ name: 'tea', run: 1 })
    expect(await channel.refresh()).toMatchObject({ spent: price, paid: price })
  })

  test('a body is paid for as it arrived, and parsed as ever', async () => {
    const { town, url } = await openShop(framework)
    const channel = await town.open(url)
    const body = JSON.stringify({ words: 'ä'.repeat(40_000) })
    const headers = { 'Content-Type': 'application/json' }
    const response = await channel.fetch(`${url}/echo`, price, { method: 'POST', headers, body })
    expect(await response.text()).toBe(body)
    const other = await prepare(channel, '/echo', price, { method: 'POST', body: '{"a":1}' })
    const changed = await other.send({ body: '{"a":2}', headers: { ...other.headers, ...headers } })
    expect(await problemIn(changed)).toMatchObject({ status: 409, reason: 'RequestMismatch' })
    expect(await channel.refresh()).toMatchObject({ spent: price, paid: 2n * price })
  })

  test('an answer longer than what is kept is sent whole, charged once, and not sent again', async () => {
    const { town, url } = await openShop(framework)
    const channel = await town.open(url)
    const { send } = await prepare(channel, '/long', price)
    const response = await send()
    expect(statementIn(channel, response)).toMatchObject({ charged: price })
    expect(await response.text()).toBe(long)
    expect(await problemIn(await send())).toMatchObject({ reason: 'AnswerGone' })
    expect(await channel.refresh()).toMatchObject({ spent: price })
  })

  test('a metered handler charges what it used, and nothing where that is above its ceiling', async () => {
    const { town, url } = await openShop(framework)
    const channel = await town.open(url)
    expect(await (await channel.fetch(`${url}/metered/7`, price)).text()).toBe('0.00007')
    expect(await channel.refresh()).toMatchObject({ spent: 70n, paid: price })
    const above = await channel.fetch(`${url}/metered/101`, price)
    expect(above.status).toBe(500)
    expect(await channel.refresh()).toMatchObject({ spent: 70n })
  })

  test('an unpaid request is told its price, whatever the handler, and the handler does not run', async () => {
    const { runs, url } = await openShop(framework)
    const response = await fetch(`${url}/goods/tea`)
    expect(response.headers.get('WWW-Authenticate')).toContain('price="1000", asset="USD/6"')
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*')
    expect(await problemIn(response)).toMatchObject({ status: 402, reason: 'PaymentRequired' })
    expect(runs.size).toBe(0)
    const preflight = await fetch(`${url}/goods/tea`, {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://shop.example',
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'lockstep-payment',
      },
    })
    expect(preflight.headers.get('Access-Control-Allow-Headers')).toContain('Lockstep-Payment')
  })
})

async function openShop(framework: Framework): Promise<{ town: PayTown; runs: Runs; url: string }> {
  const town = await openPayTown()
  const runs: Runs = new Map()
  return { town, runs, url: await framework.open(town.pay, runs) }
}

/** Sends a payment until it is answered: a server may close a connection just when it is used again. */
async function answered(payment: Pick<Awaited<ReturnType<typeof prepare>>, 'send'>): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await payment.send()
    } catch (error) {
      if (attempt === 10) throw error
    }
  }
}

/** Opens a channel over a line that loses answers. */
async function openThrough(client: ReturnType<typeof openClient>, url: string): ReturnType<PayTown['open']> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.wallet.open(url, { funds: 1_000_000n })
    } catch (error) {
      if (attempt === 10) throw error
    }
  }
}
