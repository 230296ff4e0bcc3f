import type { Bank } from '../../bank/index.ts'
import { backend } from '../../crypto/backend.ts'
import { fromHex, toHex } from '../../crypto/bytes.ts'
import type { Refusal } from '../../protocol/index.ts'
import { parseAmount } from '../../wire/amount.ts'
import { type AdminAction, AdminRefused } from './admin.ts'

/** What the operator of a bank can have it do. */
export function bankActions(bank: Bank): Readonly<Record<string, AdminAction>> {
  return {
    async register(input) {
      const account = accountIn(input)
      const { reputation } = passed(await bank.register(account)).account
      return { account: toHex(account), reputation }
    },
    async deposit(input) {
      const account = accountIn(input)
      const asset = textIn(input, 'asset')
      const { balance } = passed(await bank.deposit(account, asset, amountIn(input), idIn(input, 32)))
      return { account: toHex(account), asset, balance }
    },
    async withdraw(input) {
      const account = accountIn(input)
      const id = idIn(input, 16)
      const { reference } = passed(
        await bank.withdraw(account, textIn(input, 'asset'), amountIn(input), id === undefined ? {} : { id }),
      )
      return { reference: toHex(reference) }
    },
    async withdrawals() {
      const waiting = await bank.withdrawals()
      return {
        withdrawals: waiting.map(({ reference, account, asset, amount, destination, askedAt }) => ({
          reference: toHex(reference),
          account: toHex(account),
          asset,
          amount,
          destination: toHex(destination),
          askedAt,
        })),
      }
    },
    async paid(input) {
      const reference = idIn(input, 32, 'reference')
      if (reference === undefined || !(await bank.paidOut(reference))) {
        throw new AdminRefused('no withdrawal of this reference waits: it was paid, or there is none')
      }
      return { reference: toHex(reference), paid: true }
    },
    async clock() {
      const { wall, uptime, held } = await bank.clock()
      return { now: wall, uptime, held: held ?? null }
    },
    async 'confirm-clock'() {
      const { wall, held } = await bank.confirmClock()
      return { now: wall, held: held ?? null }
    },
    async balance(input) {
      const account = accountIn(input)
      const balances: Record<string, bigint> = {}
      for (const asset of bank.rules.assets) balances[asset] = passed(await bank.balance(account, asset)).balance
      return { account: toHex(account), balances }
    },
    async record() {
      const recorded = await bank.record()
      return {
        batches: recorded.map(({ batch, recordTx }) => ({ batch: batch.number, records: batch.count, recordTx })),
      }
    },
  }
}

type Input = Readonly<Record<string, unknown>>

function accountIn(input: Input): Uint8Array {
  const hex = textIn(input, 'account')
  const account = /^[0-9a-f]{64}$/.test(hex) ? fromHex(hex) : undefined
  if (account === undefined || !backend.isXCoordinate(account)) {
    throw new AdminRefused('an account is a public key of 64 hex digits, as "lockstep keys FILE" prints it')
  }
  return account
}

function amountIn(input: Input): bigint {
  const amount = parseAmount(textIn(input, 'amount'))
  if (!amount.ok) throw new AdminRefused(amount.detail)
  return amount.value
}

/** What tells a repetition from another order: hex of at most `size` bytes. Shorter ones are filled up with zeros. */
function idIn(input: Input, size: number, name: string = 'id'): Uint8Array | undefined {
  if (input[name] === undefined) return undefined
  const hex = textIn(input, name)
  if (!/^(?:[0-9a-f]{2})+$/.test(hex) || hex.length > 2 * size) {
    throw new AdminRefused(`${name} is hex of at most ${size} bytes`)
  }
  return fromHex(hex.padEnd(2 * size, '0'))
}

function textIn(input: Input, name: string): string {
  const value = input[name]
  if (typeof value !== 'string') throw new AdminRefused(`${name} is no text`)
  return value
}

function passed<T>(result: Refusal | ({ readonly ok: true } & T)): T {
  if (!result.ok) throw new AdminRefused(result.detail)
  return result
}
