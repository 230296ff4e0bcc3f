/** A bank, vendors and a wallet that buys from them: real stores, real sockets. */

import type { Bank } from '../../../src/bank/service.ts'
import {
  type PayingWallet,
  type PayingWalletOptions,
  RefusedError,
  type WalletEvent,
  wallet,
} from '../../../src/client/index.ts'
import { temporaryPath } from '../../bank/support.ts'
import { onEnd, openBankServer, openStall, type Stall, type StallOptions } from '../../e2e/town.ts'
import { account } from '../../protocol/world.ts'
import { openShop, type Shop } from '../../vendor/shop.ts'

export interface Market {
  readonly bank: Bank
  readonly bankUrl: string
  readonly stall: Stall
  readonly shop: Shop
  /** Opens a wallet on this store, or on one of its own. */
  open(options?: Partial<PayingWalletOptions>): Promise<TestWallet>
}

export interface TestWallet {
  readonly w: PayingWallet
  readonly store: string
  readonly events: WalletEvent[]
  /** Events of one kind. */
  of<K extends WalletEvent['kind']>(kind: K): readonly Extract<WalletEvent, { kind: K }>[]
}

export async function openMarket(options: Partial<StallOptions> = {}): Promise<Market> {
  const { bank, bankUrl } = await openBankServer()
  const shop = openShop()
  const stall = await openStall({ routes: shop.routes, ...options, bankUrl })
  return { bank, bankUrl, stall, shop, open: (change) => openTestWallet(bankUrl, change) }
}

export async function openTestWallet(bank: string, change: Partial<PayingWalletOptions> = {}): Promise<TestWallet> {
  const { store = temporaryPath('wallet.db') } = change
  const events: WalletEvent[] = []
  const w = await wallet({ bank, account: account.secret, store, onEvent: (event) => events.push(event), ...change })
  onEnd(() => w.stop())
  return {
    w,
    store,
    events,
    of: (kind) => events.filter((event): event is Extract<WalletEvent, { kind: typeof kind }> => event.kind === kind),
  }
}

/** What a promise is refused with. */
export async function refusalOf(promise: Promise<unknown>): Promise<RefusedError> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  )
  if (error instanceof RefusedError) return error
  throw new Error(`it was not refused: ${String(error)}`, { cause: error })
}
