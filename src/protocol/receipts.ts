import { equal } from '../crypto/bytes.ts'
import { type Committed, type LockScheme, lockSchemes } from '../crypto/locks.ts'
import type { Terms } from '../wire/Terms.ts'
import * as Transaction from '../wire/Transaction.ts'
import type { Core } from '../wire/Transcript.ts'

/** What all receipts of a channel have in common. */
export interface Head {
  readonly terms: Terms
  readonly channelId: Uint8Array
  /** c_0. */
  readonly commitment: Uint8Array
}

/** What every opening starts from: the terms, `c_0` and the cores of payments 1..n in order. */
export interface Chain extends Head {
  readonly cores: readonly Core[]
}

export type Opened =
  | { readonly ok: true /** σ_0 … σ_n */; readonly receipts: readonly Uint8Array[] }
  | {
      readonly ok: false
      /** The first receipt, in the order of opening, that is not the one committed to. */
      readonly index: number
      /** Those that opened before it, each at its index. Opening from the other end may give the rest. */
      readonly receipts: readonly (Uint8Array | undefined)[]
    }

/** Who signed receipt `index` over what: the bank over `Tx_0`, the channel key over every other. */
export function signed(chain: Chain, index: number): Committed {
  return committed(chain, index === 0 ? undefined : chain.cores[index - 1]!)
}

/** The same of the receipt of one payment, or of `σ_0` where there is none. */
export function committed({ terms, channelId, commitment }: Head, core: Core | undefined): Committed {
  if (core === undefined) {
    const digest = Transaction.openingDigest(Transaction.opening(terms, channelId))
    return { publicKey: terms.bank, digest, commitment }
  }
  return {
    publicKey: terms.channelKey,
    digest: Transaction.transactionDigest(core.transaction),
    commitment: core.commitment,
  }
}

/**
 * From `σ_n` down to `σ_0`, each verified as it opens: both schemes. Where all locks were verified before, only `σ_n` is: such a lock
 * gives a valid receipt for a valid one.
 */
export function openFromLast(chain: Chain, last: Uint8Array, areLocksVerified = false): Opened {
  const scheme = lockSchemes[chain.terms.lockScheme]
  const n = chain.cores.length
  const receipts: Uint8Array[] = new Array(n + 1)
  let receipt: Uint8Array | undefined = last
  for (let index = n; index >= 0; index--) {
    const isVouchedFor = areLocksVerified && index < n
    if (receipt === undefined || !(isVouchedFor || isReceipt(scheme, signed(chain, index), receipt))) {
      return { ok: false, index, receipts }
    }
    receipts[index] = receipt
    if (index > 0)
      receipt = unlock(chain, { index, core: chain.cores[index - 1]!, before: chain.cores[index - 2], receipt })
  }
  return { ok: true, receipts }
}

/** `σ_{i-1}` from `σ_i`, where the lock is one at all. Not verified. */
export function unlock(
  { terms, channelId, commitment }: Head,
  at: {
    readonly index: number
    readonly core: Core
    /** core_{i-1}; none where i is 1. */
    readonly before: Core | undefined
    readonly receipt: Uint8Array
  },
): Uint8Array | undefined {
  const scheme = lockSchemes[terms.lockScheme]
  const { index, core, before, receipt } = at
  if (!scheme.isLock(core.lock)) return undefined
  const previousCommitment = before?.commitment ?? commitment
  return scheme.unlock({ channelId, index, lock: core.lock, receipt, previousCommitment })
}

/** From `σ_0`, which the bank gives at Close, up to `σ_n`: `schnorr` alone, with nobody's help. */
export function openFromFirst(chain: Chain, first: Uint8Array): Opened {
  const scheme = lockSchemes[chain.terms.lockScheme]
  if (scheme.unlockNext === undefined) throw new Error(`${scheme.name} receipts open from the last one only`)
  const receipts: Uint8Array[] = []
  let receipt = first
  for (let index = 0; index <= chain.cores.length; index++) {
    if (index > 0) {
      const { lock, commitment } = chain.cores[index - 1]!
      if (!scheme.isLock(lock)) return { ok: false, index, receipts }
      receipt = scheme.unlockNext({ channelId: chain.channelId, index, lock, previous: receipt, commitment })
    }
    if (!isReceipt(scheme, signed(chain, index), receipt)) return { ok: false, index, receipts }
    receipts.push(receipt)
  }
  return { ok: true, receipts }
}

/** Whether this is the receipt committed to, valid under its signer's key. */
export function isReceipt(scheme: LockScheme, end: Committed, receipt: Uint8Array): boolean {
  const { publicKey, digest, commitment } = end
  return equal(scheme.commit(receipt), commitment) && scheme.verify({ publicKey, digest, receipt })
}
