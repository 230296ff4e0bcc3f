import { equal } from '../../src/crypto/bytes.ts'
import { type LockSchemeName, lockSchemes } from '../../src/crypto/locks.ts'
import { type Chain, openFromLast, signed } from '../../src/protocol/index.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { backendName, openChannel, pay, read } from '../channel.ts'
import type { Work } from '../measure.ts'

/** Receipts opened from `σ_n` down to `σ_0`, each verified as it opens. One operation is one receipt. */
export function unverified(lockScheme: LockSchemeName): Work {
  return {
    backend: backendName,
    prepare(count) {
      const { chain, last } = released(lockScheme, count)
      return {
        count,
        run() {
          const opened = openFromLast(chain, last)
          if (!opened.ok) throw new Error(`receipt ${opened.index} did not open`)
        },
      }
    },
  }
}

/**
 * The same where every lock was verified when it came: then `σ_n` alone is verified, and the others are what the locks say.
 * One subtraction a receipt.
 */
export function verifiedBefore(): Work {
  return {
    backend: backendName,
    prepare(count) {
      const { chain, last, first } = released('schnorr', count)
      const scheme = lockSchemes.schnorr
      return {
        count,
        run() {
          const { publicKey, digest } = signed(chain, chain.cores.length)
          if (!scheme.verify({ publicKey, digest, receipt: last })) throw new Error('the last receipt was refused')
          let receipt = last
          for (let index = chain.cores.length; index > 0; index--) {
            const { lock } = chain.cores[index - 1]!
            const previousCommitment = chain.cores[index - 2]?.commitment ?? chain.commitment
            receipt = scheme.unlock({ channelId: chain.channelId, index, lock, receipt, previousCommitment })
          }
          if (!equal(receipt, first)) throw new Error('the first receipt did not open')
        },
      }
    },
  }
}

/** A channel of `count` receipts: its payments are one fewer, `σ_0` is the bank's. */
function released(
  lockScheme: LockSchemeName,
  count: number,
): { readonly chain: Chain; readonly last: Uint8Array; readonly first: Uint8Array } {
  const { client, first } = openChannel(lockScheme)
  const { terms, channelId, attachment, scheme } = client
  const layout = Transcript.coreLayout(scheme.lockSize)
  const cores = Array.from({ length: count - 1 }, () => read(layout.parse(pay(client).core)))
  return { chain: { terms, channelId, commitment: attachment.commitment, cores }, last: client.receipt, first }
}
