import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { wallet } from '../src/client/index.ts'
import { onEnd } from './e2e/town.ts'
import { type Guide, openGuide } from './guides/guide.ts'

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

async function openWallet({ folder, bankUrl }: Guide & { readonly bankUrl: string }): ReturnType<typeof wallet> {
  const w = await wallet({ bank: bankUrl, store: join(folder, 'wallet.db') })
  onEnd(() => w.stop())
  return w
}
