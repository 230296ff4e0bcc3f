import { equal, toHex } from '../../crypto/bytes.ts'
import { lockSchemes } from '../../crypto/locks.ts'
import { type Chain, signed } from '../../protocol/index.ts'
import { sizes } from '../../wire/kinds.ts'
import { type ArchiveFault, type FaultReason, fault } from './archive.ts'

/** A receipt or lock that does not fit. */
interface Misfit {
  /** i. */
  readonly index: number
  readonly reason: FaultReason
  readonly says: string
}

/** Every receipt is the one committed to, valid under its signer's key, and locked under the next by the lock that was sent. */
export function receiptsFault(chain: Chain, receipts: readonly Uint8Array[]): ArchiveFault | undefined {
  const misfit = findMisfit(chain, receipts, chain.cores.length)
  if (misfit === undefined) return undefined
  const { index, reason, says } = misfit
  return fault('receipts.bin', reason, `receipt ${index} (byte ${index * sizes.receipt}): ${says}`)
}

/** The first of `σ_0 … σ_last` and their locks that does not fit: commitments first, which cost least, then signatures, then locks. */
export function findMisfit(chain: Chain, receipts: readonly Uint8Array[], last: number): Misfit | undefined {
  const scheme = lockSchemes[chain.terms.lockScheme]
  for (let index = 0; index <= last; index++) {
    const { commitment } = signed(chain, index)
    const found = scheme.commit(receipts[index]!)
    if (equal(found, commitment)) continue
    const says = `c_${index} is ${toHex(commitment)}, and this receipt is committed to by ${toHex(found)}`
    return { index, reason: 'CommitmentMismatch', says }
  }
  for (let index = 0; index <= last; index++) {
    const { publicKey, digest } = signed(chain, index)
    if (scheme.verify({ publicKey, digest, receipt: receipts[index]! })) continue
    const signer = index === 0 ? 'the bank' : 'the channel key'
    const says = `no signature of ${signer} ${toHex(publicKey)} on Tx_${index}, whose digest is ${toHex(digest)}`
    return { index, reason: 'SignatureInvalid', says }
  }
  for (let index = 1; index <= last; index++) {
    const [previous, receipt] = [receipts[index - 1]!, receipts[index]!]
    const { lock } = chain.cores[index - 1]!
    const found = scheme.lock({ channelId: chain.channelId, index, previous, receipt })
    if (equal(found, lock)) continue
    const says = `lk_${index} is ${toHex(lock)}; receipts ${index - 1} and ${index} are locked by ${toHex(found)}`
    return { index, reason: 'LockMismatch', says }
  }
  return undefined
}
