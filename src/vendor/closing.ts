import type * as Schnorr from '../crypto/Schnorr.ts'
import { type Chain, type Refusal, refuse, Vendor } from '../protocol/index.ts'
import * as Checkpoint from '../wire/Checkpoint.ts'
import * as Close from '../wire/Close.ts'
import * as Closing from '../wire/Closing.ts'
import type * as Transcript from '../wire/Transcript.ts'
import { type Held, readCores } from './held.ts'
import type { VendorStore } from './store/contract.ts'
import type { Till } from './till.ts'

export interface ClosingOptions {
  readonly till: Till
  readonly store: VendorStore
  /** The vendor's settlement key. */
  readonly vendor: Schnorr.KeyPair
}

export interface Released {
  readonly ok: true
  /** σ_0 … σ_n, each verified. */
  readonly receipts: readonly Uint8Array[]
  readonly cores: readonly Transcript.Core[]
}

/** States the vendor's last on a channel, stored before it leaves. Asked again, it says the same. A stale one is only claimed. */
export async function close(
  options: ClosingOptions,
  held: Held,
): Promise<Refusal | { readonly ok: true; readonly closing: Uint8Array }> {
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
  return { ok: true, closing }
}

/** Takes the client's release: opens and verifies every receipt, and keeps what opened them. */
export async function release(options: ClosingOptions, held: Held, bytes: Uint8Array): Promise<Refusal | Released> {
  const parsed = Closing.parseRelease(bytes)
  if (!parsed.ok) return parsed
  // Before anything is loaded: the prefix of an open channel may grow meanwhile.
  if (held.channel.phase === 'open') {
    return refuse('ReleaseInvalid', 'the vendor has not stated its last: ask for its closing')
  }
  const loaded = await loadChain(options, held)
  if (!loaded.ok) return loaded
  const { chain } = loaded
  const verdict = Vendor.acceptRelease(held.channel, parsed.value, chain)
  if (!verdict.ok) return verdict
  held.release = bytes
  await options.till.write(held)
  return { ok: true, receipts: verdict.receipts, cores: chain.cores }
}

/**
 * The claim on the bank for what was charged, stored before it leaves; the same bytes when asked again. A channel that cannot
 * be closed, because payments are missing, is claimed all the same: nothing is accepted or charged afterwards.
 */
export async function claim(
  options: ClosingOptions,
  held: Held,
): Promise<Refusal | { readonly ok: true; readonly claim: Uint8Array }> {
  const busy = assessIdle(held)
  if (busy !== undefined) return busy
  // Before anything is loaded: from here on nothing is accepted.
  if (held.channel.phase === 'open') held.channel.phase = 'closing'
  const loaded = await loadChain(options, held)
  if (!loaded.ok) return loaded
  held.claim ??= Close.encode(
    Vendor.createClose({
      channel: held.channel,
      vendor: options.vendor,
      last: Vendor.lastOf(loaded.chain),
      release: releasedCheckpoint(held),
    }),
  )
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

/** The prefix as the store has it. Of a closed channel the store keeps it for a while, this process may keep more. */
async function loadChain({ till }: ClosingOptions, held: Held): Promise<Refusal | { readonly ok: true; chain: Chain }> {
  const { channel } = held
  const cores = readCores(channel.terms.lockScheme, await till.cores(held))
  if (channel.phase === 'closed' && cores.length === 0 && channel.window.contiguous > 0) {
    return refuse('ChannelClosed', 'the channel was closed, and what was paid through it is not kept any more')
  }
  return { ok: true, chain: Vendor.chainOf(channel, cores) }
}

function releasedCheckpoint(held: Held): Checkpoint.SignedCheckpoint | undefined {
  const release = held.release && Closing.parseRelease(held.release)
  const checkpoint = release?.ok ? Checkpoint.parse(release.value.checkpoint) : undefined
  return checkpoint?.ok ? checkpoint.value : undefined
}
