import { lockSchemes } from '../crypto/locks.ts'
import { committed, type Head, isReceipt, unlock } from '../protocol/index.ts'
import { readCores } from './held.ts'
import { turnOfTheLoop } from './turns.ts'

export interface OpeningOptions {
  readonly head: Head
  /** n. */
  readonly length: number
  /** core_first … core_last as they are stored. */
  readonly cores: (last: number, first: number) => Promise<readonly Uint8Array[]>
  /** Asked once `σ_n` is verified: whether all locks were verified, and so vouch for the receipts between the two ends. */
  readonly areLocksVerified: () => Promise<boolean>
  /** Told of each receipt, from the last one down. */
  readonly onReceipt?: (index: number, receipt: Uint8Array) => void
}

/**
 * Opens every receipt of a channel from `σ_n` down to `σ_0`, as many as it has. Others are served meanwhile. Gives the first one that
 * does not open; none where all do. Bytes that are no `σ_n` cost one signature, whatever was paid on the channel.
 */
export async function openStored(options: OpeningOptions, last: Uint8Array): Promise<number | undefined> {
  const { head, length, cores, areLocksVerified, onReceipt } = options
  const { lockScheme } = head.terms
  const scheme = lockSchemes[lockScheme]
  let receipt: Uint8Array | undefined = last
  let areVerified = false
  for (let top = length; top > 0; ) {
    const first = Math.max(1, top - pageLength)
    const page = readCores(lockScheme, await cores(top, first))
    // The lowest one is there for its commitment alone, to which the receipt below the others opens.
    const bottom = first === 1 ? 1 : first + 1
    for (let index = top; index >= bottom; index--) {
      const [core, before] = [page[index - first]!, page[index - first - 1]]
      if (receipt === undefined) return index
      if (!areVerified && !isReceipt(scheme, committed(head, core), receipt)) return index
      if (index === length) areVerified = await areLocksVerified()
      onReceipt?.(index, receipt)
      receipt = unlock(head, { index, core, before, receipt })
      if (index % sliceLength === 0) await turnOfTheLoop()
    }
    top = bottom - 1
  }
  if (receipt === undefined || !isReceipt(scheme, committed(head, undefined), receipt)) return 0
  onReceipt?.(0, receipt)
  return undefined
}

/** Payments that are read from the store at once. */
const pageLength = 256

/** Receipts that are opened between two turns of the event loop: a millisecond where each has to be verified. */
const sliceLength = 16
