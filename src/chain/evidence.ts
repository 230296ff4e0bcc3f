import { equal, toHex } from '../crypto/bytes.ts'
import * as MerkleTree from '../crypto/MerkleTree.ts'
import type { Batch, ChainIdentity, EmbeddedIdentity, Hex } from './Chain.ts'
import { verifyTransaction } from './evmTransaction.ts'
import * as LogEntry from './LogEntry.ts'
import type { RecordProof } from './RecordProof.ts'
import * as TreeHead from './TreeHead.ts'
import { loadViem } from './viem.ts'

/** What a verifier believes before it looks at a proof. */
export interface TrustRoots {
  /** The bank's public key. */
  readonly bank: Uint8Array
  /** As in the channel's terms. */
  readonly network: string
  /** Address of the registry, lower case. Left out, any place that the bank signed for will do. */
  readonly registry?: Hex | undefined
}

export type ProofFault =
  /** The bank did not sign this head. */
  | 'HeadSignature'
  /** The record is of another network than the terms, or says two things about its chain. */
  | 'Network'
  /** The record is not in the registry that is trusted. */
  | 'Registry'
  /** The leaf is not at this place of this batch. */
  | 'Inclusion'
  /** What was written to the chain is no record transaction or log entry, or not in its one form. */
  | 'EvidenceForm'
  /** It records something else, or elsewhere, than the bank's head says. */
  | 'EvidenceContent'
  /** It is signed by somebody else. */
  | 'EvidenceSigner'

export type Verdict =
  | {
      readonly ok: true
      readonly batch: Batch
      readonly chain: ChainIdentity
      /** Hash of the record transaction, recomputed; of an embedded log, the hash of the entry. */
      readonly recordTx: Hex
    }
  | { readonly ok: false; readonly reason: ProofFault; readonly detail: string }

/**
 * Verifies offline that a leaf is recorded: leaf → path → root → the bank's signature → what the recorder signed for the
 * chain. It shows what bank and recorder have signed; that the transaction is in a block only the chain can show
 * (`Chain.prove`).
 */
export async function verifyRecord(args: {
  readonly leaf: Uint8Array
  readonly proof: RecordProof
  readonly trust: TrustRoots
  /** Where viem comes from, needed for a record on an EVM chain. */
  readonly load?: () => Promise<unknown>
}): Promise<Verdict> {
  const { leaf, proof, trust, load } = args
  const { batch, chain } = proof.head.head
  const fault = headFault(proof.head, trust) ?? inclusionFault(leaf, proof)
  if (fault !== undefined) return fault
  if (chain.kind === 'embedded') return entryVerdict(proof, chain, trust)
  const viem = await loadViem(load)
  const transaction = await verifyTransaction(viem, proof.evidence, { batch, chain })
  return transaction.ok ? { ok: true, batch, chain, recordTx: transaction.hash } : transaction
}

function headFault(head: TreeHead.SignedTreeHead, { bank, network, registry }: TrustRoots): Fault | undefined {
  if (!TreeHead.verify(head, bank)) return fault('HeadSignature', 'the tree head is not signed by this bank')
  const { chain, network: found } = head.head
  if (found !== network) return fault('Network', `recorded on ${found}, not on ${network}`)
  if (found.startsWith('eip155:') && (chain.kind !== 'evm' || found !== `eip155:${chain.chainId}`)) {
    return fault('Network', `recorded on ${nameOf(chain)}, which is not ${found}`)
  }
  if (registry === undefined || (chain.kind === 'evm' && chain.registry === registry)) return undefined
  return fault(
    'Registry',
    `recorded in ${chain.kind === 'evm' ? chain.registry : "the bank's own log"}, not in ${registry}`,
  )
}

function inclusionFault(leaf: Uint8Array, { index, path, head }: RecordProof): Fault | undefined {
  const { number, root, count } = head.head.batch
  const isIn = MerkleTree.verify({ leaf, index, count, path, root })
  return isIn ? undefined : fault('Inclusion', `not leaf ${index} of the ${count} of batch ${number}`)
}

function entryVerdict(
  { head, evidence }: RecordProof,
  chain: EmbeddedIdentity,
  { bank, network }: TrustRoots,
): Verdict {
  const { batch } = head.head
  const parsed = LogEntry.parse(evidence)
  if (!parsed.ok) return fault('EvidenceForm', parsed.detail)
  const entry = parsed.value
  if (entry.sequence !== batch.number || entry.count !== batch.count || !equal(entry.root, batch.root)) {
    return fault('EvidenceContent', `the log entry is not of batch ${batch.number} with this root`)
  }
  const owner = { network, bank, log: chain.log }
  if (!LogEntry.verify(entry, owner)) return fault('EvidenceSigner', 'the log entry is not signed by this bank')
  return { ok: true, batch, chain, recordTx: `0x${toHex(LogEntry.hash(entry, owner))}` }
}

type Fault = Extract<Verdict, { ok: false }>

function fault(reason: ProofFault, detail: string): Fault {
  return { ok: false, reason, detail }
}

function nameOf(chain: ChainIdentity): string {
  return chain.kind === 'evm' ? `chain ${chain.chainId}` : "the bank's own log"
}
