import { methodsOf, type Runner } from '../../sql/program.ts'
import { StoreError } from '../../sql/storeError.ts'
import { runInThread } from '../../sqlite/run.ts'
import type { OpenedJournal } from './contract.ts'
import { agrees, openMark, readMark, writeMark } from './mark.ts'
import { schema } from './schema.ts'
import { type JournalTasks, journalOf, tasks } from './tasks.ts'

export interface OpenJournalOptions {
  /** The journal's file. */
  readonly path: string
  /** The file that carries the generation, `path` with `.generation` where it is not named. Another disk is better. */
  readonly generationPath?: string
}

/**
 * Opens the journal of a wallet for one process, and finds out whether it is the newest.
 *
 * The lock is SQLite's own exclusive mode: the system holds it for the process and lets go of it however that ends. A file
 * with a process number would name a process of another container, or one that came later, as its owner.
 *
 * Where the journal and its generation file differ, an older copy was put back, or a copy is used elsewhere: the channels
 * that are in it sign nothing any more, lest they sign a second transaction for one index. New ones can be opened.
 */
export async function openJournal(options: OpenJournalOptions): Promise<OpenedJournal> {
  const { path, generationPath = `${path}.generation` } = options
  return startGeneration(openAlone(path), generationPath)
}

function openAlone(path: string): Runner {
  try {
    return runInThread(path, schema, tasks, { exclusive: true })
  } catch (error) {
    if (!(error instanceof StoreError) || error.fault !== 'busy') throw error
    throw new StoreError(
      `${path}: another process has this journal open. Stop it first: two would spend the same coins.`,
      {
        cause: error,
        fault: 'held',
      },
    )
  }
}

async function startGeneration(runner: Runner, generationPath: string): Promise<OpenedJournal> {
  try {
    const database = methodsOf<JournalTasks>(runner, tasks)
    const age = await database.age()
    const mark = readMark(generationPath)
    const isNewest = agrees(age, mark)
    const retired = isNewest ? 0 : await database.retire(stale)
    const known = [age.generation, mark?.generation ?? 0n, mark?.next ?? 0n]
    const generation = known.reduce((highest, one) => (one > highest ? one : highest)) + 1n
    writeMark(generationPath, { generation: age.generation, next: generation, commits: age.commits })
    await database.raise(age.generation, generation)
    writeMark(generationPath, { generation, next: generation, commits: age.commits })
    const commits = openMark(generationPath)
    const journal = journalOf(runner, generation, commits.note)
    return {
      ...journal,
      generation,
      stale: retired > 0 ? stale : undefined,
      retired: database.retired,
      async close() {
        await journal.close()
        commits.close()
      },
    }
  } catch (error) {
    await runner.close()
    throw error
  }
}

const stale = 'this journal is an older copy, or a copy is in use elsewhere: its generation file knows of later commits'
