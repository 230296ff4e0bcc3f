import { equal } from '../../crypto/bytes.ts'
import { Bank } from '../../protocol/index.ts'
import { all, type Program, type Row, change as write } from '../../sql/program.ts'
import { bytes, count, damaged, integer, optional, text } from '../../sql/rows.ts'
import { type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import type { Change, Scored } from './change.ts'
import type { NumberedChange } from './contract.ts'
import { shard } from './shard.ts'

const { Reputation } = Bank

export function* startHistory(account: Uint8Array, reputation: number, registeredAt: bigint): Program<void> {
  yield* append(account, 0, Reputation.start(reputation, unixSeconds(registeredAt)))
}

/** Lets an event change the account's reputation, if it counts, on what its history is in this transaction. */
export function* score(change: Change & { readonly kind: 'reputation' }): Program<readonly Scored[]> {
  const { account, event, rules } = change
  const known = yield* readFor(account, event)
  const last = known.at(-1)
  if (last === undefined) return []
  // Two commits that cross may be dated the other way round.
  const at: UnixSeconds = change.at > last.change.at ? change.at : last.change.at
  const history = known.map((one) => one.change)
  const made = Reputation.step(history, event, at, rules)
  yield* append(account, last.number, made)
  return made.map((one) => ({ account, change: one }))
}

export function changeOf(row: Row): NumberedChange {
  const channelId = optional(bytes, row, 'channel_id')
  const counterparty = optional(bytes, row, 'counterparty')
  return {
    number: count(row, 'number'),
    change: {
      cause: causeOf(text(row, 'cause')),
      at: unixSeconds(integer(row, 'at')),
      score: count(row, 'score'),
      ...(channelId && { channelId }),
      ...(counterparty && { counterparty }),
    },
  }
}

const columns = 'number, cause, at, score, channel_id, counterparty'

/** As much of the history as the event is judged on: `Reputation.History`. */
function* readFor(account: Uint8Array, event: Bank.Reputation.Event): Program<readonly NumberedChange[]> {
  const { channelId } = event
  const counterparty = event.cause === 'completed' ? event.counterparty : null
  const rows = yield* all(
    `SELECT ${columns} FROM reputation WHERE shard = :shard AND account = :account AND number =
         (SELECT max(number) FROM reputation WHERE shard = :shard AND account = :account)
       UNION SELECT ${columns} FROM reputation WHERE shard = :shard AND account = :account AND channel_id = :channelId
       UNION SELECT ${columns} FROM reputation WHERE shard = :shard AND account = :account AND number =
         (SELECT max(number) FROM reputation WHERE shard = :shard AND account = :account AND cause = 'completed'
            AND counterparty = :counterparty)
       ORDER BY number`,
    { shard, account, channelId, counterparty },
  )
  const part = rows.map(changeOf)
  const isWhole = event.cause === 'releasedLate' && part.some(({ change }) => isWithheldIn(change, channelId))
  if (!isWhole) return part
  const sql = `SELECT ${columns} FROM reputation WHERE shard = :shard AND account = :account ORDER BY number`
  return (yield* all(sql, { shard, account })).map(changeOf)
}

function isWithheldIn({ cause, channelId }: Bank.Reputation.Change, where: Uint8Array): boolean {
  return cause === 'releaseWithheld' && channelId !== undefined && equal(channelId, where)
}

function* append(account: Uint8Array, after: number, changes: Bank.Reputation.History): Program<void> {
  for (const [offset, { cause, at, score: reached, channelId = null, counterparty = null }] of changes.entries()) {
    const number = after + offset + 1
    yield* write(
      `INSERT INTO reputation (shard, account, number, cause, at, score, channel_id, counterparty)
         VALUES (:shard, :account, :number, :cause, :at, :reached, :channelId, :counterparty)`,
      { shard, account, number, cause, at, reached, channelId, counterparty },
    )
  }
}

const causes: readonly Bank.Reputation.Change['cause'][] = [
  'registered',
  'recovery',
  'completed',
  'releaseWithheld',
  'releasedLate',
  'badOpening',
  'equivocation',
  'overcharge',
]

function causeOf(found: string): Bank.Reputation.Change['cause'] {
  return causes.find((cause) => cause === found) ?? damaged(`${found} is no cause`)
}
