import { equal, toHex } from '../crypto/bytes.ts'
import type { Batch, Recorded } from './Chain.ts'
import { ChainError } from './chainError.ts'

/** What stands on a chain under a batch's number, where it is that batch. */
export function asItStands(batch: Batch, standing: Recorded | undefined): Recorded {
  if (standing !== undefined && equal(standing.batch.root, batch.root) && standing.batch.count === batch.count) {
    return standing
  }
  const found = standing === undefined ? 'nothing' : toHex(standing.batch.root)
  throw new ChainError(
    'BatchDiffers',
    `Batch ${batch.number} stands on the chain with root ${found}, not ${toHex(batch.root)}. Nothing was recorded. ` +
      'Two banks share this chain, or the bank was restored from an old copy: compare its batches with the chain.',
  )
}

export function outOfOrder(batch: Batch, expected: number): ChainError {
  return new ChainError(
    'OutOfOrder',
    `Batch ${batch.number} cannot be recorded: the chain expects batch ${expected}. Nothing was recorded. ` +
      'Record the batches between first, or attach to the chain that has them.',
  )
}
