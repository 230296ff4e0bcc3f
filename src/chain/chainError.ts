import type { Hex } from './Chain.ts'

/** What went wrong between this program and a chain. */
export type ChainReason =
  /** A package that is only needed here is not installed. */
  | 'PackageMissing'
  /** The chain does not answer. */
  | 'Unreachable'
  /** It answers under another chain id. */
  | 'WrongChain'
  /** There is no registry at that address. */
  | 'NoRegistry'
  /** The key is not the recorder's, or there is none. */
  | 'NotRecorder'
  /** The account cannot pay for the transaction. */
  | 'NoFunds'
  /** The node or the contract refuses the transaction before it is in a block. */
  | 'Refused'
  /** The transaction is in a block and failed there. */
  | 'Reverted'
  /** No block took the transaction in time. */
  | 'TimedOut'
  /** The batch is not the next one. */
  | 'OutOfOrder'
  /** Another batch stands under that number. */
  | 'BatchDiffers'
  /** What the chain or the log holds contradicts itself. */
  | 'Damaged'
  /** The local node did not start. */
  | 'NodeFailed'

/**
 * The message says what happened, what has not happened, and what to do, in one line. `outcome` is `unknown` where the
 * transaction may still be recorded: then, and only then, `recordTx` may appear on the chain later.
 */
export class ChainError extends Error {
  override readonly name: string = 'ChainError'
  readonly reason: ChainReason
  readonly outcome: 'not-recorded' | 'unknown'
  readonly recordTx: Hex | undefined

  constructor(
    reason: ChainReason,
    message: string,
    details: { readonly outcome?: 'not-recorded' | 'unknown'; readonly recordTx?: Hex; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.reason = reason
    this.outcome = details.outcome ?? 'not-recorded'
    this.recordTx = details.recordTx
  }
}
