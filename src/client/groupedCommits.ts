import type { Answered, StoredPayment } from './journal/contract.ts'

/** What one commit stores beside the channel's state, as that stands when the commit begins. */
export interface Gathered {
  readonly payments: readonly StoredPayment[]
  /** One a payment: the last one told. */
  readonly answered: readonly Answered[]
}

/** What the next commit is to store. */
interface Gathering {
  readonly payments: StoredPayment[]
  readonly answered: Map<number, Answered>
  readonly done: Promise<void>
}

/**
 * Gathers what a channel is to store while its journal is at work, so that one commit and one sync answer for all of it. What is
 * asked for in one turn goes together too: a stream that pays far ahead costs a row of its channel, not one a unit.
 */
export class GroupedCommits {
  readonly #commit: (gathered: Gathered) => Promise<void>
  #gathering: Gathering | undefined
  #newest: Promise<void> = Promise.resolve()

  constructor(commit: (gathered: Gathered) => Promise<void>) {
    this.#commit = commit
  }

  /** Resolves once the channel as it is now, and these, are stored; rejects where they are not. */
  save(payment?: StoredPayment, answered?: Answered): Promise<void> {
    this.#gathering ??= this.#gather()
    const { payments, answered: answers, done } = this.#gathering
    if (payment !== undefined) payments.push(payment)
    if (answered !== undefined) answers.set(answered.index, answered)
    return done
  }

  /** Resolves when what was to be stored until now is, or has failed. */
  flush(): Promise<void> {
    return this.#newest
  }

  #gather(): Gathering {
    const payments: StoredPayment[] = []
    const answered = new Map<number, Answered>()
    const done = this.#newest.then(() => {
      this.#gathering = undefined
      return this.#commit({ payments, answered: [...answered.values()] })
    })
    this.#newest = done.catch(() => undefined)
    return { payments, answered, done }
  }
}
