import { describe, expect, test } from 'vitest'
import type { Bank } from '../../src/bank/service.ts'
import { equal } from '../../src/crypto/bytes.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank as Decide, type Reason } from '../../src/protocol/index.ts'
import { amount } from '../../src/wire/amount.ts'
import type * as Command from '../../src/wire/Command.ts'
import { account, bytesOf, must, now, vendorKey } from '../protocol/world.ts'
import { answered, type CommandChange, closingOf, commandOf, releaseOf } from './acts.ts'
import { asset, buy, claimOf, openWorld } from './channels.ts'
import { contents, openBank, openFundedBank, query, reasonOf, type TestBank } from './support.ts'

const ann = Schnorr.keyPair(bytesOf('ann'))
const commandRules: Decide.CommandRules = { ...Decide.defaultCommandRules, depositMin: new Map([[asset, 500n]]) }
const register: Command.Action = { kind: 'register', asset }
const destination = bytesOf('where to')

function withdraw(sum: bigint): Command.Action {
  return { kind: 'withdraw', asset, amount: amount(sum), destination }
}

async function openWithDeposit(deposited = 2_000n): Promise<TestBank> {
  const test = openBank({ commandRules })
  must(await test.bank.deposit(ann.publicKey, asset, deposited))
  return test
}

async function act(bank: Bank, action: Command.Action, change: CommandChange = {}) {
  return bank.command(commandOf(action, change))
}

describe('an account', () => {
  test('registers by itself with the minimum deposit, which is locked', async () => {
    const { bank, path } = await openWithDeposit()
    const answer = answered('register', must(await act(bank, register, { key: ann })))
    expect(answer).toEqual({ action: 'register', asset, locked: 500n, reputation: 60 })
    expect(await bank.balance(ann.publicKey, asset)).toEqual({ ok: true, balance: 1_500n })
    expect(query(path, `SELECT balance FROM balances WHERE place = 'locked'`)).toEqual([{ balance: 500n }])
    expect(await bank.reputation(ann.publicKey, { before: undefined, limit: 10 })).toEqual({
      score: 60,
      changes: [{ number: 1, change: { cause: 'registered', at: now, score: 60 } }],
    })
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })

  test.each<[Reason, bigint, Command.Action]>([
    ['DepositTooSmall', 499n, register],
    ['AssetMismatch', 500n, { kind: 'register', asset: 'EUR/2' }],
  ])('does not register: %s', async (reason, deposited, action) => {
    const { bank, path } = await openWithDeposit(deposited)
    const before = contents(path)
    expect(reasonOf(await act(bank, action, { key: ann }))).toBe(reason)
    expect(contents(path)).toEqual(before)
    expect(await bank.reputation(ann.publicKey, { before: undefined, limit: 10 })).toBeUndefined()
  })

  test('registers once', async () => {
    const { bank } = await openWithDeposit()
    must(await act(bank, register, { key: ann }))
    expect(reasonOf(await act(bank, register, { key: ann, id: 'again' }))).toBe('AccountExists')
  })

  test('that registers many times at once locks one deposit', async () => {
    const { bank, path } = await openWithDeposit()
    const results = await Promise.all(['a', 'b', 'c', 'd'].map((id) => act(bank, register, { key: ann, id })))
    expect(results.map(reasonOf).sort()).toEqual(['AccountExists', 'AccountExists', 'AccountExists', 'ok'])
    expect(query(path, `SELECT balance FROM balances WHERE place = 'locked'`)).toEqual([{ balance: 500n }])
  })

  test('withdraws what it has, registered or not, for the operator to pay out', async () => {
    const { bank, path } = await openWithDeposit(300n)
    const { reference } = answered('withdraw', must(await act(bank, withdraw(200n), { key: ann })))
    expect(await bank.balance(ann.publicKey, asset)).toEqual({ ok: true, balance: 100n })
    const withdrawal = { reference, account: ann.publicKey, asset, amount: 200n, destination, askedAt: now }
    expect(await bank.withdrawals()).toEqual([withdrawal])
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
    expect(await bank.paidOut(reference)).toBe(true)
    expect(await bank.paidOut(reference)).toBe(false)
    expect(await bank.withdrawals()).toEqual([])
  })

  test.each<[Reason, bigint]>([
    ['BalanceTooLow', 301n],
    ['Malformed', 0n],
  ])('does not withdraw: %s for %i', async (reason, sum) => {
    const { bank, path } = await openWithDeposit(300n)
    const before = contents(path)
    expect(reasonOf(await act(bank, withdraw(sum), { key: ann }))).toBe(reason)
    expect(contents(path)).toEqual(before)
  })

  test('withdraws its last money once, however many commands cross', async () => {
    const { bank, path } = await openWithDeposit(300n)
    const results = await Promise.all(['a', 'b', 'c'].map((id) => act(bank, withdraw(200n), { key: ann, id })))
    expect(results.map(reasonOf).sort()).toEqual(['BalanceTooLow', 'BalanceTooLow', 'ok'])
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })
})

describe('a command', () => {
  test('gets the same answer for ever, and is carried out once', async () => {
    const { bank, path, setClock } = await openWithDeposit()
    const bytes = commandOf(withdraw(200n), { key: ann })
    const first = await bank.command(bytes)
    await setClock(now + 7_200n)
    const before = contents(path)
    expect(await bank.command(bytes)).toEqual(first)
    expect(contents(path)).toEqual(before)
    await bank.stop()
    expect(await openBank({ path, commandRules }).bank.command(bytes)).toEqual(first)
  })

  test('sent many times at once is carried out once, and answered the same', async () => {
    const { bank } = await openWithDeposit(300n)
    const bytes = commandOf(withdraw(200n), { key: ann })
    const answers = await Promise.all(Array.from({ length: 8 }, () => bank.command(bytes)))
    const [first] = answers
    expect(first).toMatchObject({ ok: true })
    for (const answer of answers) expect(answer).toEqual(first)
    expect(await bank.balance(ann.publicKey, asset)).toEqual({ ok: true, balance: 100n })
  })

  test('under the id of another one is refused, whatever it asks, and after the other has expired', async () => {
    const { bank, path, setClock } = await openWithDeposit()
    must(await act(bank, withdraw(1n), { key: ann, id: 'one' }))
    await setClock(now + 7_200n)
    const before = contents(path)
    for (const action of [withdraw(2n), register]) {
      const result = await act(bank, action, { key: ann, id: 'one', validUntil: now + 9_000n })
      expect(reasonOf(result)).toBe('CommandConflict')
    }
    expect(contents(path)).toEqual(before)
  })

  test('shares its ids with the openings of its account', async () => {
    const { bank } = await openFundedBank()
    await openWorld(bank, 'one', { commandId: bytesOf('both', 16) })
    expect(reasonOf(await act(bank, withdraw(1n), { id: 'both' }))).toBe('CommandConflict')
  })

  test('that was refused may be sent again, and is carried out once it can be', async () => {
    const { bank } = await openWithDeposit(100n)
    const bytes = commandOf(withdraw(200n), { key: ann })
    expect(reasonOf(await bank.command(bytes))).toBe('BalanceTooLow')
    must(await bank.deposit(ann.publicKey, asset, 100n))
    expect(reasonOf(await bank.command(bytes))).toBe('ok')
  })

  test.each<[Reason, CommandChange]>([
    ['BankMismatch', { bank: ann.publicKey }],
    ['NetworkMismatch', { network: 'eip155:1' }],
    ['CommandExpired', { validUntil: now - 1n }],
    ['CommandLifeTooLong', { validUntil: now + 86_401n }],
  ])('is refused, and nothing of it stored: %s', async (reason, change) => {
    const { bank, path } = await openWithDeposit()
    const before = contents(path)
    expect(reasonOf(await act(bank, withdraw(1n), { key: ann, ...change }))).toBe(reason)
    expect(contents(path)).toEqual(before)
  })

  test('is refused with any byte changed', async () => {
    const { bank, path } = await openWithDeposit()
    const bytes = commandOf(withdraw(1n), { key: ann })
    const before = contents(path)
    for (let at = 0; at < bytes.length; at += 5) {
      const changed = bytes.slice()
      changed[at]! ^= 0x10
      expect((await bank.command(changed)).ok, `byte ${at}`).toBe(false)
    }
    expect(contents(path)).toEqual(before)
  })
})

describe('the operator', () => {
  test('books a deposit once for each id, and refuses another one under it', async () => {
    const { bank, path } = await openFundedBank(100n)
    const id = bytesOf('wire transfer 7')
    expect(await bank.deposit(account.publicKey, asset, 50n, id)).toEqual({ ok: true, balance: 150n })
    expect(await bank.deposit(account.publicKey, asset, 50n, id)).toEqual({ ok: true, balance: 150n })
    const results = await Promise.all([1, 2, 3].map(() => bank.deposit(account.publicKey, asset, 50n, id)))
    expect(results.map(reasonOf)).toEqual(['ok', 'ok', 'ok'])
    expect(reasonOf(await bank.deposit(account.publicKey, asset, 51n, id))).toBe('CommandConflict')
    expect(reasonOf(await bank.deposit(account.publicKey, 'EUR/2', 50n, id))).toBe('CommandConflict')
    expect(reasonOf(await bank.deposit(vendorKey.publicKey, asset, 50n, id))).toBe('CommandConflict')
    expect(query(path, `SELECT sum(amount) AS sum FROM transfers WHERE kind = 'deposit'`)).toEqual([{ sum: 150n }])
  })

  test('books a withdrawal once for each id, as the account would', async () => {
    const { bank, path } = await openFundedBank(100n)
    const id = bytesOf('payout', 16)
    const first = must(await bank.withdraw(account.publicKey, asset, 30n, { id, destination }))
    expect(await bank.withdraw(account.publicKey, asset, 30n, { id, destination })).toEqual(first)
    expect(reasonOf(await bank.withdraw(account.publicKey, asset, 31n, { id, destination }))).toBe('CommandConflict')
    expect(reasonOf(await bank.withdraw(account.publicKey, asset, 71n))).toBe('BalanceTooLow')
    expect(reasonOf(await bank.withdraw(account.publicKey, 'GBP/2', 1n))).toBe('AssetMismatch')
    expect(await bank.withdrawals()).toMatchObject([{ amount: 30n, destination }])
    expect(await bank.balance(account.publicKey, asset)).toEqual({ ok: true, balance: 70n })
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })
})

describe('what the parties leave for each other', () => {
  async function withPayments(lockScheme: 'schnorr' | 'ecdsa-xor' = 'schnorr') {
    const test = await openFundedBank()
    const world = await openWorld(test.bank, 'one', { lockScheme })
    buy(world, 3)
    return { ...test, world, channelId: world.client.channelId }
  }

  test('a closing is fetched by the client’s account, as the vendor left it', async () => {
    const { bank, world, channelId, path } = await withPayments()
    const fetching = { kind: 'fetchClosing', channelId } as const
    expect(reasonOf(await act(bank, fetching))).toBe('ClosingMissing')
    const closing = closingOf(world)
    must(await bank.leaveClosing(closing))
    must(await bank.leaveClosing(closing))
    expect(reasonOf(await act(bank, fetching, { key: vendorKey }))).toBe('ChannelNotYours')
    expect(answered('fetchClosing', must(await act(bank, fetching))).closing).toEqual(closing)
    must(await act(bank, fetching, { id: 'once more' }))
    expect(query(path, 'SELECT version, fetched_at FROM endings')).toEqual([{ version: 2n, fetched_at: 0n }])
  })

  test('the first closing stays', async () => {
    const { bank, world } = await withPayments()
    must(await bank.leaveClosing(closingOf(world)))
    expect(reasonOf(await bank.leaveClosing(closingOf(world, 10n)))).toBe('ClosingConflict')
  })

  test('a release before the claim is kept for the vendor, and proves the record once the claim comes', async () => {
    const { bank, world, channelId } = await withPayments('ecdsa-xor')
    must(await bank.leaveClosing(closingOf(world)))
    const release = releaseOf(world)
    expect(reasonOf(await bank.leaveRelease(release))).toBe('ReleaseInvalid')
    const fetching = { kind: 'fetchRelease', channelId } as const
    expect(reasonOf(await act(bank, fetching, { key: vendorKey }))).toBe('ReleaseMissing')
    const left = answered('release', must(await act(bank, { kind: 'release', release })))
    expect(left).toEqual({ action: 'release', channelId, standing: 'kept' })
    expect(reasonOf(await act(bank, fetching))).toBe('ChannelNotYours')
    expect(answered('fetchRelease', must(await act(bank, fetching, { key: vendorKey, id: 'b' }))).release).toEqual(
      release,
    )
    expect(must(await bank.close(claimOf(world)))).toMatchObject({ settled: 60n, basis: 'claimed' })
    expect(await bank.status(channelId)).toMatchObject({ status: 'closed', basis: 'proven' })
    expect(must(await bank.leaveRelease(release))).toMatchObject({ standing: 'proven' })
  })

  test('a release after the claim proves the record that is still queued, from anybody', async () => {
    const { bank, world, channelId } = await withPayments()
    const claim = claimOf(world)
    const settlement = must(await bank.close(claim))
    expect(await bank.status(channelId)).toMatchObject({ basis: 'claimed' })
    const release = releaseOf(world)
    expect(must(await bank.leaveRelease(release))).toEqual({ ok: true, channelId, standing: 'proven' })
    expect(await bank.status(channelId)).toMatchObject({ basis: 'proven' })
    // What was answered stays what it was.
    expect(await bank.close(claim)).toEqual(settlement)
    expect(
      answered('fetchRelease', must(await act(bank, { kind: 'fetchRelease', channelId }, { key: vendorKey }))),
    ).toEqual({
      action: 'fetchRelease',
      release,
    })
    await bank.record()
    const { record } = (await bank.proof(channelId))!
    expect(record.at(-1)).toBe(0)
  })

  test('a release after the record is on the chain is kept, and changes nothing there', async () => {
    const { bank, world, channelId } = await withPayments()
    must(await bank.close(claimOf(world)))
    await bank.record()
    const before = await bank.proof(channelId)
    must(await bank.leaveRelease(releaseOf(world)))
    expect(await bank.proof(channelId)).toEqual(before)
  })

  test('a release that opens nothing is not kept', async () => {
    const { bank, world, path } = await withPayments()
    must(await bank.close(claimOf(world)))
    const before = contents(path)
    const release = releaseOf(world)
    const wrong = release.slice()
    wrong[40]! ^= 1
    expect(reasonOf(await bank.leaveRelease(wrong))).toBe('ReleaseInvalid')
    expect(contents(path)).toEqual(before)
    expect(equal(release, wrong)).toBe(false)
  })
})
