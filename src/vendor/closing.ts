import { toHex } from '../crypto/bytes.ts'
import type * as Schnorr from '../crypto/Schnorr.ts'
import { assert, type Refusal, Vendor } from '../protocol/index.ts'
import * as Checkpoint from '../wire/Checkpoint.ts'
import * as Close from '../wire/Close.ts'
import * as Closing from '../wire/Closing.ts'
import * as Frame from '../wire/Frame.ts'
import * as Statement from '../wire/Statement.ts'
import type * as Transcript from '../wire/Transcript.ts'
import { type Held, readCores } from './held.ts'
import { matchPath, problemResponse, readBody } from './paywall.ts'
import type { VendorStore } from './store/contract.ts'
import type { Till } from './till.ts'

/** Paths under the vendor's address that clients ask and release at: PROTOCOL 3.10. */
export const managementPaths = { ask: '/lockstep/ask', release: '/lockstep/release' } as const

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

/** States the vendor's last on a channel, stored before it leaves. Asked again, it says the same. */
export async function close(
  options: ClosingOptions,
  held: Held,
): Promise<Refusal | { readonly ok: true; readonly closing: Uint8Array }> {
  if (held.closing !== undefined) return { ok: true, closing: held.closing }
  const result = Vendor.createClosing(held.channel, options.vendor)
  if (!result.ok) return result
  held.closing = Closing.encode(result.closing)
  await options.till.write(held)
  return { ok: true, closing: held.closing }
}

/** Takes the client's release: opens and verifies every receipt, and keeps what opened them. */
export async function release(options: ClosingOptions, held: Held, bytes: Uint8Array): Promise<Refusal | Released> {
  const parsed = Closing.parseRelease(bytes)
  if (!parsed.ok) return parsed
  const { channel } = held
  const cores = await loadCores(options.store, held)
  const verdict = Vendor.acceptRelease(channel, parsed.value, Vendor.chainOf(channel, cores))
  if (!verdict.ok) return verdict
  held.release = bytes
  await options.till.write(held)
  return { ok: true, receipts: verdict.receipts, cores }
}

/** The claim on the bank for what was charged, stored before it leaves; the same bytes when asked again. */
export async function claim(options: ClosingOptions, held: Held): Promise<Uint8Array> {
  if (held.claim !== undefined) return held.claim
  assert(held.channel.phase !== 'open', 'a channel is closed before it is claimed')
  const chain = Vendor.chainOf(held.channel, await loadCores(options.store, held))
  const signed = Vendor.createClose({
    channel: held.channel,
    vendor: options.vendor,
    last: Vendor.lastOf(chain),
    release: releasedCheckpoint(held),
  })
  held.claim = Close.encode(signed)
  await options.till.write(held)
  return held.claim
}

/** The bank has paid: nothing is left to do on this channel. */
export async function settled(options: ClosingOptions, held: Held): Promise<void> {
  held.channel.phase = 'closed'
  await options.till.write(held)
}

/** Answers questions and releases of clients over HTTP. */
export function management(options: ClosingOptions): (request: Request) => Promise<Response | undefined> {
  return async (request) => {
    const { pathname } = new URL(request.url)
    if (request.method !== 'POST') return undefined
    if (matchPath(managementPaths.ask, pathname)) return answerAsk(options, request)
    if (matchPath(managementPaths.release, pathname)) return answerRelease(options, request)
    return undefined
  }
}

async function answerAsk(options: ClosingOptions, request: Request): Promise<Response> {
  const body = await readBody(request, Frame.askSize)
  if (body === undefined)
    return problemResponse({ reason: 'BodyTooLarge', detail: `a question has ${Frame.askSize} bytes` })
  const ask = Frame.parseAsk(body)
  if (!ask.ok) return problemResponse(ask)
  const found = await options.till.ask({ bytes: body, value: ask.value })
  if (!found.ok) return problemResponse(found)
  const { channel } = found.held
  if (ask.value.ask === 'statement') {
    return binary(Statement.encode(Vendor.statement(channel, 0, 0n), channel.macs.statement))
  }
  const closing = await close(options, found.held)
  return closing.ok ? binary(closing.closing) : problemResponse(closing)
}

async function answerRelease(options: ClosingOptions, request: Request): Promise<Response> {
  const body = await readBody(request, Closing.releaseSize)
  const parsed = body && Closing.parseRelease(body)
  if (body === undefined || parsed === undefined) {
    return problemResponse({ reason: 'BodyTooLarge', detail: `a release has ${Closing.releaseSize} bytes` })
  }
  if (!parsed.ok) return problemResponse(parsed)
  const found = await options.till.find(parsed.value.channelId.subarray(0, 16), undefined)
  if (!found.ok) return problemResponse(found)
  const released = await release(options, found.held, body)
  if (!released.ok) return problemResponse(released)
  const { channel } = found.held
  return Response.json(
    { channelId: toHex(channel.channelId), receiptsOpened: released.receipts.length },
    { headers: { 'Cache-Control': 'no-store' } },
  )
}

async function loadCores(store: VendorStore, held: Held): Promise<Transcript.Core[]> {
  const { channelId, window, terms } = held.channel
  return readCores(terms.lockScheme, await store.cores(channelId, window.contiguous))
}

function releasedCheckpoint(held: Held): Checkpoint.SignedCheckpoint | undefined {
  const release = held.release && Closing.parseRelease(held.release)
  const checkpoint = release?.ok ? Checkpoint.parse(release.value.checkpoint) : undefined
  return checkpoint?.ok ? checkpoint.value : undefined
}

function binary(bytes: Uint8Array): Response {
  return new Response(new Uint8Array(bytes), {
    headers: { 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' },
  })
}
