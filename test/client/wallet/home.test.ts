import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { serveBank } from '../../../src/bank/server.ts'
import type { Bank } from '../../../src/bank/service.ts'
import { JournalError, openWallet } from '../../../src/client/index.ts'
import { sqliteJournal } from '../../../src/client/journal/index.ts'
import { random, now as systemNow } from '../../../src/client/wallet/chance.ts'
import { fromHex } from '../../../src/crypto/bytes.ts'
import { openBank, temporaryPath } from '../../bank/support.ts'
import { onEnd, openStall, overriding, type Stall } from '../../e2e/town.ts'
import { account, must, vendorKey } from '../../protocol/world.ts'
import { openShop } from '../../vendor/shop.ts'
import { openMarket, openTestWallet, refusalOf } from './market.ts'

/** A bank at which accounts register with a dollar. */
async function openSelfService(): Promise<{ bank: Bank; bankUrl: string; stall: Stall }> {
  const commandRules = { lifeMax: 3_600n, depositMin: new Map([['USD/6', 1_000_000n]]) }
  const { bank } = openBank({ commandRules })
  must(await bank.register(vendorKey.publicKey))
  const server = await serveBank(bank)
  onEnd(() => server.close())
  const stall = await openStall({ bankUrl: server.url, routes: openShop().routes })
  return { bank, bankUrl: server.url, stall }
}

describe('a wallet’s account', () => {
  test('is made at the first start, for its user alone, and is the same ever after', async () => {
    const { bankUrl } = await openMarket()
    const store = join(dirname(temporaryPath()), 'deep', 'down', 'wallet.db')
    const first = await openTestWallet(bankUrl, { store, account: undefined as never })
    const key = join(dirname(store), 'wallet.key')
    expect(statSync(key).mode & 0o777).toBe(0o600)
    expect(statSync(store).mode & 0o777).toBe(0o600)
    expect(readFileSync(key, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
    await first.w.stop()
    const second = await openTestWallet(bankUrl, { store, account: undefined as never })
    expect(second.w.account).toBe(first.w.account)
    await second.w.stop()
    const named = await openTestWallet(bankUrl, { store, account: key })
    expect(named.w.account).toBe(first.w.account)
  })

  test('that has no money at the bank is told where to pay in, and for whom', async () => {
    const { bank, bankUrl, stall } = await openSelfService()
    const { w } = await openTestWallet(bankUrl, { account: undefined as never, budget: { channel: '0.5' } })
    const refusal = await refusalOf(w.fetch(`${stall.url}/goods/tea`))
    expect(refusal.reason).toBe('DepositTooSmall')
    expect(refusal.message).toMatch(`pay in at ${bankUrl} for account ${w.account}, which has too little there`)
    expect(refusal.message).toMatch(/No money moved/)

    // Once there is a deposit, it registers by itself, and puts into a channel a part of what there is.
    must(await bank.deposit(fromHex(w.account), 'USD/6', 1_200_000n))
    expect((await w.fetch(`${stall.url}/goods/tea`)).status).toBe(200)
    expect((await w.balance()).atBank).toBe('0.15')
    expect((await w.channels()).map(({ funds }) => funds)).toEqual(['0.05'])
  })

  test('that has too little is told how much a channel takes, as people write it', async () => {
    const { bank, bankUrl, stall } = await openSelfService()
    const { w } = await openTestWallet(bankUrl, { account: undefined as never, budget: { channel: '5' } })
    must(await bank.deposit(fromHex(w.account), 'USD/6', 1_000_000n))
    const refusal = await refusalOf(w.fetch(`${stall.url}/goods/tea`))
    expect(refusal.reason).toBe('BalanceTooLow')
    expect(refusal.message).toMatch(/which has too little there: a channel takes 0\.\d+ USD; it has 0 USD\./)
  })

  test('at a bank whose operator makes accounts is told to ask for one', async () => {
    const { bankUrl, stall } = await openMarket()
    const { w } = await openTestWallet(bankUrl, { account: undefined as never })
    const refusal = await refusalOf(w.fetch(`${stall.url}/goods/tea`))
    expect(refusal.reason).toBe('AccountUnknown')
    expect(refusal.message).toMatch(
      `pay in at ${bankUrl} for account ${w.account}, which has too little there: account ${w.account} is not registered`,
    )
  })

  test('that is no key is refused, and none is made over it', async () => {
    const { bankUrl } = await openMarket()
    const missing = temporaryPath('missing.key')
    await expect(openTestWallet(bankUrl, { account: missing })).rejects.toThrow(/cannot be read: make one with/)
    expect(existsSync(missing)).toBe(false)
    await expect(openTestWallet(bankUrl, { account: new Uint8Array(32) })).rejects.toThrow(/no secret key/)
  })
})

describe('a wallet’s store', () => {
  test('is one process’s alone', async () => {
    const { bankUrl, open } = await openMarket()
    const { store } = await open()
    await expect(openTestWallet(bankUrl, { store })).rejects.toThrow(/another process has this journal open/)
  })

  test('holds to the bank’s key that it had at first', async () => {
    const { bankUrl, open } = await openMarket()
    const { w, store } = await open()
    await w.stop()
    const key = 'ab'.repeat(32)
    await expect(openTestWallet('', { bank: { url: bankUrl, key }, store })).rejects.toThrow(
      /this wallet holds to abab/,
    )
    await expect(openTestWallet('nonsense', { store })).rejects.toThrow(/"nonsense" is no address/)
    await expect(openTestWallet(bankUrl, { store, asset: 'YEN' })).rejects.toThrow(
      /the bank holds USD\/6, EUR\/2, not "YEN"/,
    )
  })

  test('that fails once pays nothing then, and goes on with what it has stored', async () => {
    const { bankUrl, stall, shop } = await openMarket()
    const store = sqliteJournal(temporaryPath('wallet.db'))
    let isFull = false
    const journal = overriding(store, {
      commit: (...change) => (isFull ? Promise.reject(new Error('the disk is full')) : store.commit(...change)),
    })
    const w = await openWallet({ bank: bankUrl }, { home: { journal, account }, now: systemNow, random })
    onEnd(() => w.stop())
    await w.fetch(`${stall.url}/goods/1`)
    isFull = true
    await expect(w.fetch(`${stall.url}/goods/2`)).rejects.toThrow(JournalError)
    expect(shop.total()).toBe(1)
    isFull = false
    expect((await w.fetch(`${stall.url}/goods/3`)).status).toBe(200)
    expect(await w.channels()).toMatchObject([{ status: 'open', payments: 2, spent: '0.00006' }])
  })
})

test('a channel that ends soon is replaced, and closed', async () => {
  const { stall, open } = await openMarket()
  const { w, of, store } = await open({ channelLife: 1_200 })
  await w.fetch(`${stall.url}/goods/1`)
  await w.stop()
  const late = await open({ store, channelLife: 1_200 })
  // Its clock says that all but a minute of the channel's life is over.
  const { now } = Date
  const ahead = 1_141_000
  Date.now = () => now() + ahead
  try {
    await late.w.fetch(`${stall.url}/goods/2`)
  } finally {
    Date.now = now
  }
  expect(of('opened')).toHaveLength(1)
  expect(late.of('opened')).toHaveLength(1)
  await late.w.close()
  expect(late.of('closed').map(({ spent }) => spent)).toEqual(['0.00003', '0.00003'])
})
