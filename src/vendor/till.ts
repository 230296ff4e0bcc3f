import { equal, toHex } from '../crypto/bytes.ts'
import type { PaymentMessages } from '../http/headers.ts'
import { assert, type Refusal, refuse, Vendor } from '../protocol/index.ts'
import type * as Attachment from '../wire/Attachment.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import type * as Checkpoint from '../wire/Checkpoint.ts'
import type { Ask, Tick } from '../wire/Frame.ts'
import { isSealed } from '../wire/mac.ts'
import * as Terms from '../wire/Terms.ts'
import { StoreUnavailableError } from './errors.ts'
import { GroupCommit } from './groupCommit.ts'
import { assertCurrent, type Held, paymentRow, raise, reached, snapshot, wake } from './held.ts'
import { LockWatch } from './lockWatch.ts'
import { Origin, type OriginOptions, read } from './origin.ts'
import type { Answer, PaymentStatus, StoredPayment } from './store/contract.ts'

/** What a till needs. */
export interface TillOptions extends OriginOptions {
  readonly acceptance: Vendor.Acceptance
  /** New channels a second. */
  readonly attachmentRate?: number
  /** Channels in memory, beyond which those that were idle for a minute are left to the store. */
  readonly heldMax?: number
}

/** A payment that was accepted, and in which channel. */
export interface Admission {
  readonly ok: true
  readonly held: Held
  readonly accepted: Vendor.Accepted
  /** Resolves when the payment is stored as accepted, or as what the caller wrote of it in the same turn. */
  readonly durable: Promise<void>
}

/** The index was taken before. Whether by the same payment, the store tells. */
export interface Repeated {
  readonly ok: false
  readonly reason: 'IndexSeen'
  readonly detail: string
  readonly held: Held
}

/** A payment that was refused. */
export interface Turned extends Refusal {
  readonly reason: Exclude<Refusal['reason'], 'IndexSeen'>
  /** The channel, where the frame is its client's: then it may hear how the channel stands. */
  readonly held?: Held
}

/**
 * Holds the vendor's channels: finds them, passes them what arrives, makes the outcome durable. What a verdict needs is in
 * memory after the first use of a channel; one commit answers many.
 */
export class Till {
  readonly #options: TillOptions
  /** Those used last come last. */
  readonly #entries = new Map<string, Entry>()
  readonly #commits: GroupCommit
  readonly #origin: Origin
  readonly #locks: LockWatch
  #newChannels = { second: 0n, count: 0 }

  constructor(options: TillOptions) {
    this.#options = options
    this.#origin = new Origin(options)
    // A channel whose commit failed is ahead of its store: it is given up and read again, never un-mutated.
    this.#commits = new GroupCommit(options.store, (channels) => {
      for (const held of channels as Iterable<Held>) this.#evict(held)
    })
    this.#locks = new LockWatch({
      cores: (held, last, first) => this.cores(held, last, first),
      write: (held) => this.write(held),
      flushed: () => this.#commits.flush(),
    })
  }

  /** The verdict on a payment. The caller decides what its request gets, then writes that with {@link Till.write}. */
  async admit(messages: PaymentMessages): Promise<Admission | Repeated | Turned> {
    const { payment, checkpoint, attachment } = messages
    const found = await this.find(payment.value.reference, attachment)
    if (!found.ok) return turned(found)
    const { held } = found
    if (held.evicted) return this.admit(messages)
    const opening = freshSegment(held, checkpoint)
    const verdict = Vendor.acceptPayment(held.channel, payment, checkpoint, this.#options.now())
    if (verdict.ok) {
      held.fresh.push(...opening)
      const { accepted } = verdict
      // At once, before anything else runs: the store never has a channel that counts a payment which it does not have.
      const durable = this.write(held, { accepted, status: 'accepted', charged: 0n })
      // Whoever admitted it writes it again, with what came of it, and hears of a failure there.
      durable.catch(() => undefined)
      return { ok: true, held, accepted, durable }
    }
    const { reason, detail } = verdict
    if (reason === 'IndexSeen') return { ok: false, reason, detail, held }
    if (!isSealed(payment.bytes, held.channel.macs.frame)) return turned(verdict)
    if (reason === 'CoinMismatch') await this.write(held)
    else await this.confirm(held)
    return turned(verdict, held)
  }

  /** Before its client is refused: throws where another node has the channel by now, and knows more of it. */
  async confirm(held: Held): Promise<void> {
    if (!(await this.#origin.confirm(toHex(Terms.reference(held.channel.channelId))))) this.#evict(held)
    assertCurrent(held)
  }

  /** The verdict on a tick, made durable in the background: `held.durable` rises when it is. */
  tick(held: Held, received: Vendor.Received<Tick>): Refusal | { readonly ok: true; readonly durable: Promise<void> } {
    assertCurrent(held)
    const verdict = Vendor.acceptTick(held.channel, received, this.#options.now())
    return verdict.ok ? { ok: true, durable: this.write(held) } : verdict
  }

  /** Takes a checkpoint that came alone, and tells when it is stored. */
  checkpoint(
    held: Held,
    checkpoint: Checkpoint.SignedCheckpoint,
  ): Refusal | { readonly ok: true; readonly durable: Promise<void> } {
    assertCurrent(held)
    const opening = freshSegment(held, checkpoint)
    const verdict = Vendor.acceptCheckpoint(held.channel, checkpoint, this.#options.now())
    if (!verdict.ok) return verdict
    held.fresh.push(...opening)
    return { ok: true, durable: this.write(held) }
  }

  /** The channel a client asks about, its MAC checked. */
  async ask(
    received: Vendor.Received<Ask>,
    attachment?: PaymentMessages['attachment'],
  ): Promise<Refusal | { readonly ok: true; readonly held: Held }> {
    const found = await this.find(received.value.reference, attachment)
    if (!found.ok) return found
    const sealed = isSealed(received.bytes, found.held.channel.macs.frame)
    return sealed ? found : refuse('MacMismatch', 'the question’s MAC is not this channel’s')
  }

  /** The channel of this reference, from memory, the store, or a valid attachment. */
  async find(
    reference: Uint8Array,
    attachment: (Attachment.Attachment & { readonly agreed: Terms.Terms }) | undefined,
  ): Promise<Refusal | { readonly ok: true; readonly held: Held }> {
    const name = toHex(reference)
    const known = this.#entries.get(name)?.held
    // Once a channel is closed its store alone has it: there it is forgotten one day.
    if (known?.channel.phase === 'closed' && !isBusy(known)) this.#evict(known)
    const entry = this.#entries.get(name) ?? this.#enter(name, this.#origin.load(reference, this.#evicter(name)))
    try {
      const held = await entry.loading
      if (held !== undefined) return { ok: true, held: this.#use(name, entry, held) }
    } catch (error) {
      this.#forget(name, entry)
      throw error
    }
    // Another request with the same attachment may have been first: then this one finds what that one made.
    const isFirst = this.#entries.get(name) === entry
    if (attachment !== undefined && !isFirst) return this.find(reference, attachment)
    this.#forget(name, entry)
    if (attachment === undefined) return refuse('ChannelUnknown', `channel ${name} has not been shown here`)
    const verdict = this.#assess(reference, attachment)
    if (!verdict.ok) return verdict
    return this.#attach(name, verdict.channel)
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
    assertCurrent(held)
    const now = reached(held.channel)
    const row = payment && paymentRow(held, payment.accepted, { ...payment, answeredAt: this.#options.now() })
    held.writes += 1
    try {
      await this.#commits.write(held, () => (held.evicted ? undefined : snapshot(held)), row)
    } catch (cause) {
      throw new StoreUnavailableError('the store failed: nothing of this was stored', { cause })
    } finally {
      held.writes -= 1
    }
    assertCurrent(held)
    raise(held.durable, now)
    wake(held)
    this.#locks.note(held)
  }

  /** A payment as the store has it, once all that was accepted before is stored. */
  async stored(held: Held, index: number): Promise<StoredPayment | undefined> {
    await this.flush()
    assertCurrent(held)
    return read(this.#options.store.payment(held.channel.channelId, index))
  }

  /** core_first … core_last of the prefix, as the store has them. */
  async cores(held: Held, last: number, first: number): Promise<readonly Uint8Array[]> {
    await this.flush()
    assertCurrent(held)
    const cores = await read(this.#options.store.cores(held.channel.channelId, last, first))
    assertCurrent(held)
    assert(cores.length === last - first + 1, 'the store holds every core of the prefix')
    return cores
  }

  /** Verifies those locks of a channel's prefix that were not yet, others first; tells whether all hold. Only where the scheme can. */
  async verifyLocks(held: Held): Promise<boolean> {
    await this.#locks.verify(held)
    assertCurrent(held)
    return held.channel.wrongLock === undefined
  }

  /** As the till was told. */
  get now(): UnixSeconds {
    return this.#options.now()
  }

  /** Resolves when everything that was accepted is stored, or has failed. */
  flush(): Promise<void> {
    return this.#commits.flush()
  }

  /** Resolves when everything is stored, and the other nodes may have the channels. */
  async stop(): Promise<void> {
    await this.flush()
    await this.#origin.stop()
  }

  #enter(name: string, loading: Promise<Held | undefined>): Entry {
    const entry: Entry = { loading, held: undefined }
    this.#entries.set(name, entry)
    return entry
  }

  #use(name: string, entry: Entry, held: Held): Held {
    entry.held = held
    held.usedAt = this.#options.now()
    this.#origin.use(name)
    if (this.#entries.get(name) === entry) {
      this.#entries.delete(name)
      this.#entries.set(name, entry)
    }
    this.#makeRoom(held.usedAt)
    return held
  }

  /** Leaves channels to the store that nobody has used for a while, where there are too many. */
  #makeRoom(now: bigint): void {
    const heldMax = this.#options.heldMax ?? 100_000
    for (const { held } of this.#entries.values()) {
      if (this.#entries.size <= heldMax) return
      if (held === undefined || isBusy(held)) continue
      if (now - held.usedAt < idleSeconds) return
      this.#evict(held)
    }
  }

  #evict(held: Held): void {
    held.evicted = true
    wake(held)
    const name = toHex(Terms.reference(held.channel.channelId))
    if (this.#entries.get(name)?.held === held) this.#entries.delete(name)
  }

  #forget(name: string, entry: Entry): void {
    if (this.#entries.get(name) === entry) this.#entries.delete(name)
  }

  #assess(
    reference: Uint8Array,
    attachment: Attachment.Attachment & { readonly agreed: Terms.Terms },
  ): Refusal | { readonly ok: true; readonly channel: Vendor.VendorChannel } {
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
    return { ok: true, channel }
  }

  /** Takes in a channel that was shown here for the first time. Whoever asks for it meanwhile waits. */
  async #attach(
    name: string,
    channel: Vendor.VendorChannel,
  ): Promise<Refusal | { readonly ok: true; readonly held: Held }> {
    const taken = this.#origin.take(channel, this.#evicter(name))
    const loading = taken.then((result) => (result.ok ? result.held : undefined))
    // Who waits for it hears of a failure, and so does who called this.
    loading.catch(() => undefined)
    const entry = this.#enter(name, loading)
    try {
      const result = await taken
      if (result.ok) this.#use(name, entry, result.held)
      else this.#forget(name, entry)
      return result
    } catch (error) {
      this.#forget(name, entry)
      throw error
    }
  }

  /** What gives up the channel that is held under this name then. */
  #evicter(name: string): () => void {
    return () => {
      const held = this.#entries.get(name)?.held
      if (held !== undefined) this.#evict(held)
    }
  }

  #isRateLimited(second: UnixSeconds): boolean {
    if (this.#newChannels.second !== second) this.#newChannels = { second, count: 0 }
    this.#newChannels.count += 1
    return this.#newChannels.count > (this.#options.attachmentRate ?? 200)
  }
}

interface Entry {
  readonly loading: Promise<Held | undefined>
  /** Once it is loaded. */
  held: Held | undefined
}

const idleSeconds = 60n

/** Whether something of it is under way that the store does not have yet. */
function isBusy(held: Held): boolean {
  return held.running.size > 0 || held.writes > 0
}

/** The segment that a checkpoint would open, if the vendor does not know it: it has to be stored even if it is dropped at once. */
function freshSegment(held: Held, checkpoint: Checkpoint.SignedCheckpoint | undefined): readonly Vendor.Segment[] {
  if (checkpoint === undefined) return []
  const { segments } = held.channel
  const isKnown =
    checkpoint.segment < segments[0]!.number || segments.some(({ number }) => number === checkpoint.segment)
  return isKnown ? [] : [Vendor.segmentOf(checkpoint)]
}

function turned({ reason, detail }: Refusal, held?: Held): Turned {
  assert(reason !== 'IndexSeen', 'an index that was seen is not turned away here')
  return { ok: false, reason, detail, ...(held && { held }) }
}
