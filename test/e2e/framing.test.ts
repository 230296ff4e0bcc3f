/**
 * Nobody honest is framed, and nobody's money is lost but what a decision allows: histories of a real client and a real
 * vendor, over sockets and stores in files, through lost messages, crashes, backups and old stores that came back. Whoever has
 * every byte that either of them ever signed brings all of it to the bank.
 */

import { copyFileSync, rmSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Bank } from '../../src/bank/service.ts'
import { createWallet, type Fetch, type PayingChannel, type Wallet } from '../../src/client/index.ts'
import type { OpenedJournal, StoredPayment } from '../../src/client/journal/contract.ts'
import { openJournal } from '../../src/client/journal/open.ts'
import { fromHex, toHex } from '../../src/crypto/bytes.ts'
import type { LockSchemeName } from '../../src/crypto/locks.ts'
import { headerNames } from '../../src/http/headers.ts'
import { managementPaths } from '../../src/http/management.ts'
import { close, collect, type PaidRoute } from '../../src/vendor/index.ts'
import { backupVendor, restoreVendor } from '../../src/vendor/store/backup.ts'
import { unixSeconds } from '../../src/wire/amount.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import { parseBase64url } from '../../src/wire/base64url.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Equivocation from '../../src/wire/Equivocation.ts'
import * as Open from '../../src/wire/Open.ts'
import * as Terms from '../../src/wire/Terms.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { temporaryPath } from '../bank/support.ts'
import { account, bankKey, bytesOf, now, read, vendorKey } from '../protocol/world.ts'
import { onEnd, openBankServer, openStall, type Stall } from './town.ts'

const price = 30n
const funds = 3_000n
const deposit = 100_000_000n

type Step =
  | {
      readonly kind: 'buy'
      readonly loses: 'nothing' | 'request' | 'answer'
      readonly handler: 'ok' | 'fails' | 'copied'
    }
  | { readonly kind: 'rest' | 'askClosing' | 'close' | 'leaveClosing' | 'collect' | 'open' | 'sync' }
  | { readonly kind: 'crashClient' | 'crashVendor' | 'copyClient' | 'copyVendor' | 'oldClient' | 'oldVendor' }

const quiet = ['rest', 'askClosing', 'close', 'leaveClosing', 'collect', 'open', 'sync'] as const
const faults = ['crashClient', 'crashVendor', 'copyClient', 'copyVendor', 'oldClient', 'oldVendor'] as const

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 9,
      arbitrary: fc.record({
        kind: fc.constant('buy' as const),
        loses: fc.constantFrom('nothing', 'nothing', 'request', 'answer'),
        handler: fc.constantFrom('ok', 'ok', 'fails', 'copied'),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom(...quiet) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom(...faults) }) },
  ),
  { minLength: 12, maxLength: 30, size: 'max' },
)

const buy = { kind: 'buy', loses: 'nothing', handler: 'ok' } as const

/** A town in which one client buys from one vendor, and all that its adversaries know. */
class Life {
  readonly bank: Bank
  readonly #bankUrl: string
  readonly setClock: (to: bigint) => Promise<void>
  readonly #lockScheme: 'schnorr' | 'ecdsa-xor'
  #stall: Stall
  #restores = 0
  #journal!: OpenedJournal
  #wallet!: Wallet
  readonly #journalPath = temporaryPath('client.sqlite')
  /** Copies of each store, if one was made. */
  #copies: { client: string | undefined; vendor: string | undefined } = { client: undefined, vendor: undefined }
  #step: Step & { readonly kind: 'buy' } = { kind: 'buy', loses: 'nothing', handler: 'ok' }
  #bought = 0
  channel: PayingChannel | undefined
  /** What anybody signed, by channel id in hex. */
  readonly closings = new Map<string, Uint8Array[]>()
  readonly checkpoints = new Map<string, Uint8Array[]>()
  readonly payments = new Map<string, StoredPayment[]>()
  readonly opened = new Map<string, { readonly commitment: Uint8Array; readonly lockScheme: LockSchemeName }>()
  /** What the vendor has charged in all its lives, as its own stores said, by channel id in hex. */
  readonly charged = new Map<string, bigint>()
  /** What it had charged when the copy was made that came back. */
  readonly kept = new Map<string, bigint>()

  static async start(lockScheme: 'schnorr' | 'ecdsa-xor'): Promise<Life> {
    const { bank, bankUrl, setClock } = await openBankServer()
    const life: { current?: Life } = {}
    const route: PaidRoute = {
      method: 'GET',
      path: '/goods/:name',
      price,
      idempotent: true,
      handler: () => life.current!.serve(),
    }
    const stall = await openStall({ routes: [route], bankUrl })
    life.current = new Life({ bank, bankUrl, setClock, lockScheme, stall })
    await life.current.wake()
    return life.current
  }

  private constructor(parts: {
    readonly bank: Bank
    readonly bankUrl: string
    readonly setClock: (to: bigint) => Promise<void>
    readonly lockScheme: 'schnorr' | 'ecdsa-xor'
    readonly stall: Stall
  }) {
    this.bank = parts.bank
    this.#bankUrl = parts.bankUrl
    this.setClock = parts.setClock
    this.#lockScheme = parts.lockScheme
    this.#stall = parts.stall
  }

  async live(step: Step): Promise<void> {
    try {
      await this.#live(step)
    } catch (error) {
      // What honest parties are refused, or do not hear, is no violation: what they signed is looked at in the end.
      if (!(error instanceof Error) || !expected.has(error.name)) throw error
    } finally {
      await this.#harvest()
    }
  }

  /** The handler of the vendor: while it runs, a copy of the store may be made. */
  async serve(): Promise<Response> {
    if (this.#step.handler === 'copied') await this.#copyVendor()
    return new Response('goods', { status: this.#step.handler === 'fails' ? 500 : 200 })
  }

  async wake(): Promise<void> {
    this.#journal = await openJournal({ path: this.#journalPath, inThread: true })
    const journal = this.#journal
    onEnd(() => journal.close().catch(() => undefined))
    let ids = 0
    this.#wallet = createWallet({
      journal,
      account,
      bank: { key: bankKey.publicKey, url: this.#bankUrl },
      clientIdentity: bytesOf('client identity'),
      now: () => now,
      random: (size) => bytesOf(`${this.#journalPath} ${journal.generation} ${ids++}`, size),
      fetch: this.#fetch,
      attempts: 1,
      silenceMs: 3_600_000,
    })
    const [known] = await this.#wallet.channels()
    this.channel = known
  }

  /** Everybody is there, and does what it should: the vendor claims what it has, the client learns what came back. */
  async end(): Promise<void> {
    for (const channel of await this.#wallet.channels()) await channel.close().catch(unlessExpected)
    await this.#harvest()
    for (const reference of await this.#stall.store.unsettled()) {
      const found = await this.#stall.till.find(reference, undefined)
      if (found.ok) await collect(this.#stall, found.held, this.#bankUrl)
    }
    await this.#wallet.sync()
  }

  async #live(step: Step): Promise<void> {
    switch (step.kind) {
      case 'buy': {
        this.#step = step
        this.channel ??= await this.#wallet.open(this.#stall.url, { funds, lockScheme: this.#lockScheme })
        const response = await this.channel.fetch(`${this.#stall.url}/goods/${this.#bought++}`, price)
        if (response.status === 402) this.channel = undefined
        return
      }
      case 'open':
        this.channel = await this.#wallet.open(this.#stall.url, { funds, lockScheme: this.#lockScheme })
        return
      case 'rest':
        return this.channel?.rest()
      case 'askClosing':
        // A client that asks, and does not answer: it may do so with what it was told much later.
        await this.channel?.askClosing()
        return
      case 'close': {
        const closing = this.channel?.close()
        this.channel = undefined
        await closing
        return
      }
      case 'leaveClosing':
      case 'collect': {
        const [reference] = await this.#stall.store.unsettled()
        const found = reference && (await this.#stall.till.find(reference, undefined))
        if (found?.ok !== true) return
        if (step.kind === 'collect') await collect(this.#stall, found.held, this.#bankUrl)
        else {
          const closed = await close(this.#stall, found.held)
          if (closed.ok) this.#note(this.closings, toHex(found.held.channel.channelId), closed.closing)
          if (closed.ok) await this.bank.leaveClosing(closed.closing)
        }
        return
      }
      case 'sync':
        await this.#wallet.sync()
        return
      case 'crashClient':
        await this.#journal.close()
        return this.wake()
      case 'crashVendor':
        this.#stall = await this.#stall.restart()
        return
      case 'copyClient':
        await this.#journal.close()
        this.#copies.client = temporaryPath('copy.sqlite')
        copyFileSync(this.#journalPath, this.#copies.client)
        return this.wake()
      case 'copyVendor':
        return this.#copyVendor()
      case 'oldClient': {
        const { client } = this.#copies
        if (client === undefined) return
        await this.#journal.close()
        for (const end of ['', '-wal', '-shm']) rmSync(this.#journalPath + end, { force: true })
        // The file with its generation stays.
        copyFileSync(client, this.#journalPath)
        return this.wake()
      }
      case 'oldVendor': {
        const { vendor } = this.#copies
        if (vendor === undefined) return
        const path = temporaryPath('restored.sqlite')
        await restoreVendor(vendor, path, unixSeconds(now + BigInt(++this.#restores)))
        this.#stall = await this.#stall.restart({ path, identity: bytesOf(`identity ${this.#restores}`) })
        for (const [id, spent] of this.charged) {
          const stored = await this.#stall.store.channel(fromHex(id).subarray(0, 16))
          const known = this.kept.get(id) ?? spent
          this.kept.set(id, (stored?.spent ?? 0n) < known ? (stored?.spent ?? 0n) : known)
        }
      }
    }
  }

  async #copyVendor(): Promise<void> {
    const copy = temporaryPath('copy.sqlite')
    await backupVendor(this.#stall.path, copy)
    this.#copies.vendor = copy
  }

  /** Notes what was signed, and what the vendor has charged. */
  async #harvest(): Promise<void> {
    const known = await Promise.all([this.#journal.channels(), this.#journal.retired(), this.#journal.ended()])
    for (const { channelId, terms, state } of known.flat()) {
      const id = toHex(channelId)
      if (state === undefined) continue
      const { commitment } = read(Open.parseOpened(state.opened))
      this.opened.set(id, { commitment, lockScheme: read(Terms.parse(terms)).lockScheme })
      const payments = await this.#journal.payments(channelId)
      this.payments.set(id, merged(this.payments.get(id) ?? [], payments))
      for (const { checkpoint } of payments) if (checkpoint) this.#note(this.checkpoints, id, checkpoint)
      if (state.release) this.#note(this.checkpoints, id, state.release.slice(-Checkpoint.size))
      if (state.checkpoint) this.#note(this.checkpoints, id, state.checkpoint)
      if (state.closing) this.#note(this.closings, id, state.closing)
      await this.#stall.till.flush()
      const stored = await this.#stall.store.channel(channelId.subarray(0, 16))
      const spent = stored?.spent ?? 0n
      if (spent > (this.charged.get(id) ?? 0n)) this.charged.set(id, spent)
      if (stored?.closing) this.#note(this.closings, id, stored.closing)
    }
  }

  #note(where: Map<string, Uint8Array[]>, id: string, bytes: Uint8Array): void {
    const list = where.get(id) ?? []
    if (!list.some((one) => Buffer.compare(one, bytes) === 0)) where.set(id, [...list, new Uint8Array(bytes)])
  }

  /** The client's line, which loses what the step says, and is listened to. */
  readonly #fetch: Fetch = async (input, init) => {
    const url = typeof input === 'string' ? input : input.url
    const headers = new Headers(init?.headers)
    const checkpoint = headers.get(headerNames.checkpoint)
    if (checkpoint !== null && this.channel !== undefined) {
      const bytes = read(parseBase64url(checkpoint, Checkpoint.size))
      // It may be of a channel that this one has replaced.
      const reference = toHex(read(Checkpoint.parse(bytes)).reference)
      const known = [toHex(this.channel.state.channelId), ...this.opened.keys()]
      const id = known.find((one) => one.startsWith(reference))
      if (id !== undefined) this.#note(this.checkpoints, id, bytes)
    }
    const isBought = url.includes('/goods/')
    if (isBought && this.#step.loses === 'request') throw new TypeError('the request was lost')
    const response = await fetch(input, init)
    if (isBought && this.#step.loses === 'answer') {
      await response.arrayBuffer()
      throw new TypeError('the answer was lost')
    }
    if (url.endsWith(managementPaths.ask) && response.ok) {
      const bytes = new Uint8Array(await response.clone().arrayBuffer())
      if (bytes.length === 141) this.#note(this.closings, toHex(bytes.subarray(1, 33)), bytes)
    }
    return response
  }
}

const expected: ReadonlySet<string> = new Set(['RefusedError', 'UnansweredError', 'CollectError'])

function unlessExpected(error: unknown): void {
  if (!(error instanceof Error) || !expected.has(error.name)) throw error
}

/** Payments of every journal that there was. Two of one index are kept where they differ. */
function merged(before: readonly StoredPayment[], more: readonly StoredPayment[]): StoredPayment[] {
  const list = [...before]
  for (const one of more) {
    if (!list.some(({ core, receipt }) => equal(core, one.core) && equal(receipt, one.receipt))) list.push(one)
  }
  return list
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0
}

/** Everything that anybody signed, as evidence against who signed it; what the bank says to it, without its numbers. */
async function accuse({ bank, closings, checkpoints, payments, opened }: Life): Promise<readonly string[]> {
  const said: string[] = []
  const judge = async (verdict: ReturnType<Bank['evidence']>): Promise<void> => {
    const judged = await verdict
    expect(judged).toMatchObject({ ok: false })
    said.push(judged.ok ? '' : judged.detail.replaceAll(/\d+/g, 'n'))
  }
  for (const closing of [...closings.values()].flat()) await judge(bank.overcharge(closing))
  for (const [id, { commitment, lockScheme }] of opened) {
    const channelId = fromHex(id)
    const made = (payments.get(id) ?? []).toSorted((left, right) => left.index - right.index)
    const signed = made.map(({ core, receipt }) => ({ transaction: core.slice(0, 84), receipt }))
    // One Tx_i was signed for each i, in all lives of the client.
    expect(made.map(({ index }) => index)).toEqual(made.map((_, at) => at + 1))
    for (const [at, one] of signed.entries()) {
      const other = { transaction: flip(one.transaction), receipt: signed.at(at - 1)!.receipt }
      await judge(bank.evidence(Equivocation.encode(Equivocation.create(one, other))))
    }
    const cores = made.map(({ core }) => core)
    const first = Transcript.first(channelId, commitment)
    for (const checkpoint of checkpoints.get(id) ?? []) {
      const { index: last } = read(Checkpoint.parse(checkpoint))
      for (let index = 1; index <= last; index++) {
        const receipt = lockScheme === 'schnorr' ? undefined : signed[index - 1]!.receipt
        const fraud = { channelId, lockScheme, index, cores: cores.slice(0, last), checkpoint, first, receipt }
        await judge(bank.evidence(BadOpening.encode(BadOpening.create(fraud))))
      }
    }
  }
  return said
}

function flip(transaction: Uint8Array): Uint8Array {
  return transaction.map((byte, at) => (at === transaction.length - 1 ? byte ^ 1 : byte))
}

async function causesOf({ bank }: Life, who: Uint8Array): Promise<readonly string[]> {
  const score = await bank.reputation(who, { before: undefined, limit: 1000 })
  return score!.changes.map(({ change }) => change.cause)
}

test('no history of honest parties, crashes and old stores included, yields evidence that the bank accepts, or costs more than what was forgotten', {
  timeout: 300_000,
}, async () => {
  const seen = new Map<string, number>()
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1)
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('schnorr', 'ecdsa-xor'), steps, async (lockScheme, list) => {
      const life = await Life.start(lockScheme)
      for (const step of list) await life.live(step)
      await life.end()
      for (const said of await accuse(life)) count(said)

      let refunded = 0n
      const { bank, charged, kept } = life
      for (const [id, spent] of charged) {
        const status = await bank.status(fromHex(id))
        const settled = status?.status === 'closed' ? status.settled : 0n
        expect(settled).toBeLessThanOrEqual(spent)
        if (status?.status === 'closed' || !kept.has(id)) expect(settled).toBeGreaterThanOrEqual(kept.get(id) ?? spent)
        count(kept.has(id) && settled < spent ? 'lost' : 'paid')
        refunded += settled
      }
      // Every deadline passes.
      await life.setClock(now + 2_000n)
      await bank.expire()
      expect(await bank.review()).toBe(0)
      expect(await bank.balance(account.publicKey, 'USD/6')).toMatchObject({ balance: deposit - refunded })
      for (const who of [account, vendorKey]) {
        const causes = new Set(await causesOf(life, who.publicKey))
        expect([...causes].filter((cause) => !['registered', 'completed', 'recovery'].includes(cause))).toEqual([])
      }
    }),
    {
      numRuns: 20,
      examples: (['schnorr', 'ecdsa-xor'] as const).flatMap((scheme) => [
        [scheme, [buy, { kind: 'copyVendor' }, buy, { kind: 'askClosing' }, { kind: 'oldVendor' }, buy, buy, buy]],
        [scheme, [buy, { kind: 'copyClient' }, buy, { kind: 'rest' }, { kind: 'oldClient' }, buy, { kind: 'close' }]],
      ]),
    },
  )
  // The accusations come as far as they can, and stores did forget what was charged.
  for (const said of ['lock n holds', 'lock n opens', 'the closing says n; the vendor was paid n', 'lost', 'paid']) {
    expect(seen.get(said), said).toBeGreaterThan(0)
  }
})
