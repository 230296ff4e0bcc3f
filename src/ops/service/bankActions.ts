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
      const { balance } = passed(await bank.deposit(account, asset, amountIn(input)))
      return { account: toHex(account), asset, balance }
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

function textIn(input: Input, name: string): string {
  const value = input[name]
  if (typeof value !== 'string') throw new AdminRefused(`${name} is no text`)
  return value
}

function passed<T>(result: Refusal | ({ readonly ok: true } & T)): T {
  if (!result.ok) throw new AdminRefused(result.detail)
  return result
}
