import { methodsOf, type Runner, type TasksOf } from '../../sql/program.ts'
import type { VendorDatabase } from './contract.ts'
import { acquireLease, relinquishLeases, renewLeases } from './leases.ts'
import { packLength, packNext, readReceipts } from './packs.ts'
import * as reads from './reads.ts'
import * as retention from './retention.ts'
import { commitBatch } from './writes.ts'

export { schema } from './schema.ts'

/** What runs in the database: the contract, packing in parts. */
interface VendorTasks extends Omit<VendorDatabase, 'pack' | 'close'> {
  /** Packs payments `first` to `first + 1,023` with the receipts of these, and tells whether some are left. */
  packNext(channelId: Uint8Array, first: number, receipts: readonly Uint8Array[]): Promise<boolean>
}

export const tasks: TasksOf<VendorTasks> = {
  channel: { mode: 'snapshot', steps: reads.readChannel },
  payment: { mode: 'snapshot', steps: reads.readPayment },
  cores: { mode: 'snapshot', steps: reads.readCores },
  checkpoints: { mode: 'read', steps: reads.readCheckpoints },
  unsettled: { mode: 'read', steps: reads.readUnsettled },
  due: { mode: 'read', steps: reads.readDue },
  running: { mode: 'read', steps: reads.readRunning },
  unpacked: { mode: 'read', steps: reads.readUnpacked },
  // Each row that it writes carries its guard, and holds up whoever writes the same channel.
  commit: { mode: 'write', steps: commitBatch },
  acquire: { mode: 'write', steps: acquireLease },
  renew: { mode: 'write', steps: renewLeases },
  relinquish: { mode: 'write', steps: relinquishLeases },
  packNext: { mode: 'write', steps: packNext },
  receipts: { mode: 'snapshot', steps: readReceipts },
  forget: { mode: 'write', steps: retention.forgetChannel },
  forgetAnswers: { mode: 'write', steps: retention.forgetAnswers },
  prune: { mode: 'write', steps: retention.pruneChannels },
  bury: { mode: 'write', steps: retention.buryChannel },
  tombstone: { mode: 'read', steps: retention.readTombstone },
  restoredAt: { mode: 'read', steps: reads.readRestoredAt },
}

/** The vendor's store over whatever runs its tasks. */
export function vendorStore(runner: Runner): VendorDatabase {
  const { packNext: next, ...methods } = methodsOf<VendorTasks>(runner, tasks)
  return {
    ...methods,
    async pack(channelId, receipts) {
      // One transaction a row: a long channel holds nobody up, and what a crash leaves is packed the next time.
      for (let first = 1, isLeft = true; isLeft; first += packLength) {
        isLeft = await next(channelId, first, receipts.slice(first, first + packLength))
      }
    },
    close: () => runner.close(),
  }
}
