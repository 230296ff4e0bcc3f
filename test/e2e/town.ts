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
import { contentDigest, requestDigest } from '../../src/http/requestDigest.ts'
import type { Client } from '../../src/protocol/index.ts'
import type { Held } from '../../src/vendor/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import type { Statement } from '../../src/wire/Statement.ts'
import { openFundedBank, temporaryPath } from '../bank/support.ts'
import { account, bankKey, bytesOf, must, now } from '../protocol/world.ts'
import { type StallOptions, type StartedStall, startStall, unitPrice } from './stall.ts'

const closers: (() => Promise<unknown>)[] = []

/** Runs when the test ends, the last first. */
export function onEnd(closer: () => Promise<unknown>): void {
  closers.push(closer)
}

afterEach(async () => {
  for (const closer of closers.splice(0).reverse()) await closer()
})

export interface Stall extends StartedStall {
  held(channel: PayingChannel): Promise<Held>
  /** Requests and streams under way on a channel. */
  running(channel: PayingChannel): Promise<number>
  /** The same, once this one has ended, as a process of its own. */
  restart(change?: Partial<StallOptions>): Promise<Stall>
}

export async function openStall(options: Partial<StallOptions> = {}): Promise<Stall> {
  const stall = await startStall({ path: temporaryPath('vendor.sqlite'), ...options })
  onEnd(stall.close)
  const { till, url, path } = stall
  return {
    ...stall,
    held: async (channel) => must(await till.find(referenceOf(channel), undefined)).held,
    async running(channel) {
      const found = await till.find(referenceOf(channel), undefined)
      return found.ok ? found.held.running.size : 0
    },
    async restart(change = {}) {
      await stall.close()
      return openStall({ ...options, path, port: Number(new URL(url).port), ...change })
    },
  }
}

export { type StallOptions, unitPrice }

export interface Town {
  readonly bank: Bank
  readonly bankUrl: string
  /** Lets time pass at the bank until then. */
  setClock(to: bigint): Promise<void>
  readonly stall: Stall
  readonly client: TestClient
}

/** All three, the client with funds at the bank. */
export async function openTown(
  options: Partial<StallOptions> & { readonly fetch?: Fetch; readonly wallet?: ClientOptions } = {},
): Promise<Town> {
  const { bank, bankUrl, setClock } = await openBankServer()
  const stall = await openStall({ ...options, bankUrl })
  const client = openClient(bankUrl, { ...options.wallet, ...(options.fetch && { fetch: options.fetch }) })
  return { bank, bankUrl, setClock, stall, client }
}

export async function openBankServer(): Promise<Pick<Town, 'bank' | 'bankUrl' | 'setClock'>> {
  const { bank, setClock } = await openFundedBank(100_000_000n)
  const server = await serveBank(bank)
  onEnd(() => server.close())
  return { bank, bankUrl: server.url, setClock }
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
