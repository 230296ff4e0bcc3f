/**
 * Merkle trees in the shape of RFC 6962: a tree of n leaves splits at the largest power of two below n, so that no leaf
 * is ever doubled to fill a level. Leaves, nodes and roots are hashed under tags of their own, and the root binds the
 * number of leaves: a proof for one index, count and leaf is a proof for no other.
 */

import { equal, u64 } from './bytes.ts'
import { taggedHash } from './hash.ts'
import { assertSize } from './scalar.ts'

export interface MerkleTree {
  /** Number of leaves, at least 1. */
  readonly count: number
  readonly root: Uint8Array
  /** Hashed leaves first, the top alone last. A node without a sibling stands in the next level as it is. */
  readonly levels: readonly (readonly Uint8Array[])[]
}

/**
 * Throws without leaves, and for a leaf that is not 32 bytes: a leaf is a digest already.
 *
 * ```ts
 * const tree = MerkleTree.build(leaves)
 * const path = MerkleTree.prove(tree, 2)
 * MerkleTree.verify({ leaf: leaves[2], index: 2, count: tree.count, path, root: tree.root }) // true
 * ```
 */
export function build(leaves: readonly Uint8Array[]): MerkleTree {
  if (leaves.length === 0) throw new RangeError('a Merkle tree has at least one leaf')
  let level: readonly Uint8Array[] = leaves.map(leafHash)
  const levels = [level]
  while (level.length > 1) {
    level = parentsOf(level)
    levels.push(level)
  }
  return { count: leaves.length, root: bindCount(level[0]!, leaves.length), levels }
}

/** The siblings on the way from a leaf to the top, lowest first. */
export function prove(tree: MerkleTree, index: number): readonly Uint8Array[] {
  if (!isPosition(index, tree.count)) throw new RangeError(`no leaf ${index} among ${tree.count}`)
  const path: Uint8Array[] = []
  let position = index
  for (const level of tree.levels) {
    const sibling = level[siblingOf(position)]
    if (sibling !== undefined) path.push(sibling)
    position = Math.floor(position / 2)
  }
  return path
}

/** Accepts one path for each leaf, of exactly its length. `index` and `count` may be any numbers, `path` of any length. */
export function verify(args: {
  readonly leaf: Uint8Array
  readonly index: number
  readonly count: number
  readonly path: readonly Uint8Array[]
  readonly root: Uint8Array
}): boolean {
  const { leaf, index, count, path, root } = args
  assertSize(root, 32)
  for (const sibling of path) assertSize(sibling, 32)
  let node = leafHash(leaf)
  if (!isPosition(index, count)) return false
  let used = 0
  // RFC 9162, 2.1.3.2: climb with the last node of each level at hand; where this node is that last one and stands
  // left, it has no sibling and rises as it is.
  let [position, last] = [index, count - 1]
  while (last > 0) {
    const standsRight = position % 2 === 1
    if (standsRight || position < last) {
      const sibling = path[used++]
      if (sibling === undefined) return false
      node = standsRight ? hashNode(sibling, node) : hashNode(node, sibling)
    }
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return used === path.length && equal(bindCount(node, count), root)
}

const hashLeaf = taggedHash('lockstep/merkle-leaf')
const hashNode = taggedHash('lockstep/merkle-node')
const hashRoot = taggedHash('lockstep/merkle-root')

function leafHash(leaf: Uint8Array): Uint8Array {
  assertSize(leaf, 32)
  return hashLeaf(leaf)
}

function bindCount(top: Uint8Array, count: number): Uint8Array {
  return hashRoot(u64(BigInt(count)), top)
}

function parentsOf(level: readonly Uint8Array[]): readonly Uint8Array[] {
  const parents: Uint8Array[] = []
  for (let left = 0; left < level.length; left += 2) {
    const right = level[left + 1]
    parents.push(right === undefined ? level[left]! : hashNode(level[left]!, right))
  }
  return parents
}

function siblingOf(position: number): number {
  return position % 2 === 0 ? position + 1 : position - 1
}

function isPosition(index: number, count: number): boolean {
  return Number.isSafeInteger(count) && Number.isSafeInteger(index) && index >= 0 && index < count
}
