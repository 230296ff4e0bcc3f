/** What the project asks of a blockchain: to record batches of settled channels, to prove one, to report new ones. */

/** Lower-case hex after `0x`: the form of addresses, hashes and transactions on EVM chains. */
export type Hex = `0x${string}`

/** A batch of leaves under one root. Batches of a chain are numbered from 1 without gaps. */
export interface Batch {
  readonly number: number
  /** Root of the batch's Merkle tree; binds `count`. */
  readonly root: Uint8Array
  /** Number of leaves, at least 1. */
  readonly count: number
}

/** Which chain it is, as a signed tree head names it. */
export type ChainIdentity = EmbeddedIdentity | EvmIdentity

export interface EmbeddedIdentity {
  readonly kind: 'embedded'
  /** Number of the log: a bank has one a shard. */
  readonly log: number
}

export interface EvmIdentity {
  readonly kind: 'evm'
  readonly chainId: number
  /** Address of the contract. */
  readonly registry: Hex
  /** Address of the one account whose transactions record. */
  readonly recorder: Hex
}

/** A batch that stands on the chain. `evidence` is what an offline verifier needs: see `RecordProof.ts`. */
export type Recorded = EmbeddedRecord | EvmRecord

interface EmbeddedRecord {
  readonly kind: 'embedded'
  readonly batch: Batch
  /** The log entry, signed. */
  readonly evidence: Uint8Array
  /** Hash of the entry. */
  readonly recordTx: Hex
  /** Unix seconds, the bank's clock. */
  readonly recordedAt: bigint
}

interface EvmRecord {
  readonly kind: 'evm'
  readonly batch: Batch
  /** The raw transaction, signed by the recorder. */
  readonly evidence: Uint8Array
  readonly chainId: number
  readonly registry: Hex
  /** Hash of the transaction. */
  readonly recordTx: Hex
  readonly blockNumber: bigint
}

export interface Chain {
  readonly identity: ChainIdentity
  /** Number of the newest batch, 0 before the first. */
  last(): Promise<number>
  /**
   * Appends a batch; its number is one more than `last()`. Repeatable: a batch that stands on the chain already is
   * reported as it stands. Throws a `ChainError`, whose `outcome` says whether the batch may be recorded yet.
   */
  record(batch: Batch): Promise<Recorded>
  /** A batch as it stands on the chain, `undefined` where it does not. */
  prove(number: number): Promise<Recorded | undefined>
  /** Every batch from `from` (default 1) on, in order, for ever: ends when `signal` aborts. */
  watch(options?: { readonly from?: number; readonly signal?: AbortSignal }): AsyncIterable<Recorded>
}
