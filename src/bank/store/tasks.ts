import type { LogStore } from '../../chain/embedded.ts'
import { methodsOf, type Program, type Runner, type TasksOf, undo } from '../../sql/program.ts'
import { applyAll } from './changes.ts'
import type { BankStore, Change } from './contract.ts'
import * as lists from './lists.ts'
import * as reads from './reads.ts'
import * as records from './recordReads.ts'

export { schema } from './schema.ts'

/** What runs in the database: the contract, with its log as methods. */
interface BankTasks extends Omit<BankStore, 'log' | 'close'> {
  appendLogEntry(sequence: number, entry: Uint8Array): Promise<void>
  logEntries(from: number, limit: number): Promise<readonly Uint8Array[]>
  lastLogEntry(): Promise<Uint8Array | undefined>
}

export const tasks: TasksOf<BankTasks> = {
  account: { mode: 'read', steps: reads.readAccount },
  balance: { mode: 'read', steps: reads.readBalance },
  locked: { mode: 'read', steps: reads.readLocked },
  debts: { mode: 'read', steps: reads.readDebts },
  entry: { mode: 'snapshot', steps: reads.readEntry },
  command: { mode: 'read', steps: reads.readCommand },
  channel: { mode: 'read', steps: reads.readChannel },
  hasChannelKey: { mode: 'read', steps: reads.readHasChannelKey },
  openChannels: { mode: 'read', steps: reads.readOpenChannels },
  ending: { mode: 'read', steps: reads.readEnding },
  proofs: { mode: 'read', steps: reads.readProofs },
  evidence: { mode: 'read', steps: reads.readEvidence },
  incurred: { mode: 'read', steps: reads.readIncurred },
  clock: { mode: 'read', steps: reads.readClock },
  due: { mode: 'read', steps: reads.readDue },
  unreviewed: { mode: 'read', steps: reads.readUnreviewed },
  withdrawals: { mode: 'read', steps: reads.readWithdrawals },
  journal: { mode: 'read', steps: lists.readJournal },
  channels: { mode: 'read', steps: lists.readChannels },
  reputation: { mode: 'read', steps: lists.readReputation },
  record: { mode: 'read', steps: records.readRecord },
  unbatched: { mode: 'read', steps: records.readUnbatched },
  pendingBatch: { mode: 'read', steps: records.readPendingBatch },
  recordedBatch: { mode: 'read', steps: records.readRecordedBatch },
  lastBatch: { mode: 'read', steps: records.readLastBatch },
  leaves: { mode: 'read', steps: records.readLeaves },
  // Several of its guards look at more than one row: the deposits of an asset, the channels of an account.
  commit: { mode: 'serializable', steps: commit },
  appendLogEntry: { mode: 'write', steps: records.appendLogEntry },
  logEntries: { mode: 'read', steps: records.readLogEntries },
  lastLogEntry: { mode: 'read', steps: records.readLastLogEntry },
}

/** The bank's store over whatever runs its tasks. */
export function bankStore(runner: Runner): BankStore {
  const { appendLogEntry, logEntries, lastLogEntry, ...methods } = methodsOf<BankTasks>(runner, tasks)
  const log: LogStore = {
    append: appendLogEntry,
    last: lastLogEntry,
    async *entries(from) {
      // In pages: nothing is held open while the reader thinks.
      for (let next = from; ; next += pageSize) {
        const page = await logEntries(next, pageSize)
        yield* page
        if (page.length < pageSize) return
      }
    },
  }
  return { ...methods, log, close: () => runner.close() }
}

const pageSize = 256

function* commit(changes: readonly Change[]): Program<Awaited<ReturnType<BankStore['commit']>>> {
  const committed = yield* applyAll(changes)
  if (!committed.ok) yield* undo()
  return committed
}
