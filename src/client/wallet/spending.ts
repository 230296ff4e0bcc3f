import type { UnixSeconds } from '../../wire/amount.ts'
import type { Limits, Money } from './money.ts'

/** What a channel has paid on a day. */
interface Spender {
  paidOn(day: bigint): bigint
}

/** What was paid today, to each host and in all: of channels that pay, and of those that did. */
export class Spending {
  readonly #limits: Limits
  readonly #money: Money
  readonly #spenders = new Map<Spender, string>()
  #ended: { day: bigint; readonly byHost: Map<string, bigint> } = { day: 0n, byHost: new Map() }

  constructor(limits: Limits, money: Money) {
    this.#limits = limits
    this.#money = money
  }

  add(host: string, spender: Spender): void {
    this.#spenders.set(spender, host)
  }

  /** It is counted by another, which was read from the journal again. */
  remove(spender: Spender): void {
    this.#spenders.delete(spender)
  }

  /** The channel pays nothing more: what it paid today stays counted. */
  end(host: string, spender: Spender, day: bigint): void {
    this.#spenders.delete(spender)
    if (this.#ended.day !== day) this.#ended = { day, byHost: new Map() }
    const { byHost } = this.#ended
    byHost.set(host, (byHost.get(host) ?? 0n) + spender.paidOn(day))
  }

  on(day: bigint, host?: string): bigint {
    let sum = 0n
    for (const [spender, its] of this.#spenders) if (host === undefined || its === host) sum += spender.paidOn(day)
    if (this.#ended.day !== day) return sum
    for (const [its, amount] of this.#ended.byHost) if (host === undefined || its === host) sum += amount
    return sum
  }

  /** Why another amount may not be revealed at once, or paid to this host today, if so. */
  assess(host: string, more: bigint, day: bigint): string | undefined {
    if (more === 0n) return undefined
    const { day: dayMax, host: hostMax, request = more } = this.#limits
    const say = this.#money.say
    if (more > request) return `${say(more)} at once would pass budget.request: ${say(request)}`
    if (hostMax !== undefined && this.on(day, host) + more > hostMax) {
      const paid = say(this.on(day, host))
      return `${say(more)} more would pass budget.host: ${paid} of ${say(hostMax)} was paid to ${host} today (UTC)`
    }
    if (dayMax !== undefined && this.on(day) + more > dayMax) {
      const paid = say(this.on(day))
      return `${say(more)} more would pass budget.day: ${paid} of ${say(dayMax)} was paid today (UTC)`
    }
    return undefined
  }
}

/** Days since 1970, UTC. */
export function dayOf(now: UnixSeconds): bigint {
  return now / secondsOfDay
}

const secondsOfDay = 86_400n
