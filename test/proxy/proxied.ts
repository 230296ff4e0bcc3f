/** A service behind a proxy at a bank, and a client that pays there. */

import type { PayingChannel } from '../../src/client/index.ts'
import { type ProxyOptions, proxy } from '../../src/proxy/index.ts'
import type { PaywallOptions } from '../../src/vendor/index.ts'
import { onEnd } from '../e2e/town.ts'
import { openPayTown, type PayTown } from '../vendor/town.ts'
import { openService, type Service } from './service.ts'

export interface Proxied extends PayTown {
  readonly service: Service
  readonly url: string
  /** What its operator was told of the service. */
  readonly trouble: string[]
  /** Buys, and gives what it was charged in base units. */
  buy(channel: PayingChannel, path: string, price: bigint, body?: unknown): Promise<Bought>
}

export interface Bought {
  readonly response: Response
  readonly text: string
  readonly charged: bigint
}

export const tokenPrice = { prompt: '0.000002', completion: '0.000005', max: '0.05' } as const
export const tokenMax = 50_000n

const routes: ProxyOptions['routes'] = [
  { match: 'GET /weather/:city', price: '0.001' },
  { match: 'GET /health', price: 'free' },
  { match: 'GET /moved', price: 'free' },
  { match: 'POST /v1/embeddings', price: { ...tokenPrice, prompt: '0.02', completion: '0', per: 1_000_000 } },
  { match: 'POST /v1/*', price: tokenPrice },
  { match: 'POST /silent/*', price: tokenPrice },
  { match: 'GET /ticks/:count', price: { message: '0.0001' } },
  { match: 'GET /echo', price: 'free' },
  { match: '/never', price: '0.001' },
  { match: '/broken', price: '0.001' },
  { match: '/cut', price: '0.001' },
  { match: '/long/*', price: '0.001' },
]

export async function openProxied(
  change: Partial<ProxyOptions> = {},
  paywall: Partial<PaywallOptions> = {},
): Promise<Proxied> {
  const service = await openService()
  onEnd(service.close)
  const town = await openPayTown(paywall)
  const trouble: string[] = []
  const opened = proxy({
    pay: town.pay,
    upstream: service.url,
    routes,
    onError: (error) => void trouble.push(String(error)),
    ...change,
  })
  onEnd(() => opened.close())
  const { url } = await opened.listen()
  return {
    ...town,
    service,
    url,
    trouble,
    async buy(channel, path, price, body) {
      const init = body === undefined ? {} : post(body)
      const { response, charged, settling } = await channel.buy(url + path, price, init)
      const text = await response.text()
      return { response, text, charged: (await settling) ?? charged! }
    },
  }
}

export function post(body: unknown): RequestInit {
  return { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
}
