import { concat, isZero } from '../crypto/bytes.ts'
import { taggedHash } from '../crypto/hash.ts'
import * as Schnorr from '../crypto/Schnorr.ts'
import type { Amount } from './amount.ts'
import * as Checkpoint from './Checkpoint.ts'
import { kinds, segmentLengthMax, sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { amountField, bytes, constant, copy, layout, u8, u16, u32 } from './layout.ts'
import { malformed, type Parsed, parsed } from './parsed.ts'
import * as Transcript from './Transcript.ts'

/** What proves a vendor's claim: Design 3.7. */
export type Evidence =
  | { readonly kind: 'none' }
  /** The latest checkpoint, if there was one, and a coin of the segment it opened (`step` 0: no coin). */
  | { readonly kind: 'coins'; readonly checkpoint?: Uint8Array; readonly step: number; readonly coin: Uint8Array }
  /** `σ_0` and `σ_n`. */
  | { readonly kind: 'receipts'; readonly first: Uint8Array; readonly last: Uint8Array }

/** The vendor's signed claim on a channel. Design 3.7. */
export interface Close {
  readonly channelId: Uint8Array
  readonly amount: Amount
  /** n. */
  readonly index: number
  /** t_{n-1}; zero where n is 0. */
  readonly previousTranscript: Uint8Array
  /** core_n; empty where n is 0. */
  readonly core: Uint8Array
  /** t_n. */
  readonly transcript: Uint8Array
  readonly evidence: Evidence
}

export interface SignedClose extends Close {
  /** By the vendor's settlement key. */
  readonly signature: Uint8Array
}

interface Head {
  readonly kind: number
  readonly channelId: Uint8Array
  readonly amount: Amount
  readonly index: number
  readonly previousTranscript: Uint8Array
  readonly transcript: Uint8Array
  readonly coreSize: number
  readonly evidence: number
}

const head: Layout<Head> = layout('close', {
  kind: constant(kinds.close),
  channelId: bytes(sizes.hash),
  amount: amountField,
  index: u32,
  previousTranscript: bytes(sizes.hash),
  transcript: bytes(sizes.hash),
  coreSize: u8,
  evidence: u8,
})

const coins = layout('close.coins', { step: u16, coin: bytes(sizes.coin) })
const receipts = layout('close.receipts', { first: bytes(sizes.receipt), last: bytes(sizes.receipt) })

const evidenceSizes = [0, coins.size, coins.size + Checkpoint.size, receipts.size] as const
const coreSizes: readonly number[] = [0, Transcript.coreLayout(32).size, Transcript.coreLayout(64).size]

const hashClose = taggedHash('lockstep/close')

/** The longest close there is, in bytes. */
export const sizeMax: number = head.size + coreSizes[2]! + evidenceSizes[2] + sizes.signature

/** `head ‖ core_n ‖ evidence ‖ signature`. */
export function encode(value: SignedClose): Uint8Array<ArrayBuffer> {
  return concat(body(value), value.signature)
}

export function parse(input: Uint8Array): Parsed<SignedClose> {
  if (input.length < head.size) return malformed(`close has ${head.size} bytes or more; got ${input.length}`)
  const start = head.parse(input.subarray(0, head.size))
  if (!start.ok) return start
  const { coreSize, evidence: code, index, previousTranscript } = start.value
  const evidenceSize = evidenceSizes[code]
  if (evidenceSize === undefined) return malformed('close: no such kind of evidence')
  if (!coreSizes.includes(coreSize) || (coreSize === 0) !== (index === 0)) {
    return malformed('close: a core has 188 or 220 bytes, or none where n is 0')
  }
  if (index === 0 && !isZero(previousTranscript)) return malformed('close: t_{n-1} is zero where n is 0')
  const size = head.size + coreSize + evidenceSize + sizes.signature
  if (input.length !== size) return malformed(`close has ${size} bytes; got ${input.length}`)
  const afterCore = head.size + coreSize
  const evidence = parseEvidence(code, input.subarray(afterCore, afterCore + evidenceSize))
  if (!evidence.ok) return evidence
  const { channelId, amount, transcript } = start.value
  return parsed({
    channelId,
    amount,
    index,
    previousTranscript,
    transcript,
    core: copy(input, head.size, afterCore),
    evidence: evidence.value,
    signature: copy(input, size - sizes.signature, size),
  })
}

/** What the vendor signs: everything but the signature. */
export function digest(value: Close): Uint8Array {
  return hashClose(body(value))
}

export function sign(vendor: Schnorr.KeyPair, value: Close): SignedClose {
  return { ...value, signature: Schnorr.sign(vendor, digest(value)) }
}

export function verify(vendor: Uint8Array, value: SignedClose): boolean {
  return Schnorr.verify({ publicKey: vendor, digest: digest(value), signature: value.signature })
}

function body(value: Close): Uint8Array<ArrayBuffer> {
  const [code, evidence] = encodeEvidence(value.evidence)
  const start = head.encode({ ...value, kind: kinds.close, coreSize: value.core.length, evidence: code })
  return concat(start, value.core, evidence)
}

function encodeEvidence(evidence: Evidence): [code: number, bytes: Uint8Array] {
  switch (evidence.kind) {
    case 'none':
      return [0, new Uint8Array(0)]
    case 'coins':
      return evidence.checkpoint === undefined
        ? [1, coins.encode(evidence)]
        : [2, concat(coins.encode(evidence), evidence.checkpoint)]
    case 'receipts':
      return [3, receipts.encode(evidence)]
  }
}

function parseEvidence(code: number, input: Uint8Array): Parsed<Evidence> {
  if (code === 0) return parsed({ kind: 'none' })
  if (code === 3) {
    const both = receipts.parse(input)
    return both.ok ? parsed({ kind: 'receipts', ...both.value }) : both
  }
  const coin = coins.parse(input.subarray(0, coins.size))
  if (!coin.ok) return coin
  if (coin.value.step > segmentLengthMax) return malformed('close: a segment has at most 1,024 coins')
  return parsed({
    kind: 'coins',
    ...coin.value,
    ...(code === 2 ? { checkpoint: copy(input, coins.size, input.length) } : {}),
  })
}
