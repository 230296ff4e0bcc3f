import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { wallet } from '../src/client/index.ts'
import { launch } from './cli/processes.ts'
import { onEnd, until } from './e2e/town.ts'
import { type Guide, openGuide } from './guides/guide.ts'

describe('the README', () => {
  test('has a server and a client that run as they stand, against each other', async () => {
    const guide = await openGuide('README.md')
    expect(guide.files).toEqual(['server.ts', 'client.ts'])
    const url = await guide.start('server.ts')
    expect(await guide.run('client.ts', [url])).toBe('hello, Ada\npay as you go\npay as you go')
  })
})

describe('the guide to selling an API', () => {
  const path = 'docs/guides/sell-an-api.md'

  test('has a server and a client that run as they stand', async () => {
    const guide = await openGuide(path)
    const url = await guide.start('server.ts')
    expect(await guide.run('client.ts', [url])).toMatch(/^200 \{ joke: '.+' \}\n$/)
  })

  test.each(['express.ts', 'fastify.ts', 'hono.ts'])('has a server with a framework that sells: %s', async (file) => {
    const guide = await openGuide(path)
    expect(guide.files).toContain(file)
    expect(await guide.run('client.ts', [await guide.start(file)])).toMatch(/^200 \{ joke: '.+' \}\n$/)
  })

  test('has prices of every kind, which are charged as it says', async () => {
    const guide = await openGuide(path)
    const url = await guide.start('prices.ts')
    const w = await openWallet(guide)
    const post = (to: string, body: string): Promise<Response> => w.fetch(`${url}${to}`, { method: 'POST', body })
    expect(await (await post('/print', '{"pages":11}')).text()).toBe('printed')
    expect(await (await post('/count', 'one two three')).json()).toEqual({ words: 3, charged: '0.00006' })
    expect(await (await w.fetch(`${url}/weather`)).json()).toEqual({ sky: 'blue' })
    expect(await (await post('/orders', '')).json()).toEqual({ ordered: expect.stringMatching(/^[0-9a-f]{32}-\d+$/) })
    const charged = (await w.ledger()).map((row) => row.charged)
    expect(charged).toEqual(['0.02', '0.00006', '0.001', '1'])
  })
})

describe('the guide to streaming tokens', () => {
  const path = 'docs/guides/stream-tokens.md'

  test('has a server and a client that stream by the token, the second and the byte, and stop as they say', async () => {
    const guide = await openGuide(path)
    expect(guide.files).toEqual(['server.ts', 'goods.ts', 'client.ts', 'express.ts'])
    const url = await guide.start('server.ts')
    expect((await guide.run('client.ts', [url])).split('\n')).toEqual([
      'sky-0 sky-1 sky-2 sky-3 sky-4 ',
      '2 seconds',
      'forty bytes, in blocks of sixteen bytes.',
      'sea-0 sea-1 sea-2 sea-3 ',
      '',
    ])
  })

  test('has an app of Express whose metered answer leaves as it is made', async () => {
    const guide = await openGuide(path)
    const url = await guide.start('express.ts')
    const w = await openWallet(guide)
    const response = await w.fetch(`${url}/chat`, { method: 'POST', body: '{"prompt":"ink"}' })
    const reader = response.body!.getReader()
    const text = new TextDecoder()
    // The answer has no end: whoever had to wait for that would hear nothing.
    for (let said = ''; !said.includes('ink-2 '); said += text.decode((await reader.read()).value));
    await reader.cancel()
    await until(async () => (await w.ledger())[0]?.charged !== undefined, 'what it cost is known')
    const [{ price, charged } = { price: '', charged: '' }] = await w.ledger()
    expect([price, Number(charged) >= 0.00006, Number(charged) < 0.01]).toEqual(['0.01', true, true])
  })
})

describe('the guide to paying from an agent', () => {
  test('has programs that pay, refuse, ask, stream and account as it says', async () => {
    const guide = await openGuide('docs/guides/pay-from-an-agent.md')
    const url = await guide.start('shop.ts')
    const run = (file: string): Promise<string> => guide.run(file, [url])

    const agent = (await run('agent.ts')).split('\n')
    expect(agent.filter((line) => /^paid 0\.002 for \/facts\/(?:sky|sea|ink)$/.test(line))).toHaveLength(3)
    expect(agent).toContain("{ fact: 'sky is blue' }")
    expect(agent).toContain('paid 0.0004 for /translate')
    expect(agent).toContain('the sky is blue')
    const refused = await run('refused.ts')
    expect(refused).toMatch(
      /^BudgetExceeded\nGET .*\/report costs 0\.5 USD; budget\.request is 0\.05 USD\. Nothing was signed/,
    )
    expect(await run('approve.ts')).toBe(
      'GET /facts/grass at the shop: 0.002\n200\nGET /report at the shop: 0.5\nNotApproved\n',
    )
    expect(await run('stream.ts')).toBe('0 1 2 3 4 5 6 7 8 9 \n')
    const ledger = await run('ledger.ts')
    expect(ledger).toMatch(/^TIME +CHARGED +PRICE +ASSET +METHOD +URL\n/)
    expect(ledger).toMatch(/0\.0004 +0\.05 +USD +POST +http.*\/translate\n/)
    expect(ledger).toMatch(/paid today: 0\.\d+\n127\.0\.0\.1:\d+ open 0\.0\d+ of 1\n$/)
    expect(guide.files).toEqual(['shop.ts', 'agent.ts', 'refused.ts', 'approve.ts', 'stream.ts', 'ledger.ts'])
  })
})

describe('the guide to putting a proxy before a service', () => {
  test('has a service, a file and programs that sell and buy as it says', async () => {
    const guide = await openGuide('docs/guides/put-a-proxy-before-a-service.md')
    const upstream = await guide.start('service.ts')
    const config = ['proxy', '--config', join(guide.folder, 'proxy.json'), '--upstream', upstream]
    const { child, ended } = launch([...config, '--bank', guide.bankUrl, '--port', '0', '--json'], {
      env: { SERVICE_KEY: 'secret' },
    })
    onEnd(async () => {
      child.kill('SIGKILL')
      await ended
    })
    const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
    const { url } = JSON.parse(line) as { readonly url: string }
    // 5 words at 0.50 and 2 at 1.50 for a million.
    const said = "{ sky: 'blue' }\nIt depends.\n/weather/graz 0.001\n/v1/chat/completions 0.000006\n"
    expect(await guide.run('client.ts', [url])).toBe(said)
    const own = await guide.start('proxy.ts', { UPSTREAM: upstream })
    expect(await guide.run('client.ts', [own])).toContain('/v1/chat/completions 0.000009\n')
  })
})

describe('the guide to taking MPP and x402 too', () => {
  const path = 'docs/guides/take-mppx-and-x402-too.md'
  const served = /^200 \{ joke: '.+' \}\n$/

  test('has one server that the clients of three protocols pay', async () => {
    const guide = await openGuide(path)
    const url = await guide.start('server.ts')
    for (const file of ['lockstep.ts', 'mppx.ts', 'x402.ts']) expect(await guide.run(file, [url])).toMatch(served)
  })

  test.each(['mpp-server.ts', 'x402-server.ts'])(
    'has a server of another protocol that the wallet pays: %s',
    async (file) => {
      const guide = await openGuide(path)
      const url = await guide.start(file)
      expect(await guide.run('anywhere.ts', [url])).toBe("200 200\n[ '0.001', '0.001' ]\n")
    },
  )
})

async function openWallet({ folder, bankUrl }: Guide & { readonly bankUrl: string }): ReturnType<typeof wallet> {
  const w = await wallet({ bank: bankUrl, store: join(folder, 'wallet.db') })
  onEnd(() => w.stop())
  return w
}
