import type { Committed, KeyPair, LockLink, LockScheme } from '../../src/crypto/index.ts'
import { Schnorr } from '../../src/crypto/index.ts'
import { seeded } from './seeded.ts'

/** A channel's receipts and locks, as an honest bank and client make them. */
export interface Chain {
  readonly scheme: LockScheme
  readonly channelId: Uint8Array
  readonly bank: KeyPair
  readonly client: KeyPair
  /** σ_0 (the bank's) to σ_n. */
  readonly receipts: readonly Uint8Array[]
  /** What is public about σ_0 to σ_n. */
  readonly committed: readonly Committed[]
  /** lk_1 to lk_n with both their ends; index 0 is lk_1. */
  readonly links: readonly LockLink[]
}

export function createChain(scheme: LockScheme, name: string, length: number): Chain {
  const random = seeded(name)
  const channelId = random.bytes(32)
  const [bank, client] = [Schnorr.keyPair(random.bytes(32)), Schnorr.keyPair(random.bytes(32))]
  const receipts: Uint8Array[] = []
  const committed: Committed[] = []
  const links: LockLink[] = []
  for (let index = 0; index <= length; index++) {
    const key = index === 0 ? bank : client
    const digest = random.bytes(32)
    const receipt = scheme.sign(key, digest)
    receipts.push(receipt)
    committed.push({ publicKey: key.publicKey, digest, commitment: scheme.commit(receipt) })
    if (index === 0) continue
    const lock = scheme.lock({ channelId, index, previous: receipts[index - 1]!, receipt })
    links.push({ lock, previous: committed[index - 1]!, current: committed[index]! })
  }
  return { scheme, channelId, bank, client, receipts, committed, links }
}

/** Every receipt below the last, opened one from the other. */
export function openFromLast(chain: Chain, last: Uint8Array, links: readonly LockLink[] = chain.links): Uint8Array[] {
  const opened = [last]
  for (let index = links.length; index > 0; index--) {
    const { lock, previous } = links[index - 1]!
    const previousCommitment = previous.commitment
    const receipt = opened[0]!
    opened.unshift(chain.scheme.unlock({ channelId: chain.channelId, index, lock, receipt, previousCommitment }))
  }
  return opened
}

/** Every receipt above the first. Only where the scheme opens from there. */
export function openFromFirst(chain: Chain, first: Uint8Array, links: readonly LockLink[] = chain.links): Uint8Array[] {
  const opened = [first]
  for (const [at, { lock, current }] of links.entries()) {
    const previous = opened[at]!
    const { commitment } = current
    opened.push(chain.scheme.unlockNext!({ channelId: chain.channelId, index: at + 1, lock, previous, commitment }))
  }
  return opened
}

/** Whether each receipt is a valid signature of what it is committed to. */
export function verifyAll(chain: Chain, receipts: readonly Uint8Array[]): boolean[] {
  return receipts.map((receipt, index) => {
    const { publicKey, digest } = chain.committed[index]!
    return chain.scheme.verify({ publicKey, digest, receipt })
  })
}

/** The same bytes with one bit turned. */
export function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = new Uint8Array(bytes)
  flipped[(bit >> 3) % bytes.length]! ^= 1 << (bit & 7)
  return flipped
}
