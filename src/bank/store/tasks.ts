import type { LogStore } from '../../chain/embedded.ts'
import { methodsOf, type Program, type Runner, type TasksOf, undo } from '../../sql/program.ts'
import { applyChange } from './changes.ts'
import type { BankStore, Change } from './contract.ts'
import * as reads from './reads.ts'

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
  command: { mode: 'read', steps: reads.readCommand },
  channel: { mode: 'read', steps: reads.readChannel },
  hasChannelKey: { mode: 'read', steps: reads.readHasChannelKey },
  record: { mode: 'read', steps: reads.readRecord },
  unbatched: { mode: 'read', steps: reads.readUnbatched },
  pendingBatch: { mode: 'read', steps: reads.readPendingBatch },
  recordedBatch: { mode: 'read', steps: reads.readRecordedBatch },
  leaves: { mode: 'read', steps: reads.readLeaves },
  // All deposits of an asset are one of its guards, and those are in several rows.
  commit: { mode: 'serializable', steps: commit },
  appendLogEntry: { mode: 'write', steps: reads.appendLogEntry },
  logEntries: { mode: 'read', steps: reads.readLogEntries },
  lastLogEntry: { mode: 'read', steps: reads.readLastLogEntry },
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
  for (const change of changes) {
    const conflict = yield* applyChange(change)
    if (conflict === undefined) continue
    yield* undo()
    return { ok: false, conflict }
  }
  return { ok: true }
}
