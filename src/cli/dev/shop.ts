import { fromHex } from '../../crypto/bytes.ts'
import type { Paywall, Routes } from '../../vendor/index.ts'
import { pageFiles } from './pageFiles.ts'

export interface ShopOptions {
  /** The bank's address. */
  readonly bank: string
  /** Registers an account and gives it test money. */
  readonly fund: (account: Uint8Array) => Promise<void>
}

/** One thing of each kind that can be sold, the faucet, and a page that buys. */
export function shop(pay: Paywall, { bank, fund }: ShopOptions): Routes {
  return {
    'GET /joke': pay.each('0.001', () => new Response(`${pick(jokes)}\n`)),
    'GET /tokens': pay.perToken('0.00002', async function* () {
      for (const word of story.split(' ')) {
        await pause(30)
        yield `${word} `
      }
    }),
    'GET /clock': pay.perSecond('0.0005', async function* (_, { signal }) {
      for (; !signal.aborted; await pause(250)) yield `${new Date().toISOString()}\n`
    }),
    'POST /count': pay.metered({ max: '0.01' }, async (request, meter) => {
      const words = (await request.text()).split(/\s+/).filter((word) => word !== '')
      meter.add(words.length, '0.0001')
      return Response.json({ words: words.length, charged: meter.charged })
    }),
    'POST /faucet': async (request: Request) => {
      const account = (await request.text()).trim()
      if (!/^[0-9a-f]{64}$/.test(account)) return new Response('post an account: 64 hex digits\n', { status: 400 })
      await fund(fromHex(account))
      return new Response(`10 USD of test money for ${account}\n`)
    },
    'GET /town.json': () => Response.json({ bank, asset: pay.asset.split('/')[0] }),
    ...pageFiles(bank),
  }
}

const jokes = [
  'A payment walks into a channel. The vendor says: I was expecting you, and nobody else.',
  'There are two hard things: naming, cache invalidation, and paying exactly once.',
  'I would tell you a UDP joke, but you might not pay for it.',
] as const

const story =
  `Once upon a time a vendor sold words, one by one, and a reader paid for each as it came. Neither trusted the other much,
and neither had to: a word that was not paid for was not said, and a word that was not said was not paid for. When the reader had had enough
it closed its book, and what it had not spent came home the same evening.`.replaceAll('\n', ' ')

function pick<T>(choices: readonly T[]): T {
  return choices[Math.floor(Math.random() * choices.length)]!
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
