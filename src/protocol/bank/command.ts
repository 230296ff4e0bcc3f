import { equal, toHex } from '../../crypto/bytes.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import * as Command from '../../wire/Command.ts'
import { type Refusal, refuse } from '../refusals.ts'
import { type Debt, type Entry, registerEntry, withdrawEntry } from './postings.ts'

export interface CommandRules {
  /** Seconds that a command may be valid: the bank keeps its id for as long. */
  readonly lifeMax: bigint
  /** Asset → what a registration locks of it. An asset that is absent is none to register with. */
  readonly depositMin: ReadonlyMap<string, bigint>
}

/** A day, the longest; and no deposit in any asset yet: a bank names its own. */
export const defaultCommandRules: CommandRules = { lifeMax: 86_400n, depositMin: new Map() }

/**
 * Whether a command is one for this bank, now, by its account. What it asks for is judged after it. A repeated command
 * never gets here: the books answer it as before.
 */
export function assessCommand(args: {
  readonly command: Command.SignedCommand
  readonly bank: Uint8Array
  readonly network: string
  readonly rules: CommandRules
  readonly now: UnixSeconds
}): Refusal | { readonly ok: true } {
  const { command, bank, network, rules, now } = args
  const { validUntil } = command
  if (!equal(command.bank, bank)) return refuse('BankMismatch', `the command is for bank ${toHex(command.bank)}`)
  if (command.network !== network) {
    return refuse('NetworkMismatch', `the command names ${command.network}; this bank records on ${network}`)
  }
  if (validUntil < now) return refuse('CommandExpired', `the command was valid until ${validUntil}; it is ${now}`)
  if (validUntil - now > rules.lifeMax) {
    return refuse('CommandLifeTooLong', `the command is valid for ${validUntil - now} s; at most ${rules.lifeMax}`)
  }
  return Command.verify(command) ? { ok: true } : refuse('SignatureInvalid', 'the account did not sign the command')
}

/** Decides on a registration: who has the minimum deposit locks it and can open channels or be paid. */
export function assessRegister(args: {
  readonly command: Command.Command & { readonly action: Command.Register }
  readonly registered: boolean
  /** What came in for this key in the asset that the command names. */
  readonly balance: bigint
  readonly rules: CommandRules
}): Refusal | { readonly ok: true; readonly entry: Entry } {
  const { command, registered, balance, rules } = args
  const { account, action } = command
  const { asset } = action
  const amount = rules.depositMin.get(asset)
  if (amount === undefined) return refuse('AssetMismatch', `no deposit is taken in ${asset}`)
  if (registered) return refuse('AccountExists', 'the account is registered already')
  if (balance < amount) {
    return refuse('DepositTooSmall', `registration needs ${amount} of ${asset}; ${balance} came in for this account`)
  }
  return { ok: true, entry: registerEntry(Command.digest(command), { account, asset, amount }) }
}

/**
 * Decides on a withdrawal, also by an account that never had enough to register. To carry it out is the operator's, in
 * this version.
 */
export function assessWithdraw(args: {
  readonly command: Command.Command & { readonly action: Command.Withdraw }
  /** In the asset that the command names. */
  readonly balance: bigint
  /** The account's, in any asset. */
  readonly debts: readonly Debt[]
}): Refusal | { readonly ok: true; readonly entry: Entry } {
  const { command, balance, debts } = args
  const { account, action } = command
  const { asset, amount } = action
  if (amount < 1n) return refuse('Malformed', 'a withdrawal is of 1 or more')
  const debt = debts[0]
  if (debt !== undefined) {
    return refuse('WithdrawalBlocked', `the account owes ${debt.amount} of ${debt.asset} that it overcharged`)
  }
  if (balance < amount) return refuse('BalanceTooLow', `the account has ${balance} of ${asset}, not ${amount}`)
  return { ok: true, entry: withdrawEntry(Command.digest(command), { account, asset, amount }) }
}
