import { equal, toHex } from '../crypto/bytes.ts'
import { type Refusal, refuse, type Vendor } from '../protocol/index.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import * as Terms from '../wire/Terms.ts'
import { StoreUnavailableError } from './errors.ts'
import { type Held, hold, restore } from './held.ts'
import { type LeaseOptions, Leases } from './leases.ts'
import type { StoredChannel, VendorStore } from './store/contract.ts'

/** Where channels come from, and what they are judged by. */
export interface OriginOptions {
  readonly store: VendorStore
  /** Secret of the vendor's frame key. */
  readonly frameKey: Uint8Array
  /** Seconds since 1970, as the bank has them. */
  readonly now: () => UnixSeconds
  /** Where several nodes share the store. */
  readonly lease?: LeaseOptions
  /**
   * `O_V` of this vendor's offers since its store was restored: a channel that bears it was opened since. Without it, one that
   * was opened within ten minutes after the restore may have been opened before, by other clocks, and is taken for that.
   */
  readonly identity?: Uint8Array
}

/** Where channels come from: the store, under a lease where several nodes share it, or what a client shows. */
export class Origin {
  readonly #options: OriginOptions
  readonly #leases: Leases | undefined
  #restoredAt: { readonly value: UnixSeconds | undefined } | undefined

  constructor(options: OriginOptions) {
    this.#options = options
    this.#leases = options.lease && new Leases(options.lease, options.now)
  }

  /** The channel as the store has it. `onLost` hears when another node has it from then on. */
  async load(reference: Uint8Array, onLost: () => void): Promise<Held | undefined> {
    const { store } = this.#options
    const stored = await read(store.channel(reference))
    if (stored === undefined) return undefined
    if (this.#leases === undefined) return this.#restore(stored)
    await this.#acquire(stored.channelId, onLost)
    // Another node may have written it until now, or forgotten it; from here on none writes it.
    const current = await read(store.channel(reference))
    return current && this.#restore(current)
  }

  /** A channel that was shown here for the first time. */
  async take(
    channel: Vendor.VendorChannel,
    onLost: () => void,
  ): Promise<Refusal | { readonly ok: true; readonly held: Held }> {
    const refusal = await this.#assessHistory(channel)
    if (refusal !== undefined) return refusal
    if (this.#leases === undefined) return { ok: true, held: hold(channel) }
    const epoch = await this.#acquire(channel.channelId, onLost)
    // Another node may have taken it in a moment ago.
    const stored = await read(this.#options.store.channel(Terms.reference(channel.channelId)))
    return { ok: true, held: stored === undefined ? hold(channel, epoch) : await this.#restore(stored) }
  }

  /** The channel of this reference, in hex, is in use. */
  use(name: string): void {
    this.#leases?.use(name)
  }

  /** Whether the channel of this reference, in hex, is still this node's. */
  async confirm(name: string): Promise<boolean> {
    return this.#leases === undefined || (await read(this.#leases.confirm(name)))
  }

  /** Lets the other nodes have the channels. */
  async stop(): Promise<void> {
    await this.#leases?.stop()
  }

  #acquire(channelId: Uint8Array, onLost: () => void): Promise<number> {
    return read(this.#leases!.acquire(toHex(Terms.reference(channelId)), channelId, onLost))
  }

  async #restore(stored: StoredChannel): Promise<Held> {
    const held = restore(stored, this.#options.frameKey)
    held.channel.stale = await this.#isStale(held.channel)
    return held
  }

  /** Refuses a channel that was closed and forgotten, here or by the store that this one is a backup of. */
  async #assessHistory(channel: Vendor.VendorChannel): Promise<Refusal | undefined> {
    const { store, now } = this.#options
    const buriedUntil = await read(store.tombstone(Terms.reference(channel.channelId)))
    if (buriedUntil !== undefined && now() <= buriedUntil) {
      return refuse('ChannelClosed', 'the channel was closed here before')
    }
    if (!(await this.#isStale(channel))) return undefined
    return refuse('ChannelClosed', 'the channel was opened before this vendor’s store was restored')
  }

  async #isStale({ terms }: Vendor.VendorChannel): Promise<boolean> {
    const { store, identity } = this.#options
    // A store is restored before anybody opens it: what it says once holds.
    this.#restoredAt ??= { value: await read(store.restoredAt()) }
    const { value: restoredAt } = this.#restoredAt
    if (restoredAt === undefined || terms.openedAt > restoredAt + clocksApart) return false
    return identity === undefined || !equal(identity, terms.vendorIdentity)
  }
}

/** Seconds that `openedAt` may be ahead of the bank's clock, and as many that the bank's may be ahead of this one. */
const clocksApart = 600n

/** What the store gives. Throws {@link StoreUnavailableError}. */
export async function read<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    if (cause instanceof StoreUnavailableError) throw cause
    throw new StoreUnavailableError('the store cannot be read', { cause })
  }
}
