/** What an account sees of itself. That it is the account that asks was found out before. */

import {
  channelsBody,
  encodeBalances,
  type JournalPosting,
  journalBody,
  type ReputationChange,
  reputationBody,
} from '../http/bank.ts'
import { type Refusal, refuse } from '../protocol/index.ts'
import { type Amount, amount } from '../wire/amount.ts'
import { type Answer, type Asked, idOf, json, problem } from './answer.ts'
import { channelCursor, journalCursor, numberCursor } from './cursors.ts'
import type { Bank } from './service.ts'
import type { Page, Role } from './store/contract.ts'

export async function balance(bank: Bank, asked: Asked): Promise<Answer> {
  const account = idOf(asked, 'account')
  const found = new Map<string, Amount>()
  let unknown: Refusal | undefined
  for (const asset of bank.rules.assets) {
    const result = await bank.balance(account, asset)
    if (!result.ok) unknown = result
    found.set(asset, amount(result.ok ? result.balance : 0n))
  }
  const isEmpty = [...found.values()].every((one) => one === 0n)
  return unknown !== undefined && isEmpty ? problem(unknown) : json(encodeBalances({ account, balances: found }))
}

export async function journal(bank: Bank, asked: Asked): Promise<Answer> {
  const account = idOf(asked, 'account')
  const page = pageOf(asked, journalCursor.parse)
  if (!page.ok) return problem(page)
  const found = await bank.journal(account, page)
  const postings = found.map(({ line: _line, side: _side, ...posting }): JournalPosting => posting)
  return json(journalBody.encode({ account, postings, ...nextOf(found, page, journalCursor.encode) }))
}

export async function channels(bank: Bank, asked: Asked): Promise<Answer> {
  const account = idOf(asked, 'account')
  const page = pageOf(asked, channelCursor.parse)
  if (!page.ok) return problem(page)
  const role = asked.query.get('role') ?? 'client'
  if (!isRole(role)) return problem(refuse('Malformed', 'role is client or vendor'))
  const found = await bank.channels(account, role, page)
  const next = nextOf(found, page, ({ cursor }) => channelCursor.encode(cursor))
  return json(channelsBody.encode({ account, channels: found.map(({ status }) => status), ...next }))
}

export async function reputation(bank: Bank, asked: Asked): Promise<Answer> {
  const account = idOf(asked, 'account')
  const page = pageOf(asked, numberCursor.parse)
  if (!page.ok) return problem(page)
  const found = await bank.reputation(account, page)
  if (found === undefined) return problem(refuse('AccountUnknown', 'the account is not registered'))
  const { score, changes } = found
  // Whom it dealt with is not shown: vendors never see accounts.
  const shown = changes.map(({ change: { counterparty: _counterparty, ...change } }): ReputationChange => change)
  const next = nextOf(changes, page, ({ number }) => numberCursor.encode(number))
  return json(reputationBody.encode({ account, score, changes: shown, ...next }))
}

const limitDefault = 50
const limitMax = 100

function pageOf<Cursor>(
  { query }: Asked,
  parse: (text: string) => Cursor | undefined,
): Refusal | (Page<Cursor> & { readonly ok: true }) {
  const limitText = query.get('limit') ?? String(limitDefault)
  const limit = /^[1-9][0-9]{0,2}$/.test(limitText) ? Number(limitText) : 0
  if (limit < 1 || limit > limitMax) return refuse('Malformed', `limit is 1 to ${limitMax}`)
  const beforeText = query.get('before')
  const before = beforeText === null ? undefined : parse(beforeText)
  if (beforeText !== null && before === undefined) return refuse('Malformed', 'before is no end of a page of this list')
  return { ok: true, before, limit }
}

/** The end of a page that is full: what comes before it may be nothing. */
function nextOf<T>(found: readonly T[], { limit }: Page<unknown>, encode: (last: T) => string): { next?: string } {
  const last = found.at(-1)
  return last === undefined || found.length < limit ? {} : { next: encode(last) }
}

function isRole(text: string): text is Role {
  return text === 'client' || text === 'vendor'
}
