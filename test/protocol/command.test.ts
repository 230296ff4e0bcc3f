import { describe, expect, it } from 'vitest'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, type Refusal } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Command from '../../src/wire/Command.ts'
import { command, nameOf, post } from './bankWorld.ts'
import { flip } from './cheats.ts'
import { account, bankKey, bytesOf, must, now } from './world.ts'

const rules: Bank.CommandRules = { lifeMax: 3_600n, depositMin: new Map([['USD/6', 5_000n]]) }
const channelId = bytesOf('a channel')
const good = command({ kind: 'expire', channelId })

function judge(value: Command.SignedCommand, at = now): Refusal | { readonly ok: true } {
  const parsed = Command.parse(Command.encode(value))
  if (!parsed.ok) return parsed
  const bank = bankKey.publicKey
  return Bank.assessCommand({ command: parsed.value, bank, network: 'lockstep:test', rules, now: at })
}

function signed(change: Partial<Command.Command>, key = account): Command.SignedCommand {
  return Command.sign(key, { ...good, ...change })
}

describe('a command', () => {
  it('is for the bank, the network and the time that it names, by its account', () => {
    expect(judge(good)).toEqual({ ok: true })
    const another = Schnorr.keyPair(bytesOf('another bank')).publicKey
    expect(judge(signed({ bank: another }))).toMatchObject({ reason: 'BankMismatch' })
    expect(judge(signed({ network: 'lockstep:other' }))).toMatchObject({ reason: 'NetworkMismatch' })
    expect(judge({ ...good, account: another })).toMatchObject({ reason: 'SignatureInvalid' })
    expect(judge({ ...good, signature: signed({ id: bytesOf('other', 16) }).signature })).toMatchObject({
      reason: 'SignatureInvalid',
    })
  })

  it('is valid to the second, and not for longer than the bank keeps its id', () => {
    expect(judge(good, good.validUntil)).toEqual({ ok: true })
    expect(judge(good, unixSeconds(good.validUntil + 1n))).toMatchObject({ reason: 'CommandExpired' })
    expect(judge(signed({ validUntil: unixSeconds(now + 3_600n) }))).toEqual({ ok: true })
    const long = signed({ validUntil: unixSeconds(now + 3_601n) })
    expect(judge(long)).toMatchObject({ reason: 'CommandLifeTooLong' })
  })

  it('is refused with any one byte changed', () => {
    const bytes = Command.encode(good)
    for (let at = 0; at < bytes.length; at++) {
      const parsed = Command.parse(flip(bytes, at, 1 << (at & 7)))
      if (parsed.ok) expect(judge(parsed.value).ok, `byte ${at}`).toBe(false)
    }
  })

  it('to one end is never one to another', () => {
    const { signature } = good
    for (const kind of ['fetchClosing', 'dispute', 'fetchRelease'] as const) {
      expect(judge({ ...good, action: { kind, channelId }, signature })).toMatchObject({ reason: 'SignatureInvalid' })
    }
  })

  it('judges before the signature what a comparison can refuse', () => {
    const nobody = { signature: new Uint8Array(64) }
    expect(judge({ ...signed({ network: 'lockstep:other' }), ...nobody })).toMatchObject({ reason: 'NetworkMismatch' })
    expect(judge({ ...good, ...nobody }, unixSeconds(good.validUntil + 1n))).toMatchObject({ reason: 'CommandExpired' })
    expect(judge({ ...good, ...nobody })).toMatchObject({ reason: 'SignatureInvalid' })
  })
})

const accountName = `USD/6 ${nameOf({ place: 'account', owner: account.publicKey })}`

describe('a registration', () => {
  const register = command({ kind: 'register', asset: 'USD/6' }) as Command.SignedCommand & {
    readonly action: Command.Register
  }
  const judge = (
    change: { asset?: string; registered?: boolean; balance?: bigint } = {},
  ): ReturnType<typeof Bank.assessRegister> => {
    const { asset = 'USD/6', registered = false, balance = 5_000n } = change
    return Bank.assessRegister({
      command: { ...register, action: { kind: 'register', asset } },
      registered,
      balance,
      rules,
    })
  }

  it('locks the minimum deposit of what came in', () => {
    const balances = new Map([[accountName, 6_000n]])
    post(balances, [must(judge({ balance: 6_000n })).entry])
    expect(balances.get(accountName)).toBe(1_000n)
    expect(balances.get(`USD/6 ${nameOf({ place: 'locked', owner: account.publicKey })}`)).toBe(5_000n)
  })

  it('needs that deposit, in an asset the bank takes, and an account that is not there yet', () => {
    expect(judge({ balance: 4_999n })).toMatchObject({ reason: 'DepositTooSmall' })
    expect(judge({ asset: 'EUR/2' })).toMatchObject({ reason: 'AssetMismatch' })
    expect(judge({ registered: true })).toMatchObject({ reason: 'AccountExists' })
  })
})

describe('a withdrawal', () => {
  const withdraw = (sum: bigint): Command.SignedCommand & { readonly action: Command.Withdraw } =>
    command({ kind: 'withdraw', asset: 'USD/6', amount: amount(sum), destination: bytesOf('where to') }) as never
  const debt: Bank.Debt = {
    reference: bytesOf('a closing'),
    debtor: account.publicKey,
    creditor: bytesOf('a client'),
    asset: 'EUR/2',
    amount: 1n,
  }

  it('moves what is asked for out of the books, up to the balance', () => {
    const { entry } = must(Bank.assessWithdraw({ command: withdraw(75n), balance: 75n, debts: [] }))
    const balances = new Map([[accountName, 75n]])
    post(balances, [entry])
    expect(balances.get(accountName)).toBe(0n)
    expect(balances.get(`USD/6 ${nameOf({ place: 'outside', owner: account.publicKey })}`)).toBe(75n)
    const more = Bank.assessWithdraw({ command: withdraw(76n), balance: 75n, debts: [] })
    expect(more).toMatchObject({ reason: 'BalanceTooLow' })
    expect(Bank.assessWithdraw({ command: withdraw(0n), balance: 75n, debts: [] })).toMatchObject({
      reason: 'Malformed',
    })
  })

  it('is blocked by a debt, in whatever asset', () => {
    const blocked = Bank.assessWithdraw({ command: withdraw(1n), balance: 75n, debts: [debt] })
    expect(blocked).toMatchObject({ reason: 'WithdrawalBlocked' })
  })

  it('has a number of its own in the journal: the command’s, and another command’s is another', () => {
    const one = must(Bank.assessWithdraw({ command: withdraw(1n), balance: 75n, debts: [] })).entry
    const same = must(Bank.assessWithdraw({ command: withdraw(1n), balance: 75n, debts: [] })).entry
    const other = must(Bank.assessWithdraw({ command: withdraw(2n), balance: 75n, debts: [] })).entry
    expect(same.reference).toEqual(one.reference)
    expect(other.reference).not.toEqual(one.reference)
    expect(() => post(new Map([[accountName, 75n]]), [one, same])).toThrow(/posted twice/)
  })
})
