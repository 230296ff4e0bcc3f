import { concat, u64 } from '../../crypto/bytes.ts'
import { taggedHash } from '../../crypto/hash.ts'

/**
 * Where money can be. `outside` is the world that deposits come from and withdrawals go to: it alone goes below zero, by
 * what its owner has paid in. `locked` is the deposit of a registration. `transit` is money on its way from one shard to
 * another.
 */
export type Place = 'outside' | 'account' | 'locked' | 'channel' | 'transit'

/** An account's key or a channel id; in transit what the money is on its way for. */
export interface Holding {
  readonly place: Place
  readonly owner: Uint8Array
}

/** Money moved from one place to another: never out of nothing, never into it. */
export interface Transfer {
  readonly asset: string
  /** Above zero. */
  readonly amount: bigint
  readonly from: Holding
  readonly to: Holding
}

/**
 * One movement in the journal, posted once and never changed. Each transfer is both of its postings, so that an entry
 * balances by its form. Kind and reference together are unique: that is what makes a repetition harmless.
 *
 * | entry | from | to | amount | reference | shard |
 * | --- | --- | --- | --- | --- | --- |
 * | `deposit` | outside | account | what came in | the deposit's number | account |
 * | `withdraw` | account | outside | what was asked for | digest of the command | account |
 * | `register` | account | locked | the minimum deposit | digest of the command | account |
 * | `open` | client's account | channel | F | channel id | client |
 * | `settle` | channel | transit, client's account | settled, F − settled | channel id | client |
 * | `credit` | transit | vendor's account | settled | channel id | vendor |
 * | `overcharge` | vendor's account, locked | transit | what there is of the difference | digest of the closing | vendor |
 * | `repayment` | vendor's account | transit | what there is of a debt | of the debt and what is left of it | vendor |
 * | `restitution` | transit | client's account | the same | of the overcharge or repayment | client |
 *
 * Claim and expiry are both a `settle`: the journal itself takes one of them and refuses the other.
 */
export interface Entry {
  readonly kind: EntryKind
  /** 32 bytes. */
  readonly reference: Uint8Array
  readonly transfers: readonly Transfer[]
}

export type EntryKind =
  | 'deposit'
  | 'withdraw'
  | 'register'
  | 'open'
  | 'settle'
  | 'credit'
  | 'overcharge'
  | 'repayment'
  | 'restitution'

/** What a vendor overcharged and its account could not give back yet. Blocks its withdrawals; is no money, and in no balance. */
export interface Debt {
  /** Digest of the closing that proved it. */
  readonly reference: Uint8Array
  /** The vendor. */
  readonly debtor: Uint8Array
  /** The client's account. */
  readonly creditor: Uint8Array
  readonly asset: string
  /** Above zero. */
  readonly amount: bigint
}

/** From an account to nowhere in the books. */
export function withdrawEntry(
  reference: Uint8Array,
  withdrawal: { readonly account: Uint8Array; readonly asset: string; readonly amount: bigint },
): Entry {
  const { account: owner, asset, amount } = withdrawal
  return {
    kind: 'withdraw',
    reference,
    transfers: [{ asset, amount, from: { place: 'account', owner }, to: { place: 'outside', owner } }],
  }
}

/** Locks the minimum deposit of an account. */
export function registerEntry(
  reference: Uint8Array,
  deposit: { readonly account: Uint8Array; readonly asset: string; readonly amount: bigint },
): Entry {
  const { account: owner, asset, amount } = deposit
  const transfer = { asset, amount, from: { place: 'account', owner }, to: { place: 'locked', owner } } as const
  return { kind: 'register', reference, transfers: [transfer].filter(movesMoney) }
}

/** All of a channel back to its client. */
export function expireEntry(channel: {
  readonly channelId: Uint8Array
  readonly account: Uint8Array
  readonly asset: string
  readonly funds: bigint
}): Entry {
  const { channelId, account, asset, funds: amount } = channel
  const from = { place: 'channel', owner: channelId } as const
  const transfer = { asset, amount, from, to: { place: 'account', owner: account } } as const
  return { kind: 'settle', reference: channelId, transfers: [transfer].filter(movesMoney) }
}

/** What a vendor overcharged, as far as it has it: out of its balance, then out of its locked deposit. The rest is its debt. */
export function overchargeEntries(
  debt: Debt,
  vendor: { readonly balance: bigint; readonly locked: bigint },
): { readonly entries: readonly Entry[]; readonly debt: Debt | undefined } {
  const { reference, debtor: owner, asset } = debt
  const to = { place: 'transit', owner: reference } as const
  const balance = least(debt.amount, vendor.balance)
  const locked = least(debt.amount - balance, vendor.locked)
  const transfers: readonly Transfer[] = [
    { asset, amount: balance, from: { place: 'account', owner }, to },
    { asset, amount: locked, from: { place: 'locked', owner }, to },
  ]
  return paidBack('overcharge', debt, reference, transfers.filter(movesMoney))
}

/**
 * Pays a vendor's debts of one asset out of its balance, in the order given. Due whenever the account was credited; `debts`
 * is what is left of them.
 */
export function repay(
  debts: readonly Debt[],
  balance: bigint,
): { readonly entries: readonly Entry[]; readonly debts: readonly Debt[] } {
  const entries: Entry[] = []
  const left: Debt[] = []
  let available = balance
  for (const debt of debts) {
    const { debtor: owner, asset } = debt
    const amount = least(debt.amount, available)
    const reference = hashRepayment(concat(debt.reference, u64(debt.amount)))
    const to = { place: 'transit', owner: reference } as const
    const transfers = [{ asset, amount, from: { place: 'account', owner }, to } as const].filter(movesMoney)
    const paid = paidBack('repayment', debt, reference, transfers)
    entries.push(...paid.entries)
    if (paid.debt !== undefined) left.push(paid.debt)
    available -= amount
  }
  return { entries, debts: left }
}

const hashRepayment = taggedHash('lockstep/repayment')

/** The two entries, one a shard, that bring what was taken to the creditor; and what is still owed. */
function paidBack(
  kind: 'overcharge' | 'repayment',
  debt: Debt,
  reference: Uint8Array,
  transfers: readonly Transfer[],
): { readonly entries: readonly Entry[]; readonly debt: Debt | undefined } {
  const paid = transfers.reduce((sum, { amount }) => sum + amount, 0n)
  const amount = debt.amount - paid
  const left = amount > 0n ? { ...debt, amount } : undefined
  if (paid === 0n) return { entries: [], debt: left }
  const from = { place: 'transit', owner: reference } as const
  const to = { place: 'account', owner: debt.creditor } as const
  const restitution = { asset: debt.asset, amount: paid, from, to }
  return {
    entries: [
      { kind, reference, transfers },
      { kind: 'restitution', reference, transfers: [restitution] },
    ],
    debt: left,
  }
}

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right
}

function movesMoney(transfer: Transfer): boolean {
  return transfer.amount > 0n
}
