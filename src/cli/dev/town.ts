import { join } from 'node:path'
import { createBank, runJobs, serveBank, sqliteBankStore } from '../../bank/index.ts'
import { openLog, sqliteLogStore } from '../../chain/index.ts'
import { nodePlatform, openHome } from '../../client/wallet/nodeHome.ts'
import { fromHex, toHex } from '../../crypto/bytes.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import { Bank as BankRules } from '../../protocol/index.ts'
import { openDatabase } from '../../sqlite/open.ts'
import { type Paywall, paywall } from '../../vendor/index.ts'
import { keyIn } from '../../vendor/paywall/keyFile.ts'
import { shop } from './shop.ts'

/** Everything that a payment needs, on this machine and offline. */
export interface DevTown {
  readonly bankUrl: string
  readonly vendorUrl: string
  readonly pay: Paywall
  /** Of a wallet with test money: nobody has it open. */
  readonly wallet: { readonly store: string; readonly account: string }
  close(): Promise<void>
}

export interface DevOptions {
  /** Where stores and keys are. What is there already goes on. */
  readonly folder: string
  readonly port: number
  readonly bankPort: number
  /** Told of what goes wrong in the background. */
  readonly onError: (error: unknown) => void
}

const devAsset = 'USD/6'
/** What the faucet gives, in base units: 10 USD. */
const gift = 10_000_000n

/** Starts a bank with a chain of its own, a vendor with a shop and a faucet, and fills a wallet. */
export async function openDevTown({ folder, port, bankPort, onError }: DevOptions): Promise<DevTown> {
  await using stack = new AsyncDisposableStack()
  const { now, random } = nodePlatform
  const bankKey = Schnorr.keyPair(await keyIn(join(folder, 'bank.key')))
  const network = 'lockstep:dev'
  const log = openDatabase(join(folder, 'chain.db'), 'log', [])
  stack.defer(() => log.close())
  const bank = createBank({
    store: sqliteBankStore(join(folder, 'bank.db')),
    key: bankKey,
    rules: { ...BankRules.defaultRules, assets: [devAsset], network },
    // Whoever follows a guide here registers a vendor of their own.
    commandRules: { ...BankRules.defaultCommandRules, depositMin: new Map([[devAsset, 0n]]) },
    chain: openLog({ store: sqliteLogStore(log), key: bankKey, now }, { network }),
    now,
    random,
  })
  stack.defer(() => bank.stop())
  const ending = new AbortController()
  const jobs = runJobs({
    bank,
    signal: ending.signal,
    everyMs: { record: 2000 },
    onError: (_, error) => onError(error),
  })
  stack.defer(async () => {
    ending.abort()
    await jobs
  })
  const server = await serveBank(bank, { port: bankPort, onError })
  stack.defer(() => server.close())

  const register = async (account: Uint8Array): Promise<void> => {
    const registered = await bank.register(account)
    if (!registered.ok && registered.reason !== 'AccountExists') throw new Error(registered.detail)
  }
  const fund = async (account: Uint8Array): Promise<void> => {
    await register(account)
    const deposited = await bank.deposit(account, devAsset, gift)
    if (!deposited.ok) throw new Error(deposited.detail)
  }

  const pay = await paywall({
    bank: server.url,
    asset: devAsset,
    store: `sqlite:${join(folder, 'vendor.db')}`,
    onError,
    logger: { info: () => undefined, warn: () => undefined, error: onError },
  })
  stack.defer(() => pay.close())
  await register(fromHex(pay.vendor))
  const { url: vendorUrl } = await pay.listen({ port, routes: shop(pay, { bank: server.url, fund }) })

  const store = join(folder, 'wallet.db')
  const home = await openHome({ store })
  await home.journal.close()
  const account = home.account.publicKey
  await fund(account)
  const opened = stack.move()
  return {
    bankUrl: server.url,
    vendorUrl,
    pay,
    wallet: { store, account: toHex(account) },
    close: () => opened.disposeAsync(),
  }
}
