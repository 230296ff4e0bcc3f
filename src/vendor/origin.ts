import { toHex } from '../crypto/bytes.ts'
import { type Refusal, refuse, type Vendor } from '../protocol/index.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import * as Terms from '../wire/Terms.ts'
import { StoreUnavailableError } from './errors.ts'
import { type Held, hold, restore } from './held.ts'
import { type LeaseOptions, Leases } from './leases.ts'
import type { VendorArchive, VendorStore } from './store/contract.ts'

export interface OriginOptions {
  readonly store: VendorStore
  /** Secret of the vendor's frame key. */
  readonly frameKey: Uint8Array
  readonly now: () => UnixSeconds
  /** Where several nodes share the store. */
  readonly lease?: LeaseOptions
  /** Closed channels that were forgotten, and when the store was made of a backup. */
  readonly archive?: Pick<VendorArchive, 'tombstone' | 'restoredAt'>
  /**
   * Whether the bank still has a channel open. Asked of channels that are shown here for the first time although they were
   * opened before the store was restored.
   */
  readonly isOpen?: (channel: Pick<Vendor.VendorChannel, 'channelId' | 'terms'>) => Promise<boolean>
}

/** Where channels come from: the store, under a lease where several nodes share it, or what a client shows. */
export class Origin {
  readonly #options: OriginOptions
  readonly #leases: Leases | undefined

  constructor(options: OriginOptions) {
    this.#options = options
    this.#leases = options.lease && new Leases(options.lease, options.now)
  }

  /** The channel as the store has it. `onLost` hears when another node has it from then on. */
  async load(reference: Uint8Array, onLost: () => void): Promise<Held | undefined> {
    const { store, frameKey } = this.#options
    const stored = await read(store.channel(reference))
    if (stored === undefined) return undefined
    if (this.#leases === undefined) return restore(stored, frameKey)
    await this.#acquire(stored.channelId, onLost)
    // Another node may have written it until now; from here on none does.
    return restore((await read(store.channel(reference)))!, frameKey)
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
    const held = stored === undefined ? hold(channel, epoch) : restore(stored, this.#options.frameKey)
    return { ok: true, held }
  }

  /** The channel of this reference, in hex, is in use. */
  use(name: string): void {
    this.#leases?.use(name)
  }

  /** Lets the other nodes have the channels. */
  async stop(): Promise<void> {
    await this.#leases?.stop()
  }

  #acquire(channelId: Uint8Array, onLost: () => void): Promise<number> {
    return read(this.#leases!.acquire(toHex(Terms.reference(channelId)), channelId, onLost))
  }

  /** Refuses a channel that was closed and forgotten, here or by the store that this one is a backup of. */
  async #assessHistory(channel: Vendor.VendorChannel): Promise<Refusal | undefined> {
    const { archive, isOpen, now } = this.#options
    if (archive === undefined) return undefined
    const buriedUntil = await read(archive.tombstone(Terms.reference(channel.channelId)))
    if (buriedUntil !== undefined && now() <= buriedUntil) {
      return refuse('ChannelClosed', 'the channel was closed here before')
    }
    const restoredAt = isOpen && (await read(archive.restoredAt()))
    if (isOpen === undefined || restoredAt === undefined || channel.terms.openedAt > restoredAt) return undefined
    if (await read(isOpen(channel))) return undefined
    return refuse('ChannelClosed', 'the bank does not have the channel open')
  }
}

/** What the store gives. Throws {@link StoreUnavailableError}. */
export async function read<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    if (cause instanceof StoreUnavailableError) throw cause
    throw new StoreUnavailableError('the store cannot be read', { cause })
  }
}
