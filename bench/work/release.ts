import type { LockSchemeName } from '../../src/crypto/locks.ts'
import { type Chain, openFromLast } from '../../src/protocol/index.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { backendName, openChannel, pay, read } from '../channel.ts'
import { times, type Work } from '../measure.ts'

interface Released {
  readonly chain: Chain
  /** `σ_n`. */
  readonly last: Uint8Array
}

/** Receipts opened from `σ_n` down to `σ_0`, each verified as it opens. One operation is one receipt. */
export function unverified(lockScheme: LockSchemeName): Work<Released> {
  return {
    backend: backendName,
    prepare: (count) => release(lockScheme, count),
    run({ chain, last }) {
      const opened = openFromLast(chain, last)
      if (!opened.ok) throw new Error(`receipt ${opened.index} did not open`)
    },
  }
}

/** The same where every lock was verified before: `σ_n` alone is verified, the others are what the locks say. */
export function verifiedBefore(): Work<Released> {
  return {
    backend: backendName,
    prepare: (count) => release('schnorr', count),
    run({ chain, last }) {
      const opened = openFromLast(chain, last, true)
      if (!opened.ok) throw new Error(`receipt ${opened.index} did not open`)
    },
  }
}

/** A channel of `count` receipts: its payments are one fewer, `σ_0` is the bank's. */
function release(lockScheme: LockSchemeName, count: number): Released {
  const { client } = openChannel({ lockScheme })
  const { terms, channelId, attachment } = client
  const layout = Transcript.coreLayout(client.scheme.lockSize)
  const cores = times(count - 1, () => read(layout.parse(pay(client).core)))
  return { chain: { terms, channelId, commitment: attachment.commitment, cores }, last: client.receipt }
}
