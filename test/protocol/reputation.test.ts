import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AssertionError, Bank } from '../../src/protocol/index.ts'
import { type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import { bytesOf } from './world.ts'

const { Reputation } = Bank
type History = Bank.Reputation.History
type Event = Bank.Reputation.Event

const day = 86_400n
/** The first second of a day. */
const start = unixSeconds(20_000n * day)
const fresh = Reputation.start(60, start)
const channels = [0, 1, 2, 3].map((n) => bytesOf(`channel ${n}`))
const parties = [0, 1, 2].map((n) => bytesOf(`counterparty ${n}`))

function at(seconds: bigint): UnixSeconds {
  return unixSeconds(start + seconds)
}

function apply(history: History, event: Event, now: UnixSeconds): History {
  return [...history, ...Reputation.step(history, event, now)]
}

function completed(party = 0, channel = 0): Event {
  return { cause: 'completed', channelId: channels[channel]!, counterparty: parties[party]! }
}

function about(cause: Exclude<Event['cause'], 'completed'>, channel = 0): Event {
  return { cause, channelId: channels[channel]! }
}

/** Events in the order of time, each some seconds after the one before. */
const stories: fc.Arbitrary<readonly { readonly event: Event; readonly after: bigint }[]> = fc.array(
  fc.record({
    event: fc.oneof(
      { weight: 6, arbitrary: fc.tuple(fc.nat(2), fc.nat(3)).map(([party, channel]) => completed(party, channel)) },
      {
        weight: 4,
        arbitrary: fc
          .tuple(
            fc.constantFrom(
              'releaseWithheld' as const,
              'releaseWithheld' as const,
              'releasedLate' as const,
              'badOpening' as const,
              'equivocation' as const,
              'overcharge' as const,
            ),
            fc.nat(3),
          )
          .map(([cause, channel]) => about(cause, channel)),
      },
    ),
    after: fc.oneof(fc.bigInt(0n, 7_200n), fc.bigInt(0n, 30n * day)),
  }),
  { maxLength: 30 },
)

function tell(list: readonly { readonly event: Event; readonly after: bigint }[]): {
  history: History
  now: UnixSeconds
} {
  let history: History = fresh
  let now = start
  for (const { event, after } of list) {
    now = unixSeconds(now + after)
    history = apply(history, event, now)
  }
  return { history, now }
}

describe('a score', () => {
  it('stays between 0 and 100, and every change of it has its cause, time and order', () => {
    fc.assert(
      fc.property(stories, (list) => {
        const { history, now } = tell(list)
        for (const [position, change] of history.entries()) {
          const before = history[position - 1]
          expect(Number.isInteger(change.score) && change.score >= 0 && change.score <= 100).toBe(true)
          if (before !== undefined) expect(change.at >= before.at).toBe(true)
          expect(change.cause === 'registered').toBe(position === 0)
          expect(change.channelId === undefined).toBe(['registered', 'recovery'].includes(change.cause))
          if (change.cause === 'recovery') expect(change.score > before!.score && change.score <= 60).toBe(true)
        }
        expect(Reputation.score(history, now)).toBe(history.at(-1)!.score + recoveredSince(history, now))
      }),
    )
  })

  it('comes to the same whenever it is asked for on the way', () => {
    fc.assert(
      fc.property(stories, fc.bigInt(0n, 100n * day), fc.bigInt(0n, 100n * day), (list, one, two) => {
        const { history, now } = tell(list)
        const between = unixSeconds(now + one)
        const end = unixSeconds(between + two)
        const seen: History = [
          ...history,
          { cause: 'recovery', at: between, score: Reputation.score(history, between) },
        ]
        expect(Reputation.score(seen, end)).toBe(Reputation.score(history, end))
      }),
    )
  })

  it('changes the same way each time it is computed, and leaves the history as it was', () => {
    fc.assert(
      fc.property(stories, (list) => {
        const { history } = tell(list)
        const copy = structuredClone(history)
        const [event, now] = [about('badOpening', 3), unixSeconds(history.at(-1)!.at + 100n)]
        expect(Reputation.step(history, event, now)).toEqual(Reputation.step(history, event, now))
        expect(history).toEqual(copy)
      }),
      { numRuns: 30 },
    )
  })

  it('is never computed back in time', () => {
    expect(() => Reputation.step(fresh, completed(), at(-1n))).toThrow(AssertionError)
    expect(() => Reputation.score([], start)).toThrow(AssertionError)
  })
})

describe('a channel completed', () => {
  it('adds one, at most once an hour a counterparty, up to 100', () => {
    let history = apply(fresh, completed(), start)
    expect(history).toHaveLength(2)
    expect(history[1]).toMatchObject({ cause: 'completed', score: 61, counterparty: parties[0] })
    for (const seconds of [0n, 1n, 3_599n]) expect(Reputation.step(history, completed(0, 1), at(seconds))).toEqual([])
    expect(Reputation.step(history, completed(0, 1), at(3_600n))).toMatchObject([{ score: 62 }])
    history = apply(history, completed(1, 1), start)
    expect(history.at(-1)?.score).toBe(62)
    for (let hour = 1n; hour <= 60n; hour++) history = apply(history, completed(0), at(hour * 3_600n))
    expect(history.at(-1)?.score).toBe(100)
  })

  it('adds at most one an hour and counterparty, whatever the order', () => {
    fc.assert(
      fc.property(stories, (list) => {
        const { history } = tell(list)
        const counted = history.filter(({ cause }) => cause === 'completed')
        for (const [position, one] of counted.entries()) {
          for (const other of counted.slice(0, position)) {
            if (one.counterparty === other.counterparty) expect(one.at - other.at >= 3_600n).toBe(true)
          }
        }
      }),
    )
  })
})

describe('a proven fraud', () => {
  it.each(['badOpening', 'equivocation', 'overcharge'] as const)('of kind %s takes 50, once a channel', (cause) => {
    const once = apply(fresh, about(cause), start)
    expect(once.at(-1)).toMatchObject({ cause, score: 10, channelId: channels[0] })
    expect(Reputation.step(once, about(cause), at(day))).toEqual([])
    expect(apply(once, about(cause, 1), start).at(-1)?.score).toBe(0)
  })

  it('of each kind counts by itself', () => {
    const two = apply(apply(Reputation.start(100, start), about('badOpening'), start), about('equivocation'), start)
    expect(two.map(({ score }) => score)).toEqual([100, 50, 0])
  })

  it('always bars from new channels: even 100 is then not above 50', () => {
    const history = apply(Reputation.start(100, start), about('equivocation'), start)
    expect(Reputation.score(history, start)).toBe(50)
  })

  it('counts once a channel and kind, whatever the order', () => {
    fc.assert(
      fc.property(stories, (list) => {
        const { history } = tell(list)
        const seen = history
          .filter(({ cause }) => !['completed', 'recovery', 'registered'].includes(cause))
          .map(({ cause, channelId }) => `${cause} ${channels.indexOf(channelId!)}`)
        expect(new Set(seen).size).toBe(seen.length)
      }),
    )
  })
})

describe('recovery', () => {
  it('adds one at the end of each day, up to 60 and not above', () => {
    const history = apply(fresh, about('badOpening'), at(100n))
    expect(Reputation.score(history, at(day - 1n))).toBe(10)
    expect(Reputation.score(history, at(day))).toBe(11)
    expect(Reputation.score(history, at(40n * day))).toBe(50)
    expect(Reputation.score(history, at(41n * day))).toBe(51)
    expect(Reputation.score(history, at(50n * day))).toBe(60)
    expect(Reputation.score(history, at(5_000n * day))).toBe(60)
    expect(Reputation.score(Reputation.start(61, start), at(5_000n * day))).toBe(61)
  })

  it('is stored, with its cause, when something else changes the score', () => {
    const history = apply(fresh, about('badOpening'), start)
    expect(Reputation.step(history, completed(), at(3n * day))).toEqual([
      { cause: 'recovery', at: at(3n * day), score: 13 },
      { ...completed(), at: at(3n * day), score: 14 },
    ])
    // An event that does not count changes nothing.
    expect(Reputation.step(history, about('badOpening'), at(3n * day))).toEqual([])
  })
})

describe('a release withheld', () => {
  it('takes 5, and a late release gives them back, each once a channel', () => {
    let history = apply(fresh, about('releaseWithheld'), start)
    expect(history.at(-1)?.score).toBe(55)
    expect(Reputation.step(history, about('releaseWithheld'), start)).toEqual([])
    history = apply(history, about('releasedLate'), at(10n))
    expect(history.at(-1)).toMatchObject({ cause: 'releasedLate', score: 60 })
    for (const cause of ['releasedLate', 'releaseWithheld'] as const) {
      expect(Reputation.step(history, about(cause), at(20n))).toEqual([])
    }
  })

  it('gives nothing back that was not taken', () => {
    expect(Reputation.step(fresh, about('releasedLate'), start)).toEqual([])
    const history = apply(fresh, about('releaseWithheld', 1), start)
    expect(Reputation.step(history, about('releasedLate', 0), start)).toEqual([])
  })

  it('is worth no more late than in time: five days of recovery are not given back on top', () => {
    const history = apply(fresh, about('releaseWithheld'), start)
    expect(Reputation.score(history, at(5n * day))).toBe(60)
    expect(apply(history, about('releasedLate'), at(5n * day)).at(-1)?.score).toBe(60)
    expect(apply(history, about('releasedLate'), at(2n * day)).at(-1)?.score).toBe(60)
  })

  it('released late leaves exactly what a release in time would have, whatever else happened', () => {
    let [given, clamped] = [0, 0]
    fc.assert(
      fc.property(stories, stories, fc.bigInt(0n, 3n * day), (before, between, after) => {
        const penalty = bytesOf('the channel in question')
        const event = (cause: 'releaseWithheld' | 'releasedLate'): Event => ({ cause, channelId: penalty })
        const { history, now } = tell(before)
        let [with_, without] = [apply(history, event('releaseWithheld'), now), history]
        let time: bigint = now
        for (const one of between) {
          time += one.after
          with_ = apply(with_, one.event, unixSeconds(time))
          without = apply(without, one.event, unixSeconds(time))
        }
        const end = unixSeconds(time + after)
        const score = Reputation.score(with_, end)
        const late = Reputation.score(apply(with_, event('releasedLate'), end), end)
        expect(late).toBe(Reputation.score(without, end))
        expect(late >= score && late - score <= 5).toBe(true)
        if (late > score) given += 1
        else clamped += 1
      }),
      { numRuns: 300 },
    )
    expect(Math.min(given, clamped)).toBeGreaterThan(10)
  })
})

/** What has recovered since the last change, said without the machine. */
function recoveredSince(history: History, now: UnixSeconds): number {
  const { score, at: since } = history.at(-1)!
  const days = Number(now / day - since / day)
  return score >= 60 ? 0 : Math.min(60 - score, days)
}
