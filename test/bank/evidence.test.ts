import { describe, expect, test } from 'vitest'
import type { Bank } from '../../src/bank/service.ts'
import { Bank as Decide, type Reason } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import * as Equivocation from '../../src/wire/Equivocation.ts'
import { fork } from '../protocol/adversary.ts'
import { accuse, cheat, findOut, flip, wrongLock } from '../protocol/cheats.ts'
import { account, deliver, must, now, payClient, vendorKey, type World } from '../protocol/world.ts'
import { answered, closingOf, commandOf, releaseOf } from './acts.ts'
import { asset, buy, claimOf, openWorld, type ProposalChange } from './channels.ts'
import {
  type BankOptions,
  coarseClock,
  contents,
  openBank,
  openFundedBank,
  query,
  reasonOf,
  type TestBank,
} from './support.ts'

const commandRules: Decide.CommandRules = { ...Decide.defaultCommandRules, depositMin: new Map([[asset, 30n]]) }
const all = { before: undefined, limit: 100 }

async function balanceOf(bank: Bank, key = account): Promise<bigint> {
  return must(await bank.balance(key.publicKey, asset)).balance
}

async function causesOf(bank: Bank, key = account): Promise<readonly string[]> {
  const found = await bank.reputation(key.publicKey, all)
  return (found?.changes ?? []).map(({ change }) => `${change.cause} ${change.score}`).reverse()
}

/** A channel in which 100 was charged and 160 paid: the vendor has claimed it all. */
async function overcharged(
  change: ProposalChange = {},
  options: BankOptions = {},
): Promise<TestBank & { readonly world: World }> {
  const test = await openFundedBank(1_000_000n, options)
  const world = await openWorld(test.bank, 'one', change)
  buy(world, 5)
  for (let extra = 0; extra < 3; extra++) must(deliver(world, payClient(world, 20n, `not served ${extra}`)))
  must(await test.bank.close(claimOf(world, { amount: amount(160n) })))
  return { ...test, world }
}

describe('an overcharge', () => {
  test('goes back from the vendor’s balance, and costs its reputation', async () => {
    const { bank, path, world } = await overcharged()
    const { channelId } = world.client
    const before = await balanceOf(bank)
    const closing = closingOf(world)
    const proven = must(await bank.overcharge(closing))
    expect(proven).toEqual({ ok: true, cause: 'overcharge', channelId, difference: 60n, returned: 60n, owed: 0n })
    expect(await balanceOf(bank)).toBe(before + 60n)
    expect(await balanceOf(bank, vendorKey)).toBe(100n)
    expect(await causesOf(bank, vendorKey)).toEqual(['registered 60', 'completed 61', 'overcharge 11'])
    expect(await bank.overcharge(closing)).toEqual(proven)
    expect(await balanceOf(bank)).toBe(before + 60n)
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
    const [proof] = await bank.proofs(channelId)
    expect(proof).toMatchObject({ cause: 'overcharge', amount: 60n, at: now })
    expect(await bank.proofEvidence(channelId, proof!.reference)).toEqual(closing)
  })

  test('that the vendor cannot return is a debt, which blocks its withdrawals and is paid by whatever comes in', async () => {
    const { bank, path, world } = await overcharged()
    must(await bank.withdraw(vendorKey.publicKey, asset, 155n))
    const before = await balanceOf(bank)
    const proven = must(await bank.overcharge(closingOf(world)))
    expect(proven).toMatchObject({ difference: 60n, returned: 5n, owed: 55n })
    expect(await balanceOf(bank)).toBe(before + 5n)
    expect(reasonOf(await bank.withdraw(vendorKey.publicKey, asset, 1n))).toBe('WithdrawalBlocked')
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])

    must(await bank.deposit(vendorKey.publicKey, asset, 20n))
    expect(await balanceOf(bank, vendorKey)).toBe(0n)
    expect(await balanceOf(bank)).toBe(before + 25n)
    must(await bank.deposit(vendorKey.publicKey, asset, 50n))
    expect(await balanceOf(bank, vendorKey)).toBe(15n)
    expect(await balanceOf(bank)).toBe(before + 60n)
    expect(reasonOf(await bank.withdraw(vendorKey.publicKey, asset, 15n))).toBe('ok')
    expect(must(await bank.overcharge(closingOf(world)))).toEqual(proven)
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })

  test('takes the locked deposit of a vendor that has nothing else', async () => {
    const test = openBank({ commandRules })
    const { bank, path } = test
    must(await bank.deposit(vendorKey.publicKey, asset, 30n))
    must(await bank.command(commandOf({ kind: 'register', asset }, { key: vendorKey })))
    must(await bank.register(account.publicKey))
    must(await bank.deposit(account.publicKey, asset, 100_000n))
    const world = await openWorld(bank, 'one')
    buy(world, 2)
    for (let extra = 0; extra < 3; extra++) must(deliver(world, payClient(world, 20n, `not served ${extra}`)))
    must(await bank.close(claimOf(world, { amount: amount(100n) })))
    must(await bank.withdraw(vendorKey.publicKey, asset, 90n))
    expect(must(await bank.overcharge(closingOf(world)))).toMatchObject({ difference: 60n, returned: 40n, owed: 20n })
    expect(query(path, `SELECT balance FROM balances WHERE place = 'locked'`)).toEqual([{ balance: 0n }])
    expect(await balanceOf(bank)).toBe(100_000n - 100n + 40n)
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })

  test('a credit from another channel pays the debt first', async () => {
    const { bank, path, world } = await overcharged()
    const other = await openWorld(bank, 'two')
    buy(other, 2)
    must(await bank.withdraw(vendorKey.publicKey, asset, 160n))
    expect(must(await bank.overcharge(closingOf(world)))).toMatchObject({ returned: 0n, owed: 60n })
    const before = await balanceOf(bank)
    const { refund } = must(await bank.close(claimOf(other)))
    expect(await balanceOf(bank)).toBe(before + refund + 40n)
    expect(await balanceOf(bank, vendorKey)).toBe(0n)
    expect(query(path, 'SELECT debtor, amount FROM debts')).toMatchObject([{ amount: 20n }])
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })

  test('is judged by each closing, and no unit twice', async () => {
    const { bank, path, world } = await overcharged()
    const before = await balanceOf(bank)
    expect(must(await bank.overcharge(closingOf(world, 150n)))).toMatchObject({ difference: 10n })
    expect(must(await bank.overcharge(closingOf(world, 90n)))).toMatchObject({ difference: 60n })
    expect(reasonOf(await bank.overcharge(closingOf(world, 100n)))).toBe('EvidenceRepeated')
    expect(await balanceOf(bank)).toBe(before + 70n)
    // A proof kind scores once a channel.
    expect(await causesOf(bank, vendorKey)).toEqual(['registered 60', 'completed 61', 'overcharge 11'])
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })

  test('shown many times at once, by one closing and by several, returns each unit once', async () => {
    const { bank, path, world } = await overcharged()
    const before = await balanceOf(bank)
    const closings = [closingOf(world), closingOf(world), closingOf(world, 130n), closingOf(world, 120n)]
    await Promise.all(closings.map((closing) => bank.overcharge(closing)))
    expect(await balanceOf(bank)).toBe(before + 60n)
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })

  test.each<[Reason, (world: World) => Uint8Array]>([
    ['EvidenceInvalid', (world) => closingOf(world, 160n)],
    ['EvidenceInvalid', (world) => closingOf(world, 161n)],
    ['SignatureInvalid', (world) => flip(closingOf(world), 40)],
    ['ChannelUnknown', (world) => flip(closingOf(world), 1)],
    ['Malformed', (world) => closingOf(world).subarray(1)],
  ])('is refused, and nothing of it stored: %s', async (reason, make) => {
    const { bank, path, world } = await overcharged()
    const before = contents(path)
    expect(reasonOf(await bank.overcharge(make(world)))).toBe(reason)
    expect(contents(path)).toEqual(before)
  })

  test('of a channel that was not settled is none', async () => {
    const { bank } = await openFundedBank()
    const world = await openWorld(bank, 'one')
    buy(world, 1)
    expect(reasonOf(await bank.overcharge(closingOf(world)))).toBe('ChannelNotSettled')
  })

  test('is returned until seven days after the deadline, not after', async () => {
    const short: ProposalChange = { graceSeconds: 60, expiresAt: unixSeconds(now + 60n) }
    const { bank, world, setClock } = await overcharged(short, { clockRules: coarseClock })
    await setClock(now + 60n)
    await setClock(now + 120n + 7n * 86_400n)
    expect(must(await bank.overcharge(closingOf(world, 150n)))).toMatchObject({ difference: 10n })
    await setClock(now + 121n + 7n * 86_400n)
    expect(reasonOf(await bank.overcharge(closingOf(world)))).toBe('EvidenceTooLate')
  })
})

describe.each(['schnorr', 'ecdsa-xor'] as const)('a bad opening, %s,', (lockScheme) => {
  async function cheated(trick = true) {
    const test = await openFundedBank()
    const world = await openWorld(test.bank, 'one', { lockScheme })
    const receipts = cheat(world, trick ? { payments: 4, at: 3, trick: wrongLock } : { payments: 4 })
    const { checkpoint } = findOut(world)
    const evidence = BadOpening.encode(accuse(world, { index: 3, checkpoint, receipt: receipts[3] }))
    return { ...test, world, evidence }
  }

  test('is accepted once, and costs the client’s reputation', async () => {
    const { bank, world, evidence } = await cheated()
    const { channelId } = world.client
    const proven = { ok: true, cause: 'badOpening', channelId }
    expect(await bank.evidence(evidence)).toEqual(proven)
    expect(await bank.evidence(evidence)).toEqual(proven)
    expect(await causesOf(bank)).toEqual(['registered 60', 'badOpening 10'])
    expect(await bank.proofs(channelId)).toHaveLength(1)
    expect(await bank.proofEvidence(channelId, (await bank.proofs(channelId))[0]!.reference)).toEqual(evidence)
  })

  test('keeps the client from opening another channel', async () => {
    const { bank, evidence } = await cheated()
    must(await bank.evidence(evidence))
    await expect(openWorld(bank, 'two')).rejects.toThrow('ReputationTooLow')
  })

  test('of an honest client is refused, and nothing of it stored', async () => {
    const { bank, path, evidence } = await cheated(false)
    const before = contents(path)
    expect(reasonOf(await bank.evidence(evidence))).toBe('EvidenceInvalid')
    expect(contents(path)).toEqual(before)
  })
})

describe('an equivocation', () => {
  async function equivocated() {
    const test = await openFundedBank()
    const world = await openWorld(test.bank, 'one')
    const [bread, wine] = ['bread', 'wine'].map((label) => {
      const { core, receipt } = payClient(fork(world), 10n, label)
      return { transaction: core.slice(0, 84), receipt }
    })
    return { ...test, world, evidence: Equivocation.encode(Equivocation.create(bread!, wine!)) }
  }

  test('is accepted once, beside other frauds of the channel', async () => {
    const { bank, evidence } = await equivocated()
    must(await bank.evidence(evidence))
    must(await bank.evidence(evidence))
    expect(await causesOf(bank)).toEqual(['registered 60', 'equivocation 10'])
  })

  test('with a byte changed is refused, and nothing of it stored', async () => {
    const { bank, path, evidence } = await equivocated()
    const before = contents(path)
    for (let at = 0; at < evidence.length; at += 11) {
      expect((await bank.evidence(flip(evidence, at))).ok, `byte ${at}`).toBe(false)
    }
    expect(reasonOf(await bank.evidence(new Uint8Array(0)))).toBe('Malformed')
    expect(reasonOf(await bank.evidence(Uint8Array.of(0x1f, 2)))).toBe('Malformed')
    expect(contents(path)).toEqual(before)
  })

  test('shown many times at once scores once', async () => {
    const { bank, evidence } = await equivocated()
    const results = await Promise.all([1, 2, 3, 4].map(() => bank.evidence(evidence)))
    expect(results.map(reasonOf)).toEqual(['ok', 'ok', 'ok', 'ok'])
    expect(await causesOf(bank)).toEqual(['registered 60', 'equivocation 10'])
  })
})

describe('a release withheld through grace', () => {
  const grace = 600n

  /** An `ecdsa-xor` channel whose vendor left its closing at the bank. */
  async function stated(lockScheme: 'schnorr' | 'ecdsa-xor' = 'ecdsa-xor') {
    const test = await openFundedBank()
    const world = await openWorld(test.bank, 'one', { lockScheme })
    buy(world, 3)
    must(await test.bank.leaveClosing(closingOf(world)))
    const { channelId } = world.client
    const fetch = (): Promise<unknown> =>
      test.bank.command(commandOf({ kind: 'fetchClosing', channelId }, { validUntil: now + 80_000n }))
    return { ...test, world, fetch, channelId, end: now + 3600n + grace }
  }

  test('costs five points once, after the grace', async () => {
    const { bank, world, fetch, setClock, end } = await stated()
    await fetch()
    await setClock(end)
    expect(await bank.review()).toBe(0)
    await setClock(end + 1n)
    expect(await bank.review()).toBe(1)
    expect(await bank.review()).toBe(0)
    expect(await causesOf(bank)).toEqual(['registered 60', 'releaseWithheld 55'])
    // Without a claim nobody can see whether it is the right one.
    must(await bank.command(commandOf({ kind: 'release', release: releaseOf(world) }, { validUntil: end + 60n })))
    expect(await causesOf(bank)).toEqual(['registered 60', 'releaseWithheld 55'])
  })

  test('is given back by a late release that the claim proves', async () => {
    const { bank, world, fetch, setClock, end } = await stated()
    await fetch()
    must(await bank.close(claimOf(world)))
    await setClock(end + 1n)
    expect(await bank.review()).toBe(1)
    expect(await causesOf(bank)).toEqual(['registered 60', 'completed 61', 'releaseWithheld 56'])
    must(await bank.leaveRelease(releaseOf(world)))
    must(await bank.leaveRelease(releaseOf(world)))
    expect(await causesOf(bank)).toEqual(['registered 60', 'completed 61', 'releaseWithheld 56', 'releasedLate 61'])
  })

  test.each<[string, 'schnorr' | 'ecdsa-xor', (given: Awaited<ReturnType<typeof stated>>) => Promise<unknown>]>([
    ['was never fetched', 'ecdsa-xor', async () => undefined],
    ['σ_0 opens', 'schnorr', ({ fetch }) => fetch()],
    [
      'is disputed',
      'ecdsa-xor',
      async ({ bank, fetch, channelId }) => {
        await fetch()
        answered('dispute', must(await bank.command(commandOf({ kind: 'dispute', channelId }))))
      },
    ],
    [
      'was answered',
      'ecdsa-xor',
      async ({ bank, fetch, world }) => {
        await fetch()
        must(await bank.command(commandOf({ kind: 'release', release: releaseOf(world) })))
      },
    ],
  ])('is none where the closing %s', async (_, lockScheme, act) => {
    const given = await stated(lockScheme)
    await act(given)
    await given.setClock(given.end + grace)
    expect(await given.bank.review()).toBe(0)
    expect(await causesOf(given.bank)).toEqual(['registered 60'])
  })

  test('is none before the account had as long as the grace to answer', async () => {
    const { bank, fetch, setClock, end } = await stated()
    await setClock(end - 10n)
    await fetch()
    await setClock(end + 60n)
    expect(await bank.review()).toBe(0)
    await setClock(end - 10n + grace + 1n)
    expect(await bank.review()).toBe(1)
  })

  test('only a fetched closing can be disputed', async () => {
    const { bank, channelId } = await stated()
    expect(reasonOf(await bank.command(commandOf({ kind: 'dispute', channelId })))).toBe('ClosingMissing')
  })
})

describe('reputation', () => {
  test('rises by one for both sides of a channel that paid something, once an hour', async () => {
    const { bank, setClock } = await openFundedBank()
    for (const [label, at] of [
      ['one', 0n],
      ['two', 3_599n],
      ['three', 3_600n],
    ] as const) {
      await setClock(now + at)
      const world = await openWorld(bank, label, {
        openedAt: unixSeconds(now + at),
        expiresAt: unixSeconds(now + at + 3600n),
        validUntil: unixSeconds(now + at),
      })
      buy(world, 1)
      must(await bank.close(claimOf(world)))
    }
    expect(await causesOf(bank)).toEqual(['registered 60', 'completed 61', 'completed 62'])
    expect(await causesOf(bank, vendorKey)).toEqual(['registered 60', 'completed 61', 'completed 62'])
  })

  test('does not rise for a channel that paid nothing', async () => {
    const { bank } = await openFundedBank()
    must(await bank.close(claimOf(await openWorld(bank, 'one'))))
    expect(await causesOf(bank)).toEqual(['registered 60'])
  })

  test('recovers by a point a day, and a channel opens again once it is high enough', async () => {
    const { bank, setClock } = openBank({ clockRules: coarseClock })
    must(await bank.register(account.publicKey, 49))
    must(await bank.register(vendorKey.publicKey))
    must(await bank.deposit(account.publicKey, asset, 100_000n))
    const open = (at: bigint): ReturnType<typeof openWorld> =>
      openWorld(bank, `at ${at}`, {
        openedAt: unixSeconds(now + at),
        expiresAt: unixSeconds(now + at + 3600n),
        validUntil: unixSeconds(now + at),
      })
    const day = 86_400n
    await setClock(now + day)
    await expect(open(day)).rejects.toThrow('ReputationTooLow')
    await setClock(now + 2n * day)
    expect((await bank.reputation(account.publicKey, all))?.score).toBe(51)
    await open(2n * day)
  })
})
