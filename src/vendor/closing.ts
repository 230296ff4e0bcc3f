import { equal } from '../crypto/bytes.ts'
import type * as Schnorr from '../crypto/Schnorr.ts'
import { type Refusal, refuse, Vendor } from '../protocol/index.ts'
import * as Checkpoint from '../wire/Checkpoint.ts'
import * as Close from '../wire/Close.ts'
import * as Closing from '../wire/Closing.ts'
import * as Terms from '../wire/Terms.ts'
import * as Transcript from '../wire/Transcript.ts'
import type { Held, Released } from './held.ts'
import { type OpeningOptions, openStored } from './opening.ts'
import type { VendorStore } from './store/contract.ts'
import type { Till } from './till.ts'
import { turnOfTheLoop } from './turns.ts'

/** What it takes to end a channel on the side of its vendor. */
export interface ClosingOptions {
  readonly till: Till
  readonly store: VendorStore
  /** The vendor's settlement key. */
  readonly vendor: Schnorr.KeyPair
  /** How long a request waits for its release to be opened, before it is told to ask again. */
  readonly releaseWaitMs?: number
}

/** States the vendor's last on a channel, stored before it leaves. Asked again, it says the same. A stale one is only claimed. */
export async function close(
  options: ClosingOptions,
  held: Held,
): Promise<Refusal | { readonly ok: true; readonly closing: Uint8Array }> {
  const { phase, channelId } = held.channel
  if (phase === 'closed' && (await options.store.channel(Terms.reference(channelId))) === undefined) {
    return refuse('ChannelClosed', 'the channel was closed, and nothing of it is kept any more')
  }
  if (held.closing === undefined) {
    const busy = assessIdle(held)
    if (busy !== undefined) return busy
    const result = Vendor.createClosing(held.channel, options.vendor)
    if (!result.ok) {
      if (held.channel.phase === 'closing') await options.till.write(held)
      return result
    }
    held.closing = Closing.encode(result.closing)
  }
  const { closing } = held
  // Also where another request made it a moment ago: nobody gets it before it is stored.
  await options.till.write(held)
  // The release that it asks for comes soon. Whoever brings it hears of what fails here.
  options.till.verifyLocks(held).catch(() => undefined)
  return { ok: true, closing }
}

/**
 * Takes the client's release: opens every receipt, and keeps what opened them. It may take long; the same release sent again,
 * meanwhile or later, gets the same answer.
 */
export async function release(options: ClosingOptions, held: Held, bytes: Uint8Array): Promise<Refusal | Released> {
  while (held.releasing !== undefined) {
    const { bytes: other, verdict } = held.releasing
    if (equal(other, bytes)) return verdict
    // Who sent the other one hears of its failure.
    await verdict.catch(() => undefined)
  }
  // What a stale channel was given back may stand over payments that its store has lost.
  if (held.release !== undefined && equal(held.release, bytes) && !held.channel.stale) return released(held)
  const verdict = open(options, held, bytes)
  held.releasing = { bytes, verdict }
  try {
    return await verdict
  } finally {
    held.releasing = undefined
  }
}

/**
 * The claim on the bank for what was charged, stored before it leaves; the same bytes when asked again. A channel that cannot
 * be closed, because payments are missing, is claimed all the same: nothing is accepted or charged afterwards. Once it is over, what
 * still runs holds up nothing either: it would outlive the deadline.
 */
export async function claim(
  options: ClosingOptions,
  held: Held,
): Promise<Refusal | { readonly ok: true; readonly claim: Uint8Array }> {
  const isOver = options.till.now >= held.channel.terms.expiresAt
  const busy = isOver ? undefined : assessIdle(held)
  if (busy !== undefined) return busy
  // Before anything is loaded: from here on nothing is accepted, and what was refused for it stays refused.
  if (held.channel.phase === 'open') {
    held.channel.phase = 'closing'
    await options.till.write(held)
  }
  const forgotten = await assessKept(options, held)
  if (forgotten !== undefined) return forgotten
  if (held.claim === undefined) {
    const last = await lastOf(options, held)
    const { channel } = held
    const { vendor } = options
    held.claim ??= Close.encode(Vendor.createClose({ channel, vendor, last, release: releasedCheckpoint(held) }))
  }
  const signed = held.claim
  await options.till.write(held)
  return { ok: true, claim: signed }
}

/**
 * Takes what the client left at the bank: its release, and the closing that it answers where this store lost that. Gives
 * whether it was taken.
 */
export async function takeLeft(
  options: ClosingOptions,
  held: Held,
  left: { readonly release: Uint8Array; readonly closing?: Uint8Array },
): Promise<boolean> {
  if (held.closing !== undefined) return (await release(options, held, left.release)).ok
  const [closing, answer] = [left.closing && Closing.parse(left.closing), Closing.parseRelease(left.release)]
  if (closing?.ok !== true || !answer.ok) return false
  if (!Vendor.recallClosing(held.channel, closing.value, answer.value)) return false
  held.closing = left.closing
  held.release = left.release
  await options.till.write(held)
  return true
}

/** The bank has paid: nothing is left to do on this channel. */
export async function settled(options: ClosingOptions, held: Held): Promise<void> {
  held.channel.phase = 'closed'
  await options.till.write(held)
}

/** A handler or a stream may still charge; what the vendor signs says what was charged. */
function assessIdle(held: Held): Refusal | undefined {
  const { size } = held.running
  return size === 0 ? undefined : refuse('RequestsRunning', `${size} requests or streams are under way on this channel`)
}

/** t after so many payments, from the first one on. Others are served meanwhile. */
export async function transcriptAt(till: Till, held: Held, count: number): Promise<Uint8Array> {
  const { channelId, attachment } = held.channel
  let transcript = Transcript.first(channelId, attachment.commitment)
  for (let first = 1; first <= count; first += pageLength) {
    const cores = await till.cores(held, Math.min(first + pageLength - 1, count), first)
    transcript = cores.reduce((before, core) => Transcript.next(before, core), transcript)
    await turnOfTheLoop()
  }
  return transcript
}

async function open(options: ClosingOptions, held: Held, bytes: Uint8Array): Promise<Refusal | Released> {
  const { till } = options
  const parsed = Closing.parseRelease(bytes)
  if (!parsed.ok) return parsed
  const assessed = Vendor.assessRelease(held.channel, parsed.value)
  if (!assessed.ok) return assessed
  const forgotten = await assessKept(options, held)
  if (forgotten !== undefined) return forgotten
  const { channelId, terms, attachment, scheme, window } = held.channel
  let opened: { readonly index: number; readonly receipt: Uint8Array } | undefined
  const opening: OpeningOptions = {
    head: { channelId, terms, commitment: attachment.commitment },
    length: window.contiguous,
    cores: (last: number, first: number) => till.cores(held, last, first),
    areLocksVerified: async () => scheme.checkable && (await till.verifyLocks(held)),
    onReceipt(index, receipt) {
      opened = { index, receipt }
    },
  }
  const unopened = await openStored(opening, parsed.value.receipt)
  if (unopened !== undefined) {
    if (opened !== undefined) {
      held.above = opened
      const segment = Vendor.keepCheckpoint(held.channel, { checkpoint: assessed.checkpoint, index: opened.index })
      if (segment !== undefined) held.fresh.push(segment)
      await till.write(held)
    }
    return Vendor.refuseOpening(unopened)
  }
  held.release = bytes
  await till.write(held)
  return released(held)
}

/** Of a closed channel the store keeps the payments for a while, this process may keep more. */
async function assessKept({ store }: ClosingOptions, { channel }: Held): Promise<Refusal | undefined> {
  const { phase, channelId, window } = channel
  if (phase !== 'closed' || window.contiguous === 0) return undefined
  if ((await store.cores(channelId, 1)).length > 0) return undefined
  return refuse('ChannelClosed', 'the channel was closed, and what was paid through it is not kept any more')
}

function released({ channel }: Held): Released {
  return { ok: true, receiptsOpened: channel.window.contiguous + 1 }
}

/** t_{n-1} and core_n; none where nothing was paid. */
async function lastOf({ till }: ClosingOptions, held: Held): Promise<Parameters<typeof Vendor.createClose>[0]['last']> {
  const { contiguous } = held.channel.window
  if (contiguous === 0) return undefined
  const previousTranscript = await transcriptAt(till, held, contiguous - 1)
  const [core] = await till.cores(held, contiguous, contiguous)
  return { previousTranscript, core: core! }
}

/** Payments that are read from the store at once. */
const pageLength = 256

function releasedCheckpoint(held: Held): Checkpoint.SignedCheckpoint | undefined {
  const release = held.release && Closing.parseRelease(held.release)
  const checkpoint = release?.ok ? Checkpoint.parse(release.value.checkpoint) : undefined
  return checkpoint?.ok ? checkpoint.value : undefined
}
