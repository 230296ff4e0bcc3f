import type { Batch, Recorded } from '../chain/Chain.ts'
import { ChainError } from '../chain/chainError.ts'
import type { RecordProof } from '../chain/RecordProof.ts'
import * as TreeHead from '../chain/TreeHead.ts'
import { queue } from '../chain/waiting.ts'
import { equal, toHex } from '../crypto/bytes.ts'
import * as MerkleTree from '../crypto/MerkleTree.ts'
import { assert } from '../protocol/assert.ts'
import type { BankDeps } from './service.ts'
import type { RecordedBatch } from './store/contract.ts'

/** The record of a settled channel with everything that shows, offline, that it is on the chain. */
export interface RecordedLeaf {
  /** 269 bytes. */
  readonly record: Uint8Array
  readonly proof: RecordProof
}

export interface Recorder {
  record(): Promise<readonly Recorded[]>
  proof(channelId: Uint8Array): Promise<RecordedLeaf | undefined>
  /** Once no batch is being recorded. */
  idle(): Promise<void>
}

/** Records in one batch: a tree of them is built in a blink. */
const leavesMax = 65_536

/**
 * ```mermaid
 * stateDiagram-v2
 *   [*] --> queued: a channel is closed
 *   queued --> pending: a batch gets its number, root and order, stored before it is sent
 *   pending --> recorded: the chain has it; tree head and evidence are stored
 *   pending --> pending: the chain fails, or nobody knows
 * ```
 * A pending batch never changes. Sent again, the chain has it once: its number is taken, by this very root.
 */
export function createRecorder(deps: BankDeps): Recorder {
  const { store, chain } = deps
  const inTurn = queue()

  const recordAll = async (): Promise<readonly Recorded[]> => {
    const done: Recorded[] = []
    for (;;) {
      const batch = (await store.pendingBatch()) ?? (await makeBatch(deps))
      if (batch === undefined) return done
      const recorded = await chain.record(batch)
      await keep(deps, batch, recorded)
      done.push(recorded)
    }
  }

  return {
    record: () => inTurn(recordAll),
    idle: () => inTurn(() => Promise.resolve()),

    async proof(channelId) {
      const stored = await store.record(channelId)
      if (stored?.place === undefined) return undefined
      const { batch: number, index } = stored.place
      const batch = await store.recordedBatch(number)
      if (batch === undefined) return undefined
      const tree = MerkleTree.build(await store.leaves(number))
      assert(equal(tree.root, batch.batch.root), 'the leaves of a batch give its root')
      const { evidence } = batch
      return {
        record: stored.record,
        proof: { index, path: MerkleTree.prove(tree, index), head: headOf(batch), evidence },
      }
    },
  }
}

/** Gives the queued records their places. `undefined` where none is queued. */
async function makeBatch({ store, chain, now }: BankDeps): Promise<Batch | undefined> {
  const queued = await store.unbatched(leavesMax)
  if (queued.length === 0) return undefined
  const { root, count } = MerkleTree.build(queued.map(({ leaf }) => leaf))
  const batch = { number: (await chain.last()) + 1, root, count }
  const channelIds = queued.map(({ channelId }) => channelId)
  const { ok } = await store.commit([{ kind: 'batch', batch, channelIds, at: now() }])
  if (ok) return batch
  // Another process of this bank was first, or the chain forgot what this bank saw on it.
  if ((await chain.last()) < batch.number && (await store.recordedBatch(batch.number)) !== undefined) {
    throw new ChainError(
      'OutOfOrder',
      `The chain expects batch ${batch.number}, which this bank has recorded before. Nothing was recorded, and every record ` +
        'stays queued. Attach to the chain that has the batches of this store, or restore it.',
    )
  }
  return store.pendingBatch()
}

/** Stores what proves the batch, with the bank's word for it. */
async function keep({ store, key, rules, chain, now, log }: BankDeps, batch: Batch, recorded: Recorded): Promise<void> {
  assert(equal(recorded.batch.root, batch.root), 'the chain recorded the batch it was given')
  const head = TreeHead.sign(key, { network: rules.network, batch, chain: chain.identity })
  const { ok } = await store.commit([
    {
      kind: 'recorded',
      batch: { batch, head: TreeHead.encode(head.head), headSignature: head.signature, evidence: recorded.evidence },
      at: now(),
    },
  ])
  // Where another process of this bank was first, it stored the same.
  if (ok) log?.('recorded', { batch: batch.number, root: toHex(batch.root), count: batch.count })
}

function headOf({ head, headSignature }: RecordedBatch): TreeHead.SignedTreeHead {
  const parsed = TreeHead.parse(head)
  assert(parsed.ok, 'a stored tree head is one')
  return { head: parsed.value, signature: headSignature }
}
