import { equal } from '../../crypto/bytes.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import { count } from '../../wire/amount.ts'
import { assert } from '../assert.ts'

/**
 * Reputation, 0 to 100: Design 3.8. A history is every change an account's score ever had, each with its cause; the score is
 * what the history comes to. Pure: the same history, event and time give the same changes.
 *
 * | event | whose | changes the score by | how often |
 * | --- | --- | --- | --- |
 * | `completed` | both sides' | +1 | once an hour a counterparty |
 * | `releaseWithheld` | the client's | −5 | once a channel |
 * | `releasedLate` | the client's | to what it were without that | once a channel |
 * | `badOpening`, `equivocation` | the client's | −50 | each once a channel |
 * | `overcharge` | the vendor's | −50 | once a channel |
 * | `recovery` | everybody's below 60 | +1, up to 60 | at the end of each day, UTC by the bank's clock |
 */
export type Event =
  | { readonly cause: 'completed'; readonly channelId: Uint8Array; readonly counterparty: Uint8Array }
  | { readonly cause: ChannelCause; readonly channelId: Uint8Array }

export type Fraud = 'badOpening' | 'equivocation' | 'overcharge'
type ChannelCause = 'releaseWithheld' | 'releasedLate' | Fraud

/** One change, as it is stored. Whoever shows it to others leaves out the counterparty: vendors never see accounts. */
export interface Change {
  readonly cause: 'registered' | 'recovery' | Event['cause']
  readonly at: UnixSeconds
  /** After the change. */
  readonly score: number
  readonly channelId?: Uint8Array
  readonly counterparty?: Uint8Array
}

/**
 * In the order of their making, from `registered` on. A part of it will do where it holds the last change and, for
 * `completed`, the last hour of the counterparty, for a fraud the changes of the channel. A late release needs it whole.
 */
export type History = readonly Change[]

export interface ReputationRules {
  readonly scoreMax: number
  readonly completed: number
  /** Seconds between two of one counterparty that count. */
  readonly completedEvery: bigint
  readonly releaseWithheld: number
  readonly fraud: number
  /** A lower score rises to this by itself, by one a day. */
  readonly recoveryTo: number
}

export const defaultReputationRules: ReputationRules = {
  scoreMax: 100,
  completed: 1,
  completedEvery: 3600n,
  releaseWithheld: -5,
  fraud: -50,
  recoveryTo: 60,
}

/** The history of an account that is registered now. What it starts with is in the bank's published rules. */
export function start(score: number, now: UnixSeconds): History {
  return [{ cause: 'registered', at: now, score }]
}

/** What a history comes to now, with the days of recovery since its last change. */
export function score(history: History, now: UnixSeconds, rules: ReputationRules = defaultReputationRules): number {
  const last = lastOf(history)
  return recovered(last.score, { from: last.at, to: now }, rules)
}

/**
 * The changes that an event makes, to be appended to the history: none where it does not count, else recovery up to now, if
 * there was any, and the event's own.
 */
export function step(
  history: History,
  event: Event,
  now: UnixSeconds,
  rules: ReputationRules = defaultReputationRules,
): History {
  const last = lastOf(history)
  assert(now >= last.at, 'the bank’s clock never goes back')
  if (!counts(history, event, now, rules)) return []
  const before = score(history, now, rules)
  const after =
    event.cause === 'releasedLate' ? retold(history, event.channelId, now, rules) : moved(before, event, rules)
  const recovery: History = before === last.score ? [] : [{ cause: 'recovery', at: now, score: before }]
  return [...recovery, { ...event, at: now, score: after }]
}

const daySeconds = 86_400n

function counts(history: History, event: Event, now: UnixSeconds, rules: ReputationRules): boolean {
  const { cause, channelId } = event
  if (cause === 'completed') {
    return !history.some((change) => {
      const { counterparty, at } = change
      if (change.cause !== 'completed' || counterparty === undefined) return false
      return equal(counterparty, event.counterparty) && now - at < rules.completedEvery
    })
  }
  if (findOf(history, cause, channelId) >= 0) return false
  // Only what was taken is given back.
  return cause !== 'releasedLate' || findOf(history, 'releaseWithheld', channelId) >= 0
}

function findOf(history: History, cause: Change['cause'], channelId: Uint8Array): number {
  return history.findIndex((change) => {
    return change.cause === cause && change.channelId !== undefined && equal(change.channelId, channelId)
  })
}

function moved(before: number, { cause }: Event | Change, rules: ReputationRules): number {
  const by = cause === 'completed' ? rules.completed : cause === 'releaseWithheld' ? rules.releaseWithheld : rules.fraud
  return Math.min(rules.scoreMax, Math.max(0, before + by))
}

/**
 * The history told again, without the penalties that a late release took back: adding five points to a score that has
 * recovered since would make a late release better than one in time.
 */
function retold(history: History, forgiven: Uint8Array, now: UnixSeconds, rules: ReputationRules): number {
  const isForgiven = ({ cause, channelId }: Change): boolean =>
    cause === 'releaseWithheld' &&
    channelId !== undefined &&
    (equal(channelId, forgiven) || findOf(history, 'releasedLate', channelId) >= 0)
  const first = history[0]!
  let told = first.score
  let since = first.at
  for (const change of history.slice(1)) {
    if (change.cause === 'recovery' || change.cause === 'releasedLate' || isForgiven(change)) continue
    told = moved(recovered(told, { from: since, to: change.at }, rules), change, rules)
    since = change.at
  }
  return recovered(told, { from: since, to: now }, rules)
}

/** Days end for everybody at once, so that what two stretches of time give is what both together give. */
function recovered(
  before: number,
  time: { readonly from: UnixSeconds; readonly to: UnixSeconds },
  { recoveryTo }: ReputationRules,
): number {
  const days = time.to / daySeconds - time.from / daySeconds
  const missing = recoveryTo - before
  if (missing <= 0 || days <= 0n) return before
  return days >= BigInt(missing) ? recoveryTo : before + count(days)
}

function lastOf(history: History): Change {
  const last = history.at(-1)
  assert(last !== undefined, 'a history starts with the registration')
  return last
}
