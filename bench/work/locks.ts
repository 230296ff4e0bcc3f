import * as LockPrefix from '../../src/crypto/LockPrefix.ts'
import {
  type Committed,
  type LockLink,
  type LockScheme,
  type LockSchemeName,
  lockSchemes,
} from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { backendName, entropy } from '../channel.ts'
import { each, times, type Work } from '../measure.ts'

const schnorr = lockSchemes.schnorr
const xor = lockSchemes['ecdsa-xor']

/** One lock checked by itself: `lk·G = S_{i-1} + S_i`. */
export function schnorrCheck(): Work<readonly LockLink[]> {
  return {
    backend: backendName,
    prepare: chain,
    run: each((link) => {
      if (schnorr.check?.(link) !== true) throw new Error('a good lock was refused')
    }),
  }
}

/** One lock checked after those before it, from the first on. */
export function schnorrStep(): Work<readonly LockLink[]> {
  return {
    backend: backendName,
    prepare: chain,
    run(links) {
      let prefix = LockPrefix.start(links[0]!.previous)
      for (const { current, lock } of links) prefix = prefix && LockPrefix.step(prefix, { ...current, lock })
      if (prefix?.index !== links.length) throw new Error('a good lock was refused')
    },
  }
}

/** One lock made. Before the release nobody can check it. */
export function xorLock(): Work<readonly Parameters<LockScheme['lock']>[0][]> {
  return {
    backend: backendName,
    prepare(count) {
      const channelId = entropy(32)
      const receipts = signed('ecdsa-xor', count + 1)
      return receipts.slice(1).map(({ receipt }, at) => {
        return { channelId, index: at + 1, previous: receipts[at]!.receipt, receipt }
      })
    },
    run: each((receipts) => {
      if (xor.lock(receipts).length !== 64) throw new Error('no lock')
    }),
  }
}

interface Signed extends Committed {
  readonly receipt: Uint8Array
}

/** Receipts of one key over random digests. */
function signed(name: LockSchemeName, count: number): readonly Signed[] {
  const [scheme, key] = [lockSchemes[name], Schnorr.keyPair(entropy(32))]
  return times(count, () => {
    const digest = entropy(32)
    const receipt = scheme.sign(key, digest)
    return { publicKey: key.publicKey, digest, receipt, commitment: scheme.commit(receipt) }
  })
}

function chain(count: number): readonly LockLink[] {
  const receipts = signed('schnorr', count + 1)
  const channelId = entropy(32)
  return receipts.slice(1).map((current, at) => {
    const previous = receipts[at]!
    const lock = schnorr.lock({ channelId, index: at + 1, previous: previous.receipt, receipt: current.receipt })
    return { lock, previous, current }
  })
}
