import * as LockPrefix from '../../src/crypto/LockPrefix.ts'
import { type Committed, type LockLink, type LockSchemeName, lockSchemes } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { backendName, entropy } from '../channel.ts'
import { each, type Work } from '../measure.ts'

const { schnorr, 'ecdsa-xor': xor } = lockSchemes

/** One lock checked by itself: `lk·G = S_{i-1} + S_i`. */
export function schnorrCheck(): Work {
  return {
    backend: backendName,
    prepare(count) {
      return each(chain(count), (link) => {
        if (schnorr.check?.(link) !== true) throw new Error('a good lock was refused')
      })
    },
  }
}

/** One lock checked after those before it, from the first on. */
export function schnorrStep(): Work {
  return {
    backend: backendName,
    prepare(count) {
      const links = chain(count)
      return {
        count,
        run() {
          let prefix = LockPrefix.start(links[0]!.previous)
          for (const { current, lock } of links) {
            prefix = prefix && LockPrefix.step(prefix, { ...current, lock })
          }
          if (prefix?.index !== count) throw new Error('a good lock was refused')
        },
      }
    },
  }
}

/** One lock made. Before the release nobody can check it. */
export function xorLock(): Work {
  return {
    backend: backendName,
    prepare(count) {
      const channelId = entropy(32)
      const inputs = signed('ecdsa-xor', count).map(({ receipt }, at) => ({ index: at + 1, receipt }))
      const [last] = signed('ecdsa-xor', 1)
      let previous = last!.receipt
      return each(inputs, ({ index, receipt }) => {
        if (xor.lock({ channelId, index, previous, receipt }).length !== 64) throw new Error('no lock')
        previous = receipt
      })
    },
  }
}

interface Signed extends Committed {
  readonly receipt: Uint8Array
}

/** Receipts of one key over random digests. */
function signed(name: LockSchemeName, count: number): readonly Signed[] {
  const [scheme, key] = [lockSchemes[name], Schnorr.keyPair(entropy(32))]
  return Array.from({ length: count }, () => {
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
