import { toHex } from '../crypto/bytes.ts'
import { Bank as Decide } from '../protocol/index.ts'
import { expireChanges } from './commands.ts'
import { attempt, type Deps, logScores } from './deps.ts'
import { endingChange } from './releases.ts'
import type { Bank } from './service.ts'
import type { Change, Onwards } from './store/contract.ts'
import { bookedOf } from './views.ts'

/** What is due by the bank's clock alone: nobody has to ask for it. */
export function createReviews(deps: Deps): Pick<Bank, 'expire' | 'review'> {
  const { store, time } = deps
  return {
    async expire() {
      const clock = await time.beat()
      // No deadline passes meanwhile.
      if (clock.held !== undefined) return 0
      return forEach(
        (page) => store.due(clock, page),
        (channelId) => attempt(() => expireOnce(deps, channelId)),
      )
    },
    async review() {
      const clock = await time.beat()
      if (clock.held !== undefined) return 0
      return forEach(
        (page) => store.unreviewed(clock, page),
        (channelId) => attempt(() => reviewOnce(deps, channelId)),
      )
    },
  }
}

/** `true` where the channel expired now. `undefined` to decide anew. */
async function expireOnce({ store, time, log }: Deps, channelId: Uint8Array): Promise<boolean | undefined> {
  const channel = await store.channel(channelId)
  if (channel === undefined) return false
  const clock = await time.current()
  const verdict = Decide.assessExpire({ channel: bookedOf(channel), clock })
  if (!verdict.ok) return false
  const { ok } = await store.commit(expireChanges(channelId, verdict, clock))
  if (!ok) return undefined
  log?.('expired', { channelId: toHex(channelId), refund: verdict.refund })
  return true
}

/** `true` where the release is found withheld now. */
async function reviewOnce(deps: Deps, channelId: Uint8Array): Promise<boolean | undefined> {
  const { store, time, reputationRules: rules } = deps
  const [channel, ending] = await Promise.all([store.channel(channelId), store.ending(channelId)])
  if (channel === undefined || ending === undefined || ending.reviewed) return false
  const clock = await time.current()
  // Until then the answer may change by itself.
  const { terms, graceFrom } = channel
  const isOver = Decide.BankClock.timeOf(clock, terms, graceFrom) > Decide.BankClock.deadline(terms)
  const hasHadTime = ending.fetchedAt !== undefined && clock.uptime - ending.fetchedAt > BigInt(terms.graceSeconds)
  if (clock.held !== undefined || !isOver || !hasHadTime) return false
  const isWithheld = Decide.isWithheld(bookedOf(channel), ending, clock)
  const changes: Change[] = [endingChange(channel, { ...ending, reviewed: true })]
  if (isWithheld) {
    const event = { cause: 'releaseWithheld', channelId } as const
    changes.push({ kind: 'reputation', account: channel.account, event, at: clock.wall, rules })
  }
  const committed = await store.commit(changes)
  if (!committed.ok) return undefined
  logScores(deps, committed.scored)
  return isWithheld
}

/** Goes through all pages; how often the work did something. */
async function forEach(
  read: (page: Onwards) => Promise<readonly Uint8Array[]>,
  work: (channelId: Uint8Array) => Promise<boolean>,
): Promise<number> {
  let count = 0
  for (let after: Uint8Array | undefined; ; ) {
    const page = await read({ after, limit: pageSize })
    for (const channelId of page) if (await work(channelId)) count += 1
    if (page.length < pageSize) return count
    after = page.at(-1)
  }
}

const pageSize = 256
