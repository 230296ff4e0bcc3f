import { describe, expect, test } from 'vitest'
import { createRates } from '../../src/bank/rates.ts'
import { Bank as Decide } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Close from '../../src/wire/Close.ts'
import { account, frameKey, must, now } from '../protocol/world.ts'
import { closingOf, commandOf } from './acts.ts'
import { asset, buy, claimOf, closeOf, openWorld, propose } from './channels.ts'
import { contents, openFundedBank, reasonOf } from './support.ts'

const { defaultLimits } = Decide

function limitsOf(change: Partial<Decide.Limits> = {}, rates: Partial<Decide.Limits['rates']> = {}): Decide.Limits {
  return { ...defaultLimits, ...change, rates: { ...defaultLimits.rates, ...rates } }
}

describe('an account', () => {
  test('opens no more channels at once than it may, however many commands cross', async () => {
    const { bank, path } = await openFundedBank(10_000_000n, { limits: limitsOf({ openChannelsMax: 3 }) })
    const results = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((label) => bank.open(propose(label).bytes)))
    expect(results.map(reasonOf).sort()).toEqual(['TooManyChannels', 'TooManyChannels', 'ok', 'ok', 'ok'])
    const before = contents(path)
    expect(reasonOf(await bank.open(propose('f').bytes))).toBe('TooManyChannels')
    expect(contents(path)).toEqual(before)
  })

  test('opens another one when one has ended', async () => {
    const { bank } = await openFundedBank(10_000_000n, { limits: limitsOf({ openChannelsMax: 1 }) })
    const world = await openWorld(bank, 'one')
    expect(reasonOf(await bank.open(propose('two').bytes))).toBe('TooManyChannels')
    must(await bank.close(claimOf(world)))
    expect(reasonOf(await bank.open(propose('two').bytes))).toBe('ok')
  })

  test('opens none below the least of its asset', async () => {
    const limits = limitsOf({ channelMin: new Map([[asset, 5_000n]]) })
    const { bank } = await openFundedBank(10_000_000n, { limits })
    expect(reasonOf(await bank.open(propose('one', { funds: amount(4_999n) }).bytes))).toBe('FundsTooSmall')
    expect(reasonOf(await bank.open(propose('two', { funds: amount(5_000n) }).bytes))).toBe('ok')
  })

  test('opens at a rate, and repeats what it opened at any', async () => {
    const limits = limitsOf({}, { open: { burst: 2, everySeconds: 10 } })
    const { bank, setClock } = await openFundedBank(10_000_000n, { limits })
    const [one, two, three] = ['one', 'two', 'three'].map((label) => propose(label).bytes)
    expect(reasonOf(await bank.open(one!))).toBe('ok')
    expect(reasonOf(await bank.open(two!))).toBe('ok')
    expect(reasonOf(await bank.open(three!))).toBe('RateLimited')
    for (let again = 0; again < 5; again++) expect(reasonOf(await bank.open(one!))).toBe('ok')
    await setClock(now + 10n)
    expect(reasonOf(await bank.open(three!))).toBe('ok')
  })

  test('commands at a rate, which nobody else can use up for it', async () => {
    const limits = limitsOf({}, { command: { burst: 2, everySeconds: 10 } })
    const { bank } = await openFundedBank(100n, { limits })
    const destination = new Uint8Array(32)
    const withdraw = (id: string): Uint8Array =>
      commandOf({ kind: 'withdraw', asset, amount: amount(1n), destination }, { id })
    for (let forged = 0; forged < 5; forged++) {
      const bytes = withdraw(`forged ${forged}`)
      bytes[bytes.length - 1]! ^= 1
      expect(reasonOf(await bank.command(bytes))).toBe('SignatureInvalid')
    }
    const results = ['a', 'b', 'c'].map(withdraw).map((bytes) => bank.command(bytes))
    expect((await Promise.all(results)).map(reasonOf)).toEqual(['ok', 'ok', 'RateLimited'])
    expect(reasonOf(await bank.command(withdraw('a')))).toBe('ok')
  })
})

describe('what does not hold', () => {
  test('is judged for a sender at a rate, and changes nobody’s reputation', async () => {
    const limits = limitsOf({}, { rejected: { burst: 3, everySeconds: 60 } })
    const { bank, setClock, path } = await openFundedBank(10_000_000n, { limits })
    const world = await openWorld(bank, 'one')
    buy(world, 2)
    const forged = Close.encode(Close.sign(frameKey, closeOf(world)))
    const before = contents(path)
    const rubbish = [
      () => bank.close(forged, 'mallory'),
      () => bank.overcharge(closingOf(world, 1n), 'mallory'),
      () => bank.leaveClosing(closingOf(world).fill(7, 100), 'mallory'),
      () => bank.close(claimOf(world, { amount: amount(999n) }), 'mallory'),
    ]
    expect((await rubbish[0]!()).ok).toBe(false)
    // Too early, but nothing that the bank had to work for.
    expect(reasonOf(await rubbish[1]!())).toBe('ChannelNotSettled')
    expect(reasonOf(await rubbish[2]!())).toBe('SignatureInvalid')
    expect(reasonOf(await rubbish[3]!())).toBe('AmountUnproven')
    for (const one of rubbish) expect(reasonOf(await one())).toBe('RateLimited')
    expect(contents(path)).toEqual(before)
    // Whoever else comes is heard, by whatever channel.
    expect(reasonOf(await bank.close(claimOf(world), 'vendor'))).toBe('ok')
    await setClock(now + 60n)
    expect(reasonOf(await bank.close(claimOf(world, { amount: amount(999n) }), 'mallory'))).toBe('ChannelClosed')
    const causes = (await bank.reputation(account.publicKey, { before: undefined, limit: 9 }))?.changes
    expect(causes?.map(({ change }) => change.cause)).toEqual(['completed', 'registered'])
  })
})

test('rates forget senders that are quiet, and stay small whoever comes', () => {
  let at = now
  const rates = createRates(limitsOf({}, { rejected: { burst: 1, everySeconds: 10 } }), () => at)
  for (let number = 0; number < 250_000; number++) expect(rates.take('rejected', `${number}`)).toBeUndefined()
  expect(rates.take('rejected', '249999')).toMatchObject({ reason: 'RateLimited' })
  at = unixSeconds(now + 10n)
  expect(rates.take('rejected', '249999')).toBeUndefined()
})
