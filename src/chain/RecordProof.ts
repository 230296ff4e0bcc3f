/**
 * Everything that shows, offline, that a leaf is recorded: the way up to the batch's root, the bank's signature on that
 * root, and what was written to the chain. Saved as text; `evidence.ts` verifies it.
 */

import { fromHex, toHex } from '../crypto/bytes.ts'
import * as MerkleTree from '../crypto/MerkleTree.ts'
import { sizes } from '../wire/kinds.ts'
import { malformed, type Parsed, parsed } from '../wire/parsed.ts'
import type { SignedTreeHead } from './TreeHead.ts'
import * as TreeHead from './TreeHead.ts'

export interface RecordProof {
  /** Place of the leaf in its batch, from 0. */
  readonly index: number
  /** Siblings on the way to the top, lowest first. */
  readonly path: readonly Uint8Array[]
  readonly head: SignedTreeHead
  /** What is on the chain: the raw transaction, or the log entry. */
  readonly evidence: Uint8Array
}

/** The proof of one leaf of a recorded batch. */
export function create(args: {
  readonly tree: MerkleTree.MerkleTree
  readonly index: number
  readonly head: SignedTreeHead
  /** As the chain gave it: `Recorded`. */
  readonly evidence: Uint8Array
}): RecordProof {
  const { tree, index, head, evidence } = args
  return { index, path: MerkleTree.prove(tree, index), head, evidence }
}

/** JSON, one text a proof: every byte of it counts. */
export function encode({ index, path, head, evidence }: RecordProof): string {
  const fields: Fields = {
    version,
    index,
    path: path.map(toHex),
    head: toHex(TreeHead.encode(head.head)),
    signature: toHex(head.signature),
    evidence: toHex(evidence),
  }
  return `${JSON.stringify(fields, null, 2)}\n`
}

/** Reads what {@link encode} writes, and nothing that is written in any other way. */
export function parse(text: string): Parsed<RecordProof> {
  if (text.length > textMax) return malformed(`a record proof has at most ${textMax} characters`)
  const fields = fieldsOf(text)
  if (fields === undefined)
    return malformed('a record proof is a JSON object of version, index, path, head, signature, evidence')
  if (fields.version !== version)
    return malformed(`record proof of version ${fields.version}; this is version ${version}`)
  const head = TreeHead.parse(fromHex(fields.head))
  if (!head.ok) return head
  const proof: RecordProof = {
    index: fields.index,
    path: fields.path.map(fromHex),
    head: { head: head.value, signature: fromHex(fields.signature) },
    evidence: fromHex(fields.evidence),
  }
  return encode(proof) === text ? parsed(proof) : malformed('a record proof that is not in its canonical form')
}

const version = 1
/** A path has at most 53 steps; a record transaction has some 200 bytes. */
const textMax = 16_384

interface Fields {
  readonly version: number
  readonly index: number
  readonly path: readonly string[]
  readonly head: string
  readonly signature: string
  readonly evidence: string
}

function fieldsOf(text: string): Fields | undefined {
  let value: Partial<Record<keyof Fields, unknown>> | null
  try {
    value = JSON.parse(text)
  } catch {
    // Said by the caller, once for all forms of being no record proof.
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { version, index, path, head, signature, evidence } = value
  if (!isCount(version) || !isCount(index) || !isHexList(path)) return undefined
  if (!isHex(head, TreeHead.size) || !isHex(signature, sizes.signature) || !isHex(evidence)) return undefined
  return { version, index, path, head, signature, evidence }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function isHexList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => isHex(item, sizes.hash))
}

function isHex(value: unknown, size?: number): value is string {
  return (
    typeof value === 'string' && /^(?:[0-9a-f]{2})*$/.test(value) && (size === undefined || value.length === 2 * size)
  )
}
