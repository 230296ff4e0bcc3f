import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, fromHex, toHex, u32, u64, utf8 } from '../../src/crypto/bytes.ts'
import { sha256, taggedHash } from '../../src/crypto/hash.ts'
import * as MerkleTree from '../../src/crypto/MerkleTree.ts'

interface Vector {
  readonly leaves: readonly string[]
  readonly root: string
  readonly paths: readonly (readonly string[])[]
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/merkle.json', import.meta.url), 'utf8'),
) as readonly Vector[]

const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 })
const positions = fc
  .integer({ min: 1, max: 70 })
  .chain((count) => fc.record({ count: fc.constant(count), index: fc.nat({ max: count - 1 }) }))

describe('a tree', () => {
  test('has the root that RFC 6962 defines by recursion', () => {
    for (let count = 1; count <= 70; count++) {
      const leaves = leavesOf(count)
      const root = taggedHash('lockstep/merkle-root')(u64(BigInt(count)), topByDefinition(leaves))
      expect(toHex(MerkleTree.build(leaves).root)).toBe(toHex(root))
    }
  })

  test('agrees with the shared vectors', () => {
    expect(vectors.length).toBeGreaterThan(8)
    for (const { leaves, root, paths } of vectors) {
      const tree = MerkleTree.build(leaves.map(fromHex))
      expect(toHex(tree.root)).toBe(root)
      expect(leaves.map((_, index) => MerkleTree.prove(tree, index).map(toHex))).toEqual(paths)
    }
  })

  test('never has the root of another list of leaves', () => {
    const short = fc.array(fc.constantFrom(...leavesOf(3)), { minLength: 1, maxLength: 9 })
    const flat = (leaves: readonly Uint8Array[]): string => leaves.map(toHex).join()
    fc.assert(
      fc.property(short, short, (some, others) => {
        expect(toHex(MerkleTree.build(some).root) === toHex(MerkleTree.build(others).root)).toBe(
          flat(some) === flat(others),
        )
      }),
    )
  })

  test('does not fill a level by doubling its last leaf', () => {
    const [a, b, c] = leavesOf(3) as [Uint8Array, Uint8Array, Uint8Array]
    expect(MerkleTree.build([a, b, c]).root).not.toEqual(MerkleTree.build([a, b, c, c]).root)
  })

  test('is refused without leaves and with a leaf that is no digest', () => {
    expect(() => MerkleTree.build([])).toThrow('at least one leaf')
    expect(() => MerkleTree.build([new Uint8Array(31)])).toThrow('expected 32 bytes, got 31')
  })
})

describe('a proof', () => {
  test('holds for every leaf of every tree', () => {
    for (let count = 1; count <= 70; count++) {
      const leaves = leavesOf(count)
      const tree = MerkleTree.build(leaves)
      for (const [index, leaf] of leaves.entries()) {
        const path = MerkleTree.prove(tree, index)
        expect(MerkleTree.verify({ leaf, index, count, path, root: tree.root })).toBe(true)
      }
    }
  })

  test('is for no other index and no other count', () => {
    fc.assert(
      fc.property(positions, fc.integer({ min: -2, max: 80 }), ({ count, index }, other) => {
        const proof = proofOf(count, index)
        expect(MerkleTree.verify({ ...proof, index: other })).toBe(other === index)
        expect(MerkleTree.verify({ ...proof, count: other })).toBe(other === count)
      }),
    )
  })

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 70])(
    'is for no index or count of %d',
    (odd) => {
      const proof = proofOf(5, 2)
      expect(MerkleTree.verify({ ...proof, index: odd })).toBe(false)
      expect(MerkleTree.verify({ ...proof, count: odd })).toBe(false)
    },
  )

  test('is refused after any one byte has been changed', () => {
    const proof = proofOf(13, 12)
    const parts = [proof.leaf, proof.root, ...proof.path]
    for (const [part, bytes] of parts.entries()) {
      for (let offset = 0; offset < bytes.length; offset++) {
        for (const change of [0x01, 0x80, 0xff]) {
          const [leaf, root, ...path] = parts.map((whole, at) => (at === part ? flip(whole, offset, change) : whole))
          expect(MerkleTree.verify({ ...proof, leaf: leaf!, root: root!, path })).toBe(false)
        }
      }
    }
  })

  test('is refused with a path that is too long, too short or in another order', () => {
    fc.assert(
      fc.property(positions, hashes, ({ count, index }, extra) => {
        const proof = proofOf(count, index)
        expect(MerkleTree.verify({ ...proof, path: [...proof.path, extra] })).toBe(false)
        expect(MerkleTree.verify({ ...proof, path: [extra, ...proof.path] })).toBe(false)
        expect(MerkleTree.verify({ ...proof, path: [...proof.path, proof.root] })).toBe(false)
        if (proof.path.length > 0) expect(MerkleTree.verify({ ...proof, path: proof.path.slice(1) })).toBe(false)
        if (proof.path.length > 0) expect(MerkleTree.verify({ ...proof, path: proof.path.slice(0, -1) })).toBe(false)
        if (proof.path.length > 1) expect(MerkleTree.verify({ ...proof, path: proof.path.toReversed() })).toBe(false)
      }),
    )
  })

  test('cannot pass an inner node off as a leaf', () => {
    const [a, b, c, d] = leavesOf(4) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const tree = MerkleTree.build([a, b, c, d])
    const [left, right] = tree.levels[1] as [Uint8Array, Uint8Array]
    expect(MerkleTree.verify({ leaf: left, index: 0, count: 2, path: [right], root: tree.root })).toBe(false)
  })

  test('throws on what is no hash', () => {
    const proof = proofOf(5, 2)
    expect(() => MerkleTree.verify({ ...proof, leaf: new Uint8Array(33) })).toThrow(RangeError)
    expect(() => MerkleTree.verify({ ...proof, root: new Uint8Array(31) })).toThrow(RangeError)
    expect(() => MerkleTree.verify({ ...proof, path: [new Uint8Array(0)] })).toThrow(RangeError)
  })

  test('is made for the leaves there are', () => {
    const tree = MerkleTree.build(leavesOf(3))
    for (const index of [-1, 3, 0.5]) expect(() => MerkleTree.prove(tree, index)).toThrow(`no leaf ${index} among 3`)
  })
})

function proofOf(count: number, index: number): Parameters<typeof MerkleTree.verify>[0] {
  const leaves = leavesOf(count)
  const tree = MerkleTree.build(leaves)
  return { leaf: leaves[index]!, index, count, path: MerkleTree.prove(tree, index), root: tree.root }
}

function leavesOf(count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) => sha256(concat(utf8('leaf'), u32(index))))
}

/** MTH of RFC 6962, 2.1: "let k be the largest power of two smaller than n". */
function topByDefinition(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return taggedHash('lockstep/merkle-leaf')(leaves[0]!)
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return taggedHash('lockstep/merkle-node')(topByDefinition(leaves.slice(0, k)), topByDefinition(leaves.slice(k)))
}

function flip(bytes: Uint8Array, offset: number, change: number): Uint8Array {
  const changed = new Uint8Array(bytes)
  changed[offset]! ^= change
  return changed
}
