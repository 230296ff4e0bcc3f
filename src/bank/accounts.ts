import { backend } from '../crypto/backend.ts'
import { equal, toHex } from '../crypto/bytes.ts'
import { taggedHash } from '../crypto/hash.ts'
import { type Bank as Decide, type Refusal, refuse } from '../protocol/index.ts'
import { amountMax } from '../wire/amount.ts'
import { attempt, type Deps } from './deps.ts'
import { depositEntry, type Entry } from './ledger.ts'
import type { Bank } from './service.ts'
import { scoreOf, statusOf } from './views.ts'

type Accounts = Pick<
  Bank,
  'register' | 'deposit' | 'withdrawals' | 'paidOut' | 'balance' | 'journal' | 'channels' | 'reputation'
>

/** What the operator does with accounts, and what accounts see of themselves. */
export function createAccounts(deps: Deps): Accounts {
  const { store, rules, commandRules, reputationRules, random, time } = deps
  return {
    async register(account, reputation = rules.reputationNew) {
      const wrong = assessKey(account)
      if (wrong !== undefined) return wrong
      if (!Number.isInteger(reputation) || reputation < 0 || reputation > reputationRules.scoreMax) {
        return refuse('Malformed', `reputation is 0 to ${reputationRules.scoreMax}, not ${reputation}`)
      }
      const fresh = { account, reputation, registeredAt: (await time.current()).wall }
      const { ok } = await store.commit([{ kind: 'account', account: fresh }])
      if (ok) return { ok: true, account: fresh }
      const { last: _last, ...known } = (await store.account(account))!
      return { ok: true, account: known }
    },

    async deposit(account, asset, amount, id) {
      const wrong = assessKey(account) ?? assessAsset(asset, rules)
      if (wrong !== undefined) return wrong
      if (amount <= 0n || amount > amountMax) {
        return refuse('Malformed', `a deposit is above 0 and below 2^63, not ${amount}`)
      }
      // Who cannot register with it by itself is a mistake of the operator's.
      const isExpected = commandRules.depositMin.has(asset) || (await store.account(account)) !== undefined
      if (!isExpected) return unknownAccount(account)
      return attempt(async () => {
        const reference = id === undefined ? random(32) : hashDeposit(id)
        const entry = depositEntry(reference, { account, asset, amount })
        const { wall: at } = await time.current()
        const committed = await store.commit([{ kind: 'entry', entry, at }])
        if (committed.ok) return { ok: true, balance: await store.balance(account, asset) } as const
        if (committed.conflict === 'AssetFull') {
          return refuse('Malformed', `all deposits of ${asset} together stay below 2^63`)
        }
        const known = id && (await store.entry('deposit', reference))
        if (known === undefined) return undefined
        return isSame(known, entry)
          ? ({ ok: true, balance: await store.balance(account, asset) } as const)
          : refuse('CommandConflict', 'the deposit of this id was another one')
      })
    },

    withdrawals: (limit = 1_000) => store.withdrawals(limit),

    async paidOut(reference) {
      const { wall: at } = await time.current()
      const { ok } = await store.commit([{ kind: 'paidOut', reference, at }])
      return ok
    },

    async balance(account, asset) {
      const balance = await store.balance(account, asset)
      const isKnown = balance > 0n || (await store.account(account)) !== undefined
      return isKnown ? { ok: true, balance } : unknownAccount(account)
    },

    journal: (account, page) => store.journal(account, page),

    async channels(account, role, page) {
      const listed = await store.channels(account, role, page)
      return listed.map(({ channel, record, openedAt }) => ({
        status: statusOf(channel, record),
        cursor: { openedAt, channelId: channel.channelId },
      }))
    },

    async reputation(account, page) {
      const [known, changes] = await Promise.all([store.account(account), store.reputation(account, page)])
      return known && { score: scoreOf(known.last, time.now(), reputationRules), changes }
    },
  }
}

function assessKey(account: Uint8Array): Refusal | undefined {
  return account.length === 32 && backend.isXCoordinate(account)
    ? undefined
    : refuse('Malformed', 'an account is a public key of 32 bytes')
}

function assessAsset(asset: string, { assets }: Decide.Rules): Refusal | undefined {
  return assets.includes(asset) ? undefined : refuse('AssetMismatch', `${asset} is none of ${assets.join(', ')}`)
}

const hashDeposit = taggedHash('lockstep/deposit')

function isSame(known: Entry, entry: Entry): boolean {
  const [one, other] = [known.transfers[0], entry.transfers[0]]
  if (one === undefined || other === undefined) return false
  return one.amount === other.amount && one.asset === other.asset && equal(one.to.owner, other.to.owner)
}

function unknownAccount(account: Uint8Array): Refusal {
  return refuse('AccountUnknown', `account ${toHex(account)} is not registered`)
}
