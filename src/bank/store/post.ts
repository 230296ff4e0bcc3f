import { equal, toHex } from '../../crypto/bytes.ts'
import { Bank } from '../../protocol/index.ts'
import { get, type Program, type Values, change as write } from '../../sql/program.ts'
import { integer } from '../../sql/rows.ts'
import { amountMax, type UnixSeconds } from '../../wire/amount.ts'
import type { Change, Conflict } from './change.ts'
import { readDebtsIn } from './reads.ts'
import { shard } from './shard.ts'

/** Accounts that may have to pay a debt at the end of a transaction. */
export type Credits = Map<string, { readonly account: Uint8Array; readonly asset: string; readonly at: UnixSeconds }>

export function noteCredits(credits: Credits, { transfers }: Bank.Entry, at: UnixSeconds): void {
  for (const { to, asset } of transfers) {
    if (to.place === 'account') note(credits, { account: to.owner, asset, at })
  }
}

/** Posts an entry once, line by line. */
export function* post({ kind, reference, transfers }: Bank.Entry, at: bigint): Program<Conflict | undefined> {
  const posted = yield* run(
    `INSERT INTO entries (shard, kind, reference, at) VALUES (:shard, :kind, :reference, :at) ON CONFLICT DO NOTHING`,
    { kind, reference, at },
  )
  if (!posted) return 'EntryExists'
  for (const [line, { asset, amount, from, to }] of transfers.entries()) {
    yield* run(
      `INSERT INTO transfers (shard, kind, reference, line, asset, amount, from_place, from_owner, to_place, to_owner, at)
       VALUES (:shard, :kind, :reference, :line, :asset, :amount, :fromPlace, :fromOwner, :toPlace, :toOwner, :at)`,
      {
        kind,
        reference,
        line,
        asset,
        amount,
        fromPlace: from.place,
        fromOwner: from.owner,
        toPlace: to.place,
        toOwner: to.owner,
        at,
      },
    )
    if (from.place === 'outside' && !(yield* hasRoom(asset, amount))) return 'AssetFull'
    if (!(yield* debit(from, asset, amount))) return 'BalanceTooLow'
    yield* run(
      `INSERT INTO balances (shard, place, owner, asset, balance) VALUES (:shard, :place, :owner, :asset, :amount)
         ON CONFLICT (shard, place, owner, asset) DO UPDATE SET balance = balances.balance + excluded.balance`,
      { ...to, asset, amount },
    )
  }
  return undefined
}

export function* storeDebt(
  credits: Credits,
  { debt, at }: Change & { readonly kind: 'debt' },
): Program<Conflict | undefined> {
  const { reference, debtor, creditor, asset, amount } = debt
  const done = yield* run(
    `INSERT INTO debts (shard, reference, debtor, creditor, asset, incurred, amount, at)
       VALUES (:shard, :reference, :debtor, :creditor, :asset, :amount, :amount, :at) ON CONFLICT DO NOTHING`,
    { reference, debtor, creditor, asset, amount, at },
  )
  // What came in since the decision pays it.
  note(credits, { account: debtor, asset, at })
  return done ? undefined : 'DebtExists'
}

/**
 * Whoever was credited pays what it owes, and whoever is paid by that its own debts. Ends, because a debt never grows: each
 * round pays some of one or is the last of its account.
 */
export function* repayDebts(credits: Credits): Program<Conflict | undefined> {
  for (const [key, { account, asset, at }] of credits) {
    // Taken out, so that what comes in later puts it back at the end.
    credits.delete(key)
    const owed = yield* readDebtsIn(account, asset)
    if (owed.length === 0) continue
    const row = yield* get(
      `SELECT balance FROM balances WHERE shard = :shard AND place = 'account' AND owner = :account AND asset = :asset`,
      { shard, account, asset },
    )
    const { entries, debts } = Bank.repay(owed, row === undefined ? 0n : integer(row, 'balance'))
    for (const entry of entries) {
      const conflict = yield* post(entry, at)
      if (conflict !== undefined) return conflict
      noteCredits(credits, entry, at)
    }
    for (const debt of owed) {
      const left = debts.find(({ reference }) => equal(reference, debt.reference))?.amount ?? 0n
      yield* run('UPDATE debts SET amount = :left WHERE shard = :shard AND reference = :reference AND amount > :left', {
        reference: debt.reference,
        left,
      })
    }
  }
  return undefined
}

function note(credits: Credits, credit: { account: Uint8Array; asset: string; at: UnixSeconds }): void {
  credits.set(`${credit.asset} ${toHex(credit.account)}`, credit)
}

function* debit(from: Bank.Holding, asset: string, amount: bigint): Program<boolean> {
  if (from.place === 'outside') {
    yield* run(
      `INSERT INTO balances (shard, place, owner, asset, balance) VALUES (:shard, :place, :owner, :asset, 0)
         ON CONFLICT DO NOTHING`,
      { ...from, asset },
    )
  }
  return yield* run(
    `UPDATE balances SET balance = balance - :amount WHERE shard = :shard AND place = :place AND owner = :owner
       AND asset = :asset AND (balance >= :amount OR place = 'outside')`,
    { ...from, asset, amount },
  )
}

/** What came in of an asset is the sum of all balances: below 2^63, none of them can overflow. */
function* hasRoom(asset: string, amount: bigint): Program<boolean> {
  const row = yield* get(
    `SELECT coalesce(-sum(balance), 0) AS total FROM balances
       WHERE shard = :shard AND place = 'outside' AND asset = :asset`,
    { shard, asset },
  )
  return integer(row ?? {}, 'total') + amount <= amountMax
}

function* run(sql: string, values: Values): Program<boolean> {
  return (yield* write(sql, { shard, ...values })) > 0
}
