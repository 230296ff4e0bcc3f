/** A bank, a vendor and a client on this machine: stores in files, messages over sockets. */

import { randomBytes } from 'node:crypto'
import { afterEach, expect } from 'vitest'
import { serveBank } from '../../src/bank/server.ts'
import type { Bank } from '../../src/bank/service.ts'
import {
  createWallet,
  type Fetch,
  type PayingChannel,
  type Wallet,
  type WalletOptions,
} from '../../src/client/index.ts'
import { type Journal, sqliteJournal } from '../../src/client/journal/index.ts'
import { restore } from '../../src/client/restore.ts'
import { equal } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { parseStatementHeader, paymentHeaders } from '../../src/http/headers.ts'
import type * as Offer from '../../src/http/Offer.ts'
import { contentDigest, requestDigest } from '../../src/http/requestDigest.ts'
import type { Client } from '../../src/protocol/index.ts'
import {
  type ClosingOptions,
  type Held,
  management,
  type PaidRoute,
  paywall,
  type ServeOptions,
  type StreamRoute,
  serve,
  sqliteVendorStore,
  Till,
  type TillOptions,
  type VendorStore,
} from '../../src/vendor/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import { amount, type UnixSeconds } from '../../src/wire/amount.ts'
import type { Statement } from '../../src/wire/Statement.ts'
import { openFundedBank, temporaryPath } from '../bank/support.ts'
import { account, bankKey, bytesOf, frameKey, must, now, vendorKey } from '../protocol/world.ts'

export const asset = 'USD/6'
export const network = 'lockstep:test'
export const unitPrice = 10n

const closers: (() => Promise<unknown>)[] = []

/** Runs when the test ends, the last first. */
export function onEnd(closer: () => Promise<unknown>): void {
  closers.push(closer)
}

afterEach(async () => {
  for (const closer of closers.splice(0).reverse()) await closer()
})

export interface StallOptions {
  readonly routes?: readonly PaidRoute[]
  readonly streams?: readonly StreamRoute[]
  readonly path?: string
  readonly port?: number
  readonly publicUrl?: string
  readonly bankUrl?: string
  readonly now?: () => UnixSeconds
  /** What the vendor gets in place of its store. */
  readonly wrapStore?: (store: VendorStore) => VendorStore
  readonly till?: Partial<TillOptions>
  readonly serve?: Partial<ServeOptions>
}

/** A vendor's process: ended and started again, it is on the same port and store. */
export interface Stall extends ClosingOptions {
  readonly url: string
  readonly path: string
  /** What its operator was told of. */
  readonly errors: unknown[]
  held(channel: PayingChannel): Promise<Held>
  /** Requests and streams under way on a channel. */
  running(channel: PayingChannel): Promise<number>
  /** Lets what runs end. */
  close(): Promise<void>
  /** The same with a process of its own. */
  restart(change?: StallOptions): Promise<Stall>
}

export async function openStall(options: StallOptions = {}): Promise<Stall> {
  const { routes = [], streams = [], path = temporaryPath('vendor.sqlite'), port = 0, bankUrl } = options
  const { wrapStore = (store) => store } = options
  const file = sqliteVendorStore(path)
  const store = wrapStore(file)
  const till = new Till({
    store,
    frameKey: frameKey.secret,
    now: options.now ?? (() => now),
    acceptance: {
      banks: [bankKey.publicKey],
      vendor: vendorKey.publicKey,
      vendorFrameKey: frameKey.publicKey,
      network,
      asset,
      lockSchemes: ['schnorr', 'ecdsa-xor'],
      lifeMin: 600n,
      graceMin: 600,
    },
    ...options.till,
  })
  const errors: unknown[] = []
  const onError = (error: unknown): void => void errors.push(error)
  const closing = { till, store, vendor: vendorKey }
  const running = await serve({
    till,
    port,
    streams,
    onError,
    handlers: (publicUrl) => [
      paywall({ till, store, publicUrl, routes, onError, offer: offerOf(bankUrl, { routes, streams }) }),
      management(closing),
    ],
    ...(options.publicUrl && { publicUrl: options.publicUrl }),
    ...options.serve,
  })
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= running.close().then(async () => {
      await file.close()
      // Until whoever holds a connection has heard of it.
      await new Promise((resolve) => setTimeout(resolve, 20))
    })
    return closed
  }
  onEnd(close)
  return {
    ...closing,
    url: running.url,
    path,
    errors,
    close,
    held: async (channel) => must(await till.find(referenceOf(channel), undefined)).held,
    async running(channel) {
      const found = await till.find(referenceOf(channel), undefined)
      return found.ok ? found.held.running.size : 0
    },
    async restart(change = {}) {
      await close()
      return openStall({ ...options, path, port: Number(new URL(running.url).port), ...change })
    },
  }
}

function offerOf(
  bankUrl = 'http://bank.invalid',
  sold: { readonly routes: readonly PaidRoute[]; readonly streams: readonly StreamRoute[] },
): Offer.Offer {
  return {
    version: 1,
    network,
    asset,
    banks: [{ key: bankKey.publicKey, url: bankUrl }],
    vendor: vendorKey.publicKey,
    vendorFrameKey: frameKey.publicKey,
    vendorIdentity: bytesOf('vendor identity'),
    unitPrice: amount(unitPrice),
    segmentLength: 1024,
    lockSchemes: ['schnorr', 'ecdsa-xor'],
    lifeMin: 600,
    graceMin: 600,
    routes: [
      ...sold.routes.map(({ method, path, price }) => ({
        method,
        path,
        price: amount(price),
        per: 'request' as const,
      })),
      ...sold.streams.map(({ path, price }) => ({ method: 'GET', path, price: amount(price), per: 'unit' as const })),
    ],
  }
}

export interface Town {
  readonly bank: Bank
  readonly bankUrl: string
  readonly stall: Stall
  readonly client: TestClient
}

/** All three, the client with funds at the bank. */
export async function openTown(
  options: StallOptions & { readonly fetch?: Fetch; readonly wallet?: ClientOptions } = {},
): Promise<Town> {
  const { bank, bankUrl } = await openBankServer()
  const stall = await openStall({ ...options, bankUrl })
  const client = openClient(bankUrl, { ...options.wallet, ...(options.fetch && { fetch: options.fetch }) })
  return { bank, bankUrl, stall, client }
}

export async function openBankServer(): Promise<{ readonly bank: Bank; readonly bankUrl: string }> {
  const { bank } = await openFundedBank(100_000_000n)
  const server = await serveBank(bank)
  onEnd(() => server.close())
  return { bank, bankUrl: server.url }
}

export interface TestClient {
  readonly wallet: Wallet
  readonly journal: Journal
  readonly path: string
  close(): Promise<void>
}

export interface ClientOptions extends Partial<WalletOptions> {
  /** Of its journal. */
  readonly path?: string
}

export function openClient(
  bankUrl: string,
  { path = temporaryPath('client.sqlite'), ...change }: ClientOptions = {},
): TestClient {
  const journal = sqliteJournal(path)
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= journal.close()
    return closed
  }
  onEnd(close)
  const wallet = createWallet({
    journal,
    account,
    bank: { key: bankKey.publicKey, url: bankUrl },
    clientIdentity: bytesOf('client identity'),
    now: () => now,
    random: (size) => new Uint8Array(randomBytes(size)),
    ...change,
  })
  return { wallet, journal, path, close }
}

export function openChannel(town: Town, funds = 1_000_000n): Promise<PayingChannel> {
  return town.client.wallet.open(town.stall.url, { funds })
}

export function referenceOf(channel: PayingChannel): Uint8Array {
  return channel.state.channelId.subarray(0, 16)
}

/** A payment for a request, made and stored, to be sent when and as often as a test wants. */
export interface Prepared {
  readonly index: number
  readonly digest: Uint8Array
  readonly headers: Record<string, string>
  /** Sends it, or what is left of it. */
  send(change?: {
    readonly url?: string
    readonly headers?: Record<string, string>
    readonly body?: string
  }): Promise<Response>
}

export async function prepare(
  channel: PayingChannel,
  path: string,
  price: bigint,
  init: { readonly method?: string; readonly body?: string; readonly vendorUrl?: string } = {},
): Promise<Prepared> {
  const { method = 'GET', body, vendorUrl = channel.vendorUrl } = init
  const url = vendorUrl + path
  const digest = requestDigest({
    method,
    target: url,
    contentDigest: body === undefined ? undefined : contentDigest(sha256(new TextEncoder().encode(body))),
  })
  const payment = await channel.pay(price, digest)
  const headers = paymentHeaders({ ...payment, attachment: channel.attachment })
  return {
    index: payment.index,
    digest,
    headers,
    send: (change = {}) =>
      fetch(change.url ?? url, {
        method,
        headers: change.headers ?? headers,
        ...((change.body ?? body) !== undefined && { body: change.body ?? body! }),
      }),
  }
}

/** The channel's machine once more, as the journal has it now: what a careless copy of it would sign with. */
export async function twinOf({ journal }: TestClient, channel: PayingChannel): Promise<Client.ClientChannel> {
  const stored = (await journal.channels()).find(({ channelId }) => equal(channelId, channel.state.channelId))
  if (stored?.state === undefined) throw new Error('the journal has no such channel')
  return restore({ ...stored, state: stored.state })
}

export function headersOf(payment: Client.Paid, { attachment }: Client.ClientChannel): Record<string, string> {
  return paymentHeaders({ ...payment, attachment: Attachment.encode(attachment) })
}

/** A store, or anything else, with some of its methods replaced. */
export function overriding<T extends object>(whole: T, methods: Partial<T>): T {
  return new Proxy(whole, {
    get(target, name) {
      const found = Reflect.get(name in methods ? methods : target, name) as unknown
      return typeof found === 'function' && !(name in methods) ? (found.bind(target) as unknown) : found
    },
  })
}

/** The statement on a response; its MAC has to be right. */
export function statementIn(channel: PayingChannel, response: Response): Statement | undefined {
  const statement = parseStatementHeader(response.headers, channel.state.macs.statement)
  if (statement !== undefined && !statement.ok) throw new Error(statement.detail)
  return statement?.value
}

/** What a problem document says, after checking that it is one. */
export async function problemIn(response: Response): Promise<{ status: number; reason: string; detail: string }> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const text = await response.text()
  expect(text).not.toMatch(/\n\s+at |node:|\.ts:\d/)
  const problem = JSON.parse(text) as { type: string; status: number; reason: string; detail: string }
  expect(problem.status).toBe(response.status)
  expect(problem.type).toBe(`urn:lockstep:problem:${problem.reason}`)
  return problem
}

/** Resolves when the condition holds; fails a test that waits for nothing. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`waited in vain: ${what}`)
}

/** A promise that a test settles. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: resolve }
}
