/** A bank over sockets, a paywall at it, and a client that pays. */

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
  /** A paywall over the same store and key, once the first has ended. */
  again(change?: Partial<PaywallOptions>): Promise<Paywall>
  open(url: string, funds?: bigint): Promise<PayingChannel>
}

export async function openPayTown(change: Partial<PaywallOptions> = {}): Promise<PayTown> {
  const { bank, bankUrl } = await openBankServer()
  const errors: unknown[] = []
  const said: string[] = []
  const note = (message: string): void => void said.push(message)
  const options = {
    bank: bankUrl,
    asset: 'USD',
    store: `sqlite:${temporaryPath('vendor.db')}`,
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
    open: (url, funds = 1000000n) => client.wallet.open(url, { funds }),
  }
}
