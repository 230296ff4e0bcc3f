import { Bank as Decide, type Refusal } from '../protocol/index.ts'
import type * as Closing from '../wire/Closing.ts'
import * as Record from '../wire/Record.ts'
import type { Deps } from './deps.ts'
import type { Change, StoredChannel, StoredEnding } from './store/contract.ts'
import { bookedOf } from './views.ts'

export interface Released {
  readonly ok: true
  readonly standing: 'proven' | 'kept'
  readonly changes: readonly Change[]
}

/** An ending before anybody left anything. */
export const emptyEnding: StoredEnding = { disputed: false, releaseProven: false, reviewed: false, version: 0 }

/** The next version of an ending, while the channel is as it was read. */
export function endingChange({ channelId, status }: StoredChannel, ending: StoredEnding): Change {
  return { kind: 'ending', channelId, ending: { ...ending, version: ending.version + 1 }, status }
}

/**
 * Judges a release and keeps it: a proven one for good, with what follows from it. The record becomes `proven` if it is in no
 * batch yet; what was taken for withholding the release is given back.
 */
export async function releaseChanges(
  { store, time, reputationRules: rules }: Deps,
  {
    channel,
    release,
    account,
  }: {
    readonly channel: StoredChannel
    readonly release: Closing.Release
    /** Whose command it came in, if it came in one. */
    readonly account: Uint8Array | undefined
  },
): Promise<Refusal | Released> {
  const { channelId } = channel
  const ending = (await store.ending(channelId)) ?? emptyEnding
  const verdict = Decide.assessRelease({ release, channel: bookedOf(channel), closing: ending.closing, account })
  if (!verdict.ok) return verdict
  const { standing } = verdict
  if (ending.releaseProven) return { ok: true, standing, changes: [] }
  if (standing === 'kept') return { ok: true, standing, changes: [endingChange(channel, { ...ending, release })] }
  const changes: Change[] = [endingChange(channel, { ...ending, release, releaseProven: true })]
  const stored = await store.record(channelId)
  if (stored !== undefined && stored.place === undefined) changes.push(provenRecord(channelId, stored.record))
  const { wall: at } = await time.current()
  const event = { cause: 'releasedLate', channelId } as const
  changes.push({ kind: 'reputation', account: channel.account, event, at, rules })
  return { ok: true, standing, changes }
}

function provenRecord(channelId: Uint8Array, encoded: Uint8Array): Change {
  const parsed = Record.parse(encoded)
  if (!parsed.ok) throw new TypeError(`a stored record cannot be read: ${parsed.detail}`)
  const record = Record.encode({ ...parsed.value, basis: 'proven' })
  return { kind: 'rerecord', channelId, record, leaf: Record.leaf(record) }
}
