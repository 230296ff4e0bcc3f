import { methodsOf, type Runner, type TasksOf } from '../../sql/program.ts'
import type { Journal, Outcome, ProposedChannel, WalletJournal } from './contract.ts'
import * as reads from './reads.ts'
import * as writes from './writes.ts'

export { schema } from './schema.ts'

/** What runs in the database. A writer's generation is the one it started; `undefined` where it started none. */
export interface JournalTasks extends Pick<Journal, 'channels' | 'retired' | 'payments' | 'ended'> {
  age(): Promise<reads.Age>
  propose(generation: bigint | undefined, proposed: ProposedChannel): Promise<bigint>
  commit(generation: bigint | undefined, change: writes.Change): Promise<bigint>
  end(generation: bigint | undefined, channelId: Uint8Array, outcome: Outcome): Promise<bigint>
  note(generation: bigint | undefined, name: string, value: string): Promise<bigint>
  recall(name: string): Promise<string | undefined>
  raise(from: bigint, to: bigint): Promise<void>
  retire(reason: string): Promise<number>
}

export const tasks: TasksOf<JournalTasks> = {
  age: { mode: 'read', steps: reads.readAge },
  channels: { mode: 'snapshot', steps: reads.readChannels },
  retired: { mode: 'snapshot', steps: reads.readRetired },
  ended: { mode: 'snapshot', steps: reads.readEnded },
  payments: { mode: 'read', steps: reads.readPayments },
  // The row of the generation holds up a second writer, until it finds that its own is over.
  propose: { mode: 'write', steps: writes.writeProposed },
  commit: { mode: 'write', steps: writes.writeChange },
  end: { mode: 'write', steps: writes.writeOutcome },
  note: { mode: 'write', steps: writes.writeNote },
  recall: { mode: 'read', steps: reads.readNote },
  raise: { mode: 'write', steps: writes.raiseGeneration },
  retire: { mode: 'write', steps: writes.retireChannels },
}

/**
 * The journal over whatever runs its tasks, for a writer of this generation. `onCommit` hears of every commit, before who
 * made it does.
 */
export function journalOf(
  runner: Runner,
  generation?: bigint,
  onCommit: (commits: bigint) => void = () => undefined,
): WalletJournal {
  const database = methodsOf<JournalTasks>(runner, tasks)
  return {
    channels: database.channels,
    retired: database.retired,
    ended: database.ended,
    payments: database.payments,
    recall: database.recall,
    note: async (name, value) => onCommit(await database.note(generation, name, value)),
    propose: async (proposed) => onCommit(await database.propose(generation, proposed)),
    commit: async (channelId, state, payments = [], answered = []) =>
      onCommit(await database.commit(generation, { channelId, state, payments, answered })),
    end: async (channelId, outcome) => onCommit(await database.end(generation, channelId, outcome)),
    close: () => runner.close(),
  }
}
