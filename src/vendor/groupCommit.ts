import { equal } from '../crypto/bytes.ts'
import type { ChannelChange, PaymentChange, VendorStore } from './store/contract.ts'
import { turnOfTheLoop } from './turns.ts'

/** What gives a channel's state when its batch is written; nothing where the channel was given up since. */
export type Snapshot = () => ChannelChange | undefined

/** What is to be written of one channel. */
interface Entry {
  readonly snapshot: Snapshot
  /** By index: what came last counts. */
  readonly payments: Map<number, PaymentChange>
}

/** A batch that is still open. */
interface Gathering {
  readonly entries: Map<object, Entry>
  /** Settles with its commit. */
  readonly done: Promise<void>
}

/**
 * Queues writes so that one transaction and one sync answer many: while a commit runs, what arrives joins the next one. A
 * channel costs one row a commit, whatever the number of its payments.
 */
export class GroupCommit {
  readonly #store: VendorStore
  readonly #onFailure: (channels: Iterable<object>) => void
  #gathering: Gathering | undefined
  #newest: Promise<void> = Promise.resolve()

  /** `onFailure` hears of which channels nothing was written, before anyone who waited for it does. */
  constructor(store: VendorStore, onFailure: (channels: Iterable<object>) => void) {
    this.#store = store
    this.#onFailure = onFailure
  }

  /**
   * Resolves once the channel's state as of now, and the payment's, are durable; rejects when they are not. `channel` only
   * tells channels apart.
   */
  write(channel: object, snapshot: Snapshot, payment?: PaymentChange): Promise<void> {
    this.#gathering ??= this.#gather()
    const { entries, done } = this.#gathering
    const entry = entries.get(channel) ?? { snapshot, payments: new Map<number, PaymentChange>() }
    entries.set(channel, entry)
    if (payment !== undefined) entry.payments.set(payment.index, payment)
    return done
  }

  /** Resolves when what was to be written until now is written, or has failed. */
  flush(): Promise<void> {
    return this.#newest
  }

  #gather(): Gathering {
    const entries = new Map<object, Entry>()
    // Whatever else this turn of the loop has received joins the same transaction.
    const done = this.#newest.then(turnOfTheLoop).then(() => this.#commit(entries))
    // The next batch waits for this one, whether it succeeds or not.
    this.#newest = done.catch(() => undefined)
    return { entries, done }
  }

  async #commit(entries: Gathering['entries']): Promise<void> {
    this.#gathering = undefined
    try {
      const channels = new Map<object, ChannelChange>()
      const payments: PaymentChange[] = []
      for (const [key, entry] of entries) {
        const channel = entry.snapshot()
        if (channel === undefined) continue
        channels.set(key, channel)
        payments.push(...entry.payments.values())
      }
      if (channels.size === 0) return
      const { fenced } = await this.#store.commit({ channels: [...channels.values()], payments })
      const isFenced = ({ channelId }: ChannelChange): boolean => fenced.some((id) => equal(id, channelId))
      this.#onFailure([...channels].filter(([, channel]) => isFenced(channel)).map(([key]) => key))
    } catch (error) {
      this.#onFailure(entries.keys())
      throw error
    }
  }
}
