/** What the tests of the chain share: keys, batches, and the memory of a log. */

import { expect } from 'vitest'
import type { Batch } from '../../src/chain/Chain.ts'
import { ChainError, type ChainReason } from '../../src/chain/chainError.ts'
import type { LogStore } from '../../src/chain/embedded.ts'
import { utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import * as MerkleTree from '../../src/crypto/MerkleTree.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'

export const network = 'lockstep:test'
export const bank: Schnorr.KeyPair = Schnorr.keyPair(digest('bank'))
export const otherBank: Schnorr.KeyPair = Schnorr.keyPair(digest('another bank'))

export function digest(text: string): Uint8Array {
  return sha256(utf8(text))
}

/** Leaves of a batch, different in each. */
export function leavesOf(number: number, count = 5): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) => digest(`leaf ${index} of batch ${number}`))
}

export function batchOf(number: number, count = 5): Batch {
  return { number, root: MerkleTree.build(leavesOf(number, count)).root, count }
}

export interface MemoryLog extends LogStore {
  /** The entries themselves, for tests to damage. */
  readonly stored: Uint8Array[]
}

export function memoryLog(): MemoryLog {
  const stored: Uint8Array[] = []
  return {
    stored,
    append: (sequence, entry) => {
      if (sequence !== stored.length + 1) throw new Error(`sequence ${sequence} is taken`)
      stored.push(entry)
    },
    entries: (from) => stored.slice(from - 1),
    last: () => stored.at(-1),
  }
}

export function changed(bytes: Uint8Array, offset: number, change: number): Uint8Array {
  const copy = new Uint8Array(bytes)
  copy[offset]! ^= change
  return copy
}

/** The error a chain gives; every one says that nothing happened, or that this is not known, and what to do. */
export async function chainErrorOf(call: Promise<unknown>, reason: ChainReason): Promise<ChainError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ChainError)) throw new Error('no ChainError', { cause: error })
  expect(error.reason).toBe(reason)
  expect(error.message).not.toContain('\n')
  expect(error.message).toMatch(/\.$/)
  return error
}
