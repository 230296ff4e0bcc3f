import { methodsOf, type Runner } from '../../sql/program.ts'
import { StoreError } from '../../sql/storeError.ts'
import { runInThread } from '../../sqlite/run.ts'
import { runInWorker } from '../../sqlite/worker.ts'
import type { OpenedJournal } from './contract.ts'
import { agrees, generationAfter, stale } from './mark.ts'
import { type MarkFile, markFile } from './markFile.ts'
import { type JournalTasks, journalOf, schema, tasks } from './tasks.ts'

export interface OpenJournalOptions {
  /** The journal's file. */
  readonly path: string
  /** The file that carries the generation, `path` with `.generation` where it is not named. Another disk is better. */
  readonly generationPath?: string
  /** Waits for the disk in this thread, in place of one of its own. */
  readonly inThread?: boolean
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
  return startGeneration(await openAlone(path, options.inThread === true), markFile(generationPath))
}

async function openAlone(path: string, inThread: boolean): Promise<Runner> {
  try {
    if (inThread) return runInThread(path, schema, tasks, { exclusive: true })
    return await runInWorker({ path, tasks: new URL('./tasks.ts', import.meta.url), exclusive: true })
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

/** Begins a generation of the journal that this runner reads and writes alone. The runner is the journal's from here on. */
export async function startGeneration(runner: Runner, file: MarkFile): Promise<OpenedJournal> {
  try {
    const database = methodsOf<JournalTasks>(runner, tasks)
    const age = await database.age()
    const mark = file.read()
    const isNewest = agrees(age, mark)
    const retired = isNewest ? 0 : await database.retire(stale)
    const generation = generationAfter(age, mark)
    file.write({ generation: age.generation, next: generation, commits: age.commits })
    await database.raise(age.generation, generation)
    file.write({ generation, next: generation, commits: age.commits })
    const commits = file.open()
    const journal = journalOf(runner, generation, commits.note)
    return {
      ...journal,
      generation,
      stale: retired > 0 ? stale : undefined,
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
