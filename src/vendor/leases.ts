import type { UnixSeconds } from '../wire/amount.ts'
import { unixSeconds } from '../wire/amount.ts'
import { StoreUnavailableError } from './errors.ts'
import type { HeldLease, VendorLeases } from './store/contract.ts'

/** How one node of several holds the channels that it serves. */
export interface LeaseOptions {
  readonly store: VendorLeases
  /** Name of this process among those that share the store, such as the address at which the others reach it. */
  readonly node: string
  /** Seconds after which another node may take over a channel that this one does not use. */
  readonly ttl?: number
}

/** Another node holds the channel. Ask there, or here once it has let go. */
export class HeldElsewhereError extends StoreUnavailableError {
  override readonly name: string = 'HeldElsewhereError'
  readonly node: string
  readonly until: UnixSeconds

  constructor({ node, until }: { readonly node: string; readonly until: UnixSeconds }) {
    super('another node of this vendor serves the channel: ask again')
    this.node = node
    this.until = until
  }
}

interface Kept extends HeldLease {
  until: bigint
  readonly onLost: () => void
}

/**
 * The channels that this node may write, where several share a store. What keeps two nodes apart is the epoch under which
 * each commit is made; a lease only keeps the others from trying. So one that is lost, to a late clock or a long pause,
 * costs time and never money.
 */
export class Leases {
  readonly #options: Required<LeaseOptions>
  readonly #now: () => UnixSeconds
  readonly #kept = new Map<string, Kept>()
  #expiring: Set<Kept> | undefined

  constructor(options: LeaseOptions, now: () => UnixSeconds) {
    this.#options = { ttl: 30, ...options }
    this.#now = now
  }

  /** The epoch under which the channel may be written from now on. Throws {@link HeldElsewhereError}. */
  async acquire(name: string, channelId: Uint8Array, onLost: () => void): Promise<number> {
    const { store, node, ttl } = this.#options
    const lease = await store.acquire({ channelId, node, now: this.#now(), ttl })
    if (!lease.ok) throw new HeldElsewhereError(lease)
    this.#kept.set(name, { channelId, epoch: lease.epoch, until: lease.until, onLost })
    return lease.epoch
  }

  /** The channel is in use: its lease is prolonged in time, with those of others. */
  use(name: string): void {
    const kept = this.#kept.get(name)
    if (kept === undefined || (kept.until - this.#now()) * 2n > this.#options.ttl) return
    if (this.#expiring !== undefined) {
      this.#expiring.add(kept)
      return
    }
    this.#expiring = new Set([kept])
    // Where it fails, the store says so at the next commit, and the channel is asked for again at its next use.
    setImmediate(() => void this.#prolong().catch(() => undefined))
  }

  /** Asks the store whether the channel is still this node's. Where it is not, `onLost` hears of it first. */
  async confirm(name: string): Promise<boolean> {
    const kept = this.#kept.get(name)
    return kept !== undefined && (await this.#renew([kept]))
  }

  /** Lets the other nodes have everything at once. */
  async stop(): Promise<void> {
    const leases = [...this.#kept.values()]
    this.#kept.clear()
    await this.#options.store.relinquish(this.#options.node, leases.map(leaseOf))
  }

  async #prolong(): Promise<void> {
    const leases = [...(this.#expiring ?? [])]
    this.#expiring = undefined
    await this.#renew(leases)
  }

  /** Whether all of them are still this node's. */
  async #renew(leases: readonly Kept[]): Promise<boolean> {
    const { store, node, ttl } = this.#options
    const until = unixSeconds(this.#now() + BigInt(ttl))
    const lost = await store.renew(node, leases.map(leaseOf), until)
    for (const lease of leases) {
      if (lost.some((channelId) => Buffer.compare(channelId, lease.channelId) === 0)) lease.onLost()
      else lease.until = until
    }
    return lost.length === 0
  }
}

/** What the store hears of a lease: it may be in another thread, where no function goes. */
function leaseOf({ channelId, epoch }: Kept): HeldLease {
  return { channelId, epoch }
}
