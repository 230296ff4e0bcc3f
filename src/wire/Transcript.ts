import { taggedHash } from '../crypto/hash.ts'
import { sizes } from './kinds.ts'
import type { Field, Layout } from './layout.ts'
import { bytes, layout, u32 } from './layout.ts'
import { type Transaction, transactionFields, transactionLayout } from './Transaction.ts'

/** What a payment adds to the transcript: `core_i` of Design 1. */
export interface Core {
  readonly transaction: Uint8Array
  readonly segment: number
  /** j, or 0 where a checkpoint alone pays. */
  readonly step: number
  /** w_j, or zero where a checkpoint alone pays. */
  readonly coin: Uint8Array
  readonly commitment: Uint8Array
  readonly lock: Uint8Array
}

/** `Tx_i ‖ segment ‖ j ‖ w ‖ c_i ‖ lk_i`: 188 bytes with `schnorr`, 220 with `ecdsa-xor`. */
export function encode(core: Core): Uint8Array<ArrayBuffer> {
  return coreLayout(core.lock.length).encode(core)
}

export function coreLayout(lockSize: number): Layout<Core> {
  return lockSize === 32 ? coreOfScalarLock : coreOfMaskLock
}

/** The same of a transaction that was not encoded before: one piece of memory fewer for each payment. */
export function encodeWhole(core: WholeCore): Uint8Array<ArrayBuffer> {
  return (core.lock.length === 32 ? wholeOfScalarLock : wholeOfMaskLock).encode(core)
}

/** A core and its transaction side by side. */
type WholeCore = Omit<Core, 'transaction'> & Transaction

const encodedTransaction = { transaction: bytes(transactionLayout.size) }

const coreOfScalarLock: Layout<Core> = layout('core', { ...encodedTransaction, ...fieldsAfter(32) })
const coreOfMaskLock: Layout<Core> = layout('core', { ...encodedTransaction, ...fieldsAfter(64) })
const wholeOfScalarLock: Layout<WholeCore> = layout('core', { ...transactionFields, ...fieldsAfter(32) })
const wholeOfMaskLock: Layout<WholeCore> = layout('core', { ...transactionFields, ...fieldsAfter(64) })

/** What a core has after its transaction. */
function fieldsAfter(lockSize: number): { readonly [Name in Exclude<keyof Core, 'transaction'>]: Field<Core[Name]> } {
  return {
    segment: u32,
    step: u32,
    coin: bytes(sizes.coin),
    commitment: bytes(sizes.commitment),
    lock: bytes(lockSize),
  }
}

const hashTranscript = taggedHash('lockstep/transcript')

/** `t_0 = H(channelId ‖ c_0)`. */
export function first(channelId: Uint8Array, commitment: Uint8Array): Uint8Array {
  return hashTranscript(channelId, commitment)
}

/** `t_i = H(t_{i-1} ‖ core_i)`. */
export function next(previous: Uint8Array, core: Uint8Array): Uint8Array {
  return hashTranscript(previous, core)
}
