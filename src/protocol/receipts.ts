import { equal } from '../crypto/bytes.ts'
import { type Committed, type LockScheme, lockSchemes } from '../crypto/locks.ts'
import type { Terms } from '../wire/Terms.ts'
import * as Transaction from '../wire/Transaction.ts'
import type { Core } from '../wire/Transcript.ts'

/** What every opening starts from: the terms, `c_0` and the cores of payments 1..n in order. */
export interface Chain {
  readonly terms: Terms
  readonly channelId: Uint8Array
  /** c_0. */
  readonly commitment: Uint8Array
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
  const { terms, channelId, commitment, cores } = chain
  if (index === 0) {
    const digest = Transaction.openingDigest(Transaction.opening(terms, channelId))
    return { publicKey: terms.bank, digest, commitment }
  }
  const core = cores[index - 1]!
  return {
    publicKey: terms.channelKey,
    digest: Transaction.transactionDigest(core.transaction),
    commitment: core.commitment,
  }
}

/** From `σ_n` down to `σ_0`, each verified as it opens: Design 3.7, both schemes. */
export function openFromLast(chain: Chain, last: Uint8Array): Opened {
  const scheme = lockSchemes[chain.terms.lockScheme]
  const receipts: Uint8Array[] = new Array(chain.cores.length + 1)
  let receipt = last
  for (let index = chain.cores.length; index >= 0; index--) {
    if (!isReceipt(scheme, chain, index, receipt)) return { ok: false, index, receipts }
    receipts[index] = receipt
    if (index > 0) {
      const lock = chain.cores[index - 1]!.lock
      if (!scheme.isLock(lock)) return { ok: false, index: index - 1, receipts }
      const previousCommitment = signed(chain, index - 1).commitment
      receipt = scheme.unlock({ channelId: chain.channelId, index, lock, receipt, previousCommitment })
    }
  }
  return { ok: true, receipts }
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
    if (!isReceipt(scheme, chain, index, receipt)) return { ok: false, index, receipts }
    receipts.push(receipt)
  }
  return { ok: true, receipts }
}

/** Whether this is receipt `index` of the chain: the one committed to, valid under its signer's key. */
function isReceipt(scheme: LockScheme, chain: Chain, index: number, receipt: Uint8Array): boolean {
  const { publicKey, digest, commitment } = signed(chain, index)
  return equal(scheme.commit(receipt), commitment) && scheme.verify({ publicKey, digest, receipt })
}
