import { join } from 'node:path'
import { type Bank, createBank, serveBank, sqliteBankStore } from '../../bank/index.ts'
import { createWallet, type Fetch, type Wallet } from '../../client/index.ts'
import { type Journal, sqliteJournal } from '../../client/journal/index.ts'
import { utf8 } from '../../crypto/bytes.ts'
import { type LockSchemeName, lockSchemes } from '../../crypto/locks.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import type { Offer } from '../../http/index.ts'
import { Bank as BankRules, Client } from '../../protocol/index.ts'
import {
  type ClosingOptions,
  management,
  type PaidRoute,
  paidRoutes,
  type StreamRoute,
  serve,
  sqliteVendorStore,
  Till,
  type VendorStore,
} from '../../vendor/index.ts'
import { amount } from '../../wire/amount.ts'
import { createScratch } from './scratch.ts'
import type { Stage } from './stage.ts'

export const asset = 'USD/6'
/** Base units: 0.00002 USD a token. */
export const unitPrice = 20n
export const bankLife = { lifeMin: 600, graceMin: 600 } as const

/** A bank, a vendor and a client on this machine, each with a store of its own, talking over sockets. */
export interface Town {
  readonly bank: Bank
  readonly bankUrl: string
  readonly vendor: VendorStall
  readonly wallet: Wallet
  readonly journal: Journal
  close(): Promise<void>
}

export interface VendorStall extends ClosingOptions {
  readonly store: VendorStore
  readonly till: Till
  readonly url: string
}

export interface TownOptions {
  readonly bankKey: Schnorr.KeyPair
  readonly deposit: bigint
  readonly routes: readonly PaidRoute[]
  readonly streams: readonly StreamRoute[]
  /** How the client reaches servers: the demo loses a response here. */
  readonly fetch: Fetch
}

/** Builds the town, registers both accounts and books the client's deposit. */
export async function openTown(stage: Stage, options: TownOptions): Promise<Town> {
  await using stack = new AsyncDisposableStack()
  const scratch = createScratch()
  stack.defer(() => scratch.remove())
  const account = Schnorr.keyPair(stage.random(32))
  const settlement = Schnorr.keyPair(stage.random(32))
  const bank = await openBank(stage, options, join(scratch.path, 'bank.db'), stack)
  await bank.bank.register(account.publicKey)
  await bank.bank.register(settlement.publicKey)
  const deposited = await bank.bank.deposit(account.publicKey, asset, options.deposit)
  if (!deposited.ok) throw new Error(deposited.detail)
  const vendor = await openVendor(
    stage,
    options,
    { path: join(scratch.path, 'vendor.db'), settlement, bankUrl: bank.url },
    stack,
  )
  const journal = sqliteJournal(join(scratch.path, 'client.db'))
  stack.defer(() => journal.close())
  const wallet = createWallet({
    journal,
    account,
    bank: { key: options.bankKey.publicKey, url: bank.url },
    clientIdentity: Client.commitIdentity(stage.random(32), utf8('the client of the demo')),
    now: stage.now,
    random: stage.random,
    fetch: options.fetch,
  })
  const opened = stack.move()
  return { bank: bank.bank, bankUrl: bank.url, vendor, wallet, journal, close: () => opened.disposeAsync() }
}

async function openBank(
  stage: Stage,
  { bankKey }: TownOptions,
  path: string,
  stack: AsyncDisposableStack,
): Promise<{ bank: Bank; url: string }> {
  const bank = createBank({
    store: sqliteBankStore(path),
    key: bankKey,
    rules: { ...BankRules.defaultRules, assets: [asset], network: stage.network },
    chain: stage.chain,
    now: stage.now,
    random: stage.random,
  })
  stack.defer(() => bank.stop())
  const server = await serveBank(bank)
  stack.defer(() => server.close())
  return { bank, url: server.url }
}

async function openVendor(
  stage: Stage,
  options: TownOptions,
  { path, settlement, bankUrl }: { path: string; settlement: Schnorr.KeyPair; bankUrl: string },
  stack: AsyncDisposableStack,
): Promise<VendorStall> {
  const { bankKey, routes, streams } = options
  const frame = Schnorr.keyPair(stage.random(32))
  const schemes = Object.keys(lockSchemes) as LockSchemeName[]
  const store = sqliteVendorStore(path)
  stack.defer(() => store.close())
  const till = new Till({
    store,
    frameKey: frame.secret,
    now: stage.now,
    acceptance: {
      banks: [bankKey.publicKey],
      vendor: settlement.publicKey,
      vendorFrameKey: frame.publicKey,
      network: stage.network,
      asset,
      lockSchemes: schemes,
      lifeMin: BigInt(bankLife.lifeMin),
      graceMin: bankLife.graceMin,
    },
  })
  const offer: Offer.Offer = {
    version: 1,
    network: stage.network,
    asset,
    banks: [{ key: bankKey.publicKey, url: bankUrl }],
    vendor: settlement.publicKey,
    vendorFrameKey: frame.publicKey,
    vendorIdentity: Client.commitIdentity(stage.random(32), utf8('the vendor of the demo')),
    unitPrice: amount(unitPrice),
    segmentLength: 1024,
    lockSchemes: schemes,
    ...bankLife,
    routes: [
      ...routes.map(({ method, path: at, price }) => ({
        method,
        path: at,
        price: amount(price),
        per: 'request' as const,
      })),
      ...streams.map(({ path: at, price }) => ({
        method: 'GET',
        path: at,
        price: amount(price),
        per: 'unit' as const,
      })),
    ],
  }
  const closing: ClosingOptions = { till, store, vendor: settlement }
  const running = await serve({
    till,
    handlers: (publicUrl) => [paidRoutes({ till, offer, publicUrl, routes }), management(closing)],
    streams,
  })
  stack.defer(() => running.close())
  return { ...closing, url: running.url }
}
