/** What a bank tells an account of itself, and nobody else: `bankQuery.ts`. */

import type { Bank } from '../protocol/index.ts'
import type { Amount, UnixSeconds } from '../wire/amount.ts'
import { sizes } from '../wire/kinds.ts'
import { answer, type ChannelStatus, channelShape } from './bankAnswers.ts'
import type { Body } from './schema.ts'
import * as shape from './schema.ts'

export interface Balances {
  readonly account: Uint8Array
  /** Asset name → what can be spent of it. */
  readonly balances: ReadonlyMap<string, Amount>
}

/** Newest first. `next` names the page of what came before, where there is more. */
export interface AccountJournal {
  readonly account: Uint8Array
  readonly postings: readonly JournalPosting[]
  readonly next?: string
}

export interface JournalPosting {
  readonly at: UnixSeconds
  readonly kind: Bank.Entry['kind']
  /** Channel id, digest of a command or a closing: by its kind. */
  readonly reference: Uint8Array
  /** `locked` is the deposit of the registration. */
  readonly place: 'account' | 'locked'
  readonly asset: string
  readonly amount: bigint
}

export interface ChannelList {
  readonly account: Uint8Array
  readonly channels: readonly ChannelStatus[]
  readonly next?: string
}

/** Without the counterparties: vendors never see accounts. */
export interface ReputationAnswer {
  readonly account: Uint8Array
  /** 0 to 100, with the recovery since the last change. */
  readonly score: number
  readonly changes: readonly ReputationChange[]
  readonly next?: string
}

export interface ReputationChange {
  readonly cause: Bank.Reputation.Change['cause']
  readonly at: UnixSeconds
  /** After the change. */
  readonly score: number
  readonly channelId?: Uint8Array
}

const account = shape.bytes(sizes.key)
const next = shape.optional(shape.described('As `before` of the next page.', shape.text(200)))

const entryKinds = [
  'deposit',
  'withdraw',
  'register',
  'open',
  'settle',
  'credit',
  'overcharge',
  'repayment',
  'restitution',
] as const

const causes = [
  'registered',
  'recovery',
  'completed',
  'releaseWithheld',
  'releasedLate',
  'badOpening',
  'equivocation',
  'overcharge',
] as const

export const balancesBody: Body<Balances> = answer(
  'Balances',
  'balances',
  shape.object<Balances>({ account, balances: shape.map(shape.amount) }),
)

export const journalBody: Body<AccountJournal> = answer(
  'AccountJournal',
  'journal',
  shape.object<AccountJournal>({
    account,
    postings: shape.list(
      shape.object<JournalPosting>({
        at: shape.time,
        kind: shape.word(...entryKinds),
        reference: shape.bytes(sizes.hash),
        place: shape.word('account', 'locked'),
        asset: shape.text(),
        amount: shape.signedAmount,
      }),
    ),
    next,
  }),
)

export const channelsBody: Body<ChannelList> = answer(
  'ChannelList',
  'list of channels',
  shape.object<ChannelList>({ account, channels: shape.list(channelShape), next }),
)

export const reputationBody: Body<ReputationAnswer> = answer(
  'Reputation',
  'reputation',
  shape.object<ReputationAnswer>({
    account,
    score: shape.whole,
    changes: shape.list(
      shape.object<ReputationChange>({
        cause: shape.word(...causes),
        at: shape.time,
        score: shape.whole,
        channelId: shape.optional(shape.bytes(sizes.hash)),
      }),
    ),
    next,
  }),
)
