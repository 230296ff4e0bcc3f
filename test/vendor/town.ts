/** A bank over sockets, a paywall at it, and a client that pays. */

import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import type { Bank } from '../../src/bank/service.ts'
import type { PayingChannel } from '../../src/client/index.ts'
import { fromHex } from '../../src/crypto/bytes.ts'
import { type Paywall, type PaywallOptions, paywall } from '../../src/vendor/index.ts'
import { temporaryPath } from '../bank/support.ts'
import { onEnd, openBankServer, openClient, type TestClient } from '../e2e/town.ts'
import { must } from '../protocol/world.ts'

export interface PayTown {
  readonly bank: Bank
  readonly bankUrl: string
  readonly pay: Paywall
  readonly client: TestClient
  /** What handlers threw. */
  readonly errors: unknown[]
  /** What its operator was told. */
  readonly said: string[]
  /** Where its key is. */
  readonly keyPath: string
  /** A paywall over the same store and key, once the first has ended. */
  again(change?: Partial<PaywallOptions>): Promise<Paywall>
  open(url: string, funds?: bigint): Promise<PayingChannel>
}

export async function openPayTown(change: Partial<PaywallOptions> = {}): Promise<PayTown> {
  const { bank, bankUrl } = await openBankServer()
  const errors: unknown[] = []
  const said: string[] = []
  const note = (message: string): void => void said.push(message)
  const place = temporaryPath('vendor')
  const options = {
    bank: bankUrl,
    asset: 'USD',
    // However busy this machine is.
    timeoutMs: 60_000,
    store: `sqlite:${place}.db`,
    onError: (error: unknown): void => void errors.push(error),
    logger: { info: note, warn: note, error: note },
    ...change,
  }
  const again = async (more: Partial<PaywallOptions> = {}): Promise<Paywall> => {
    const pay = await paywall({ ...options, ...more })
    onEnd(() => pay.close())
    return pay
  }
  const pay = await again()
  must(await bank.register(fromHex(pay.vendor)))
  const client = openClient(bankUrl)
  return {
    bank,
    bankUrl,
    pay,
    client,
    errors,
    said,
    again,
    keyPath: `${place}.key`,
    open: (url, funds = 1000000n) => client.wallet.open(url, { funds }),
  }
}

/** A server of the Fetch API's handlers that knows nothing of payments. */
export async function listenTo(
  handler: (request: Request) => Promise<Response>,
  port = 0,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = serve({ fetch: handler, port, hostname: '127.0.0.1' }) as Server
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
  let closed: Promise<unknown> | undefined
  const close = async (): Promise<void> => {
    closed ??= new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  onEnd(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

/** What a proxy does that is mounted at a path, and takes that off the address. */
export function forward(request: Request, to: string, mount: string): Promise<Response> {
  const { pathname, search } = new URL(request.url)
  const headers = new Headers(request.headers)
  headers.delete('host')
  return fetch(to + pathname.replace(mount, '') + search, { method: request.method, headers })
}
