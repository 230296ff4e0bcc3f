import { concat, isZero } from '../crypto/bytes.ts'
import type { LockSchemeName } from '../crypto/locks.ts'
import * as Checkpoint from './Checkpoint.ts'
import { checkpointEvery, kinds, proofs, sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { bytes, choice, constant, copy, layout, u16, u32 } from './layout.ts'
import { malformed, type Parsed, parsed } from './parsed.ts'
import * as Transcript from './Transcript.ts'

/**
 * Shows that `lk_i`, which the client signed in a checkpoint, does not lock receipt `i − 1` under receipt `i`: Design 3.7.
 * What the bank has itself, `Tx_0`, `c_0` and `γ`, is not in it.
 */
export interface BadOpening {
  readonly channelId: Uint8Array
  readonly lockScheme: LockSchemeName
  /** i, from 1. */
  readonly index: number
  /** t_{i-2}. Zero where i is 1: the transcript then starts from the channel itself. */
  readonly previousTranscript: Uint8Array
  /** At m, the index of the last core. 171 bytes. */
  readonly checkpoint: Uint8Array
  /** σ_i, with `ecdsa-xor`; with `schnorr` empty: such a lock is wrong without any receipt. */
  readonly receipt: Uint8Array
  /** core_{i-1} … core_m, from core_1 where i is 1. */
  readonly cores: readonly Uint8Array[]
}

interface Head {
  readonly kind: number
  readonly proof: number
  readonly channelId: Uint8Array
  readonly lockScheme: LockSchemeName
  readonly index: number
  readonly previousTranscript: Uint8Array
  readonly checkpoint: Uint8Array
  readonly count: number
}

const head: Layout<Head> = layout('badOpening', {
  kind: constant(kinds.evidence),
  proof: constant(proofs.badOpening),
  channelId: bytes(sizes.hash),
  lockScheme: choice<LockSchemeName>(['schnorr', 'ecdsa-xor']),
  index: u32,
  previousTranscript: bytes(sizes.hash),
  checkpoint: bytes(Checkpoint.size),
  count: u16,
})

const variable: Readonly<Record<LockSchemeName, { readonly receipt: number; readonly core: number }>> = {
  schnorr: { receipt: 0, core: Transcript.coreLayout(32).size },
  'ecdsa-xor': { receipt: sizes.receipt, core: Transcript.coreLayout(64).size },
}

/** Cores from one checkpoint to the next, and the one before them. */
export const coresMax: number = checkpointEvery + 1

/** The longest evidence there is, in bytes. */
export const sizeMax: number = head.size + variable['ecdsa-xor'].receipt + coresMax * variable['ecdsa-xor'].core

/** Made from what a vendor keeps: `t_0`, core_1 … core_m, the checkpoint at m, and `σ_i` where the scheme needs it. */
export function create(
  fraud: Pick<BadOpening, 'channelId' | 'lockScheme' | 'index' | 'checkpoint' | 'cores'> & {
    /** t_0. */
    readonly first: Uint8Array
    readonly receipt: Uint8Array | undefined
  },
): BadOpening {
  const { first, cores, index, receipt = new Uint8Array(0), ...rest } = fraud
  // Two cores stand for i ≥ 2: what comes before them is in t_{i-2}.
  const before = Math.max(0, index - 2)
  const previousTranscript = index === 1 ? new Uint8Array(32) : cores.slice(0, before).reduce(Transcript.next, first)
  return { ...rest, index, previousTranscript, receipt, cores: cores.slice(before) }
}

/** `head ‖ σ_i, with ecdsa-xor ‖ cores`. */
export function encode(value: BadOpening): Uint8Array<ArrayBuffer> {
  const { receipt, cores, lockScheme } = value
  const widths = variable[lockScheme]
  if (receipt.length !== widths.receipt || cores.some(({ length }) => length !== widths.core)) {
    throw new RangeError(`no receipt or core of ${lockScheme} has this size`)
  }
  const start = { ...value, kind: kinds.evidence, proof: proofs.badOpening, count: cores.length }
  return concat(head.encode(start), receipt, ...cores)
}

/** Knows the size before it reads a core. */
export function parse(input: Uint8Array): Parsed<BadOpening> {
  if (input.length < head.size) return malformed(`badOpening has ${head.size} bytes or more; got ${input.length}`)
  const start = head.parse(input.subarray(0, head.size))
  if (!start.ok) return start
  const { channelId, lockScheme, index, previousTranscript, checkpoint, count } = start.value
  if (index < 1) return malformed('badOpening: locks start at 1')
  if (count < (index === 1 ? 1 : 2) || count > coresMax) {
    return malformed('badOpening: cores i − 1 and i, and 1,025 at most')
  }
  if (index === 1 && !isZero(previousTranscript)) return malformed('badOpening: t_{i-2} is zero where i is 1')
  const { receipt, core } = variable[lockScheme]
  const size = head.size + receipt + count * core
  if (input.length !== size) return malformed(`badOpening has ${size} bytes; got ${input.length}`)
  const first = head.size + receipt
  return parsed({
    channelId,
    lockScheme,
    index,
    previousTranscript,
    checkpoint,
    receipt: copy(input, head.size, first),
    cores: Array.from({ length: count }, (_, at) => copy(input, first + at * core, first + (at + 1) * core)),
  })
}
