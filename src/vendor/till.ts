import { equal, toHex } from '../crypto/bytes.ts'
import type { PaymentMessages } from '../http/headers.ts'
import { type Refusal, refuse, Vendor } from '../protocol/index.ts'
import type * as Attachment from '../wire/Attachment.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import type * as Checkpoint from '../wire/Checkpoint.ts'
import type { Ask, Tick } from '../wire/Frame.ts'
import { isSealed } from '../wire/mac.ts'
import type { Terms } from '../wire/Terms.ts'
import { GroupCommit } from './groupCommit.ts'
import { type Held, hold, paymentRow, restore, snapshot } from './held.ts'
import type { Answer, PaymentStatus, VendorStore } from './store/contract.ts'

export interface TillOptions {
  readonly store: VendorStore
  /** Secret of the vendor's frame key. */
  readonly frameKey: Uint8Array
  readonly acceptance: Vendor.Acceptance
  readonly now: () => UnixSeconds
  /** New channels a second. */
  readonly attachmentRate?: number
}

/** A payment that was accepted, and in which channel. */
export interface Admission {
  readonly ok: true
  readonly held: Held
  readonly accepted: Vendor.Accepted
}

/** The index was taken before. Whether by the same payment, the store tells. */
export interface Repeated {
  readonly ok: false
  readonly reason: 'IndexSeen'
  readonly detail: string
  readonly held: Held
}

/**
 * Holds the vendor's channels: finds them, passes them what arrives, makes the outcome durable. What a verdict needs is in
 * memory after the first use of a channel; one commit answers many.
 */
export class Till {
  readonly #options: TillOptions
  readonly #held = new Map<string, Promise<Held | undefined>>()
  readonly #commits: GroupCommit
  #newChannels = { second: 0n, count: 0 }
  /** Raised when a commit fails: what was held before may not write any more. */
  #generation = 0

  constructor(options: TillOptions) {
    this.#options = options
    // A channel whose commit failed is ahead of its store: it is dropped and read again, never un-mutated.
    this.#commits = new GroupCommit(options.store, () => {
      this.#generation += 1
      this.#held.clear()
    })
  }

  /** The verdict on a payment. The caller decides what its request gets, then writes both with {@link Till.write}. */
  async admit(messages: PaymentMessages): Promise<Admission | Repeated | Refusal> {
    const { payment, checkpoint, attachment } = messages
    const held = await this.find(payment.value.reference, attachment)
    if (!held.ok) return held
    const verdict = Vendor.acceptPayment(held.held.channel, payment, checkpoint, this.#options.now())
    if (verdict.ok) return { ok: true, held: held.held, accepted: verdict.accepted }
    if (verdict.reason === 'IndexSeen') return { ...verdict, reason: 'IndexSeen', held: held.held }
    if (verdict.reason === 'CoinMismatch') await this.write(held.held)
    return verdict
  }

  /** The verdict on a tick, made durable in the background: `held.durable` rises when it is. */
  tick(held: Held, received: Vendor.Received<Tick>): Refusal | { readonly ok: true; readonly durable: Promise<void> } {
    const verdict = Vendor.acceptTick(held.channel, received, this.#options.now())
    return verdict.ok ? { ok: true, durable: this.write(held) } : verdict
  }

  checkpoint(
    held: Held,
    checkpoint: Checkpoint.SignedCheckpoint,
  ): Refusal | { readonly ok: true; readonly durable: Promise<void> } {
    const verdict = Vendor.acceptCheckpoint(held.channel, checkpoint, this.#options.now())
    return verdict.ok ? { ok: true, durable: this.write(held) } : verdict
  }

  /** The channel a client asks about, its MAC checked. */
  async ask(received: Vendor.Received<Ask>): Promise<Refusal | { readonly ok: true; readonly held: Held }> {
    const found = await this.find(received.value.reference, undefined)
    if (!found.ok) return found
    const sealed = isSealed(received.bytes, found.held.channel.macs.frame)
    return sealed ? found : refuse('MacMismatch', 'the question’s MAC is not this channel’s')
  }

  /** The channel of this reference, from memory, the store, or a valid attachment. */
  async find(
    reference: Uint8Array,
    attachment: (Attachment.Attachment & { readonly agreed: Terms }) | undefined,
  ): Promise<Refusal | { readonly ok: true; readonly held: Held }> {
    const name = toHex(reference)
    let loading = this.#held.get(name)
    if (loading === undefined) {
      loading = this.#load(reference)
      this.#held.set(name, loading)
    }
    const known = await loading.catch((error: unknown) => {
      this.#forget(name, loading)
      throw error
    })
    if (known !== undefined) return { ok: true, held: known }
    if (attachment === undefined) {
      this.#forget(name, loading)
      return refuse('ChannelUnknown', `channel ${name} has not been shown here`)
    }
    // Another request with the same attachment may have been first: then this one finds what that one made.
    if (this.#held.get(name) !== loading) return this.find(reference, attachment)
    const held = this.#attach(reference, attachment)
    if (held.ok) this.#held.set(name, Promise.resolve(held.held))
    else this.#forget(name, loading)
    return held
  }

  /** Resolves once the channel as it is now, and a payment of it, are durable. */
  async write(
    held: Held,
    payment?: {
      readonly accepted: Vendor.Accepted
      readonly status: PaymentStatus
      readonly charged: bigint
      readonly answer?: Answer | undefined
    },
  ): Promise<void> {
    if (held.generation !== this.#generation) throw new EvictedError()
    const { paid } = held.channel
    const row = payment && paymentRow(held, payment.accepted, payment)
    await this.#commits.write(held, () => snapshot(held), row)
    if (paid > held.durable) held.durable = paid
  }

  /** Resolves when everything that was accepted is durable. */
  flush(): Promise<void> {
    return this.#commits.flush()
  }

  async #load(reference: Uint8Array): Promise<Held | undefined> {
    const stored = await this.#options.store.channel(reference)
    return stored && restore(stored, this.#options.frameKey, this.#generation)
  }

  #forget(name: string, loading: Promise<Held | undefined>): void {
    if (this.#held.get(name) === loading) this.#held.delete(name)
  }

  #attach(
    reference: Uint8Array,
    attachment: Attachment.Attachment & { readonly agreed: Terms },
  ): Refusal | { readonly ok: true; readonly held: Held } {
    const now = this.#options.now()
    if (this.#isRateLimited(now)) {
      return refuse('AttachmentRateLimited', 'more new channels than this vendor takes in a second')
    }
    const verdict = Vendor.assessAttachment(attachment, this.#options.acceptance, now)
    if (!verdict.ok) return verdict
    const channel = Vendor.create(attachment, this.#options.frameKey)
    if (!equal(channel.channelId.subarray(0, reference.length), reference)) {
      return refuse('ChannelUnknown', 'the attachment is of another channel')
    }
    return { ok: true, held: hold(channel, this.#generation) }
  }

  #isRateLimited(second: UnixSeconds): boolean {
    if (this.#newChannels.second !== second) this.#newChannels = { second, count: 0 }
    this.#newChannels.count += 1
    return this.#newChannels.count > (this.#options.attachmentRate ?? 200)
  }
}

/** A commit failed after this channel was read: what was made of it since is void, and nothing of it was stored. */
export class EvictedError extends Error {
  override readonly name: string = 'EvictedError'

  constructor() {
    super('the store failed under this channel: nothing since then was stored, and the channel is read again')
  }
}
