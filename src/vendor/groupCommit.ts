import type { Batch, PaymentChange, StoredChannel, VendorStore } from './store/contract.ts'

/** What gives a channel's newest state when its batch is written. */
export type Snapshot = () => StoredChannel

/**
 * Queues writes so that one transaction and one sync answer many: while a commit runs, what arrives joins the next one. A
 * channel costs one row a commit, whatever the number of its payments.
 */
export class GroupCommit {
  readonly #store: VendorStore
  readonly #onFailure: (error: unknown) => void
  #snapshots = new Map<object, Snapshot>()
  #payments = new Map<string, PaymentChange>()
  #pending: Promise<void> | undefined
  #running: Promise<void> = Promise.resolve()

  /** `onFailure` hears of a commit that did not happen, before anyone who waited for it does. */
  constructor(store: VendorStore, onFailure: (error: unknown) => void) {
    this.#store = store
    this.#onFailure = onFailure
  }

  /**
   * Resolves once the channel's state as of now, and the payment's, are durable; rejects when they are not. `channel` only
   * tells channels apart.
   */
  write(channel: object, snapshot: Snapshot, payment?: PaymentChange): Promise<void> {
    this.#snapshots.set(channel, snapshot)
    if (payment !== undefined) this.#payments.set(`${keyOf(payment)}`, payment)
    this.#pending ??= this.#running.then(() => this.#commit())
    return this.#pending
  }

  /** Resolves when nothing is left to write. */
  async flush(): Promise<void> {
    await (this.#pending ?? this.#running)
  }

  async #commit(): Promise<void> {
    // One turn of the loop: whatever else this turn has received joins the same transaction.
    await new Promise((resolve) => setImmediate(resolve))
    const batch: Batch = {
      channels: [...this.#snapshots.values()].map((snapshot) => snapshot()),
      payments: [...this.#payments.values()],
    }
    this.#snapshots = new Map()
    this.#payments = new Map()
    const commit = this.#store.commit(batch).catch((error: unknown) => {
      this.#onFailure(error)
      throw error
    })
    // The next batch waits for this one, whether it succeeds or not.
    this.#running = commit.catch(() => undefined)
    this.#pending = undefined
    await commit
  }
}

function keyOf(payment: PaymentChange): string {
  return `${Buffer.from(payment.channelId).toString('base64url')}:${payment.index}`
}
