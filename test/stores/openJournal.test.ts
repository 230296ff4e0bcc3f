import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { OpenedJournal } from '../../src/client/journal/contract.ts'
import type { Mark } from '../../src/client/journal/mark.ts'
import { type MarkFile, markFile } from '../../src/client/journal/markFile.ts'
import { type OpenJournalOptions, openJournal, startGeneration } from '../../src/client/journal/open.ts'
import { schema, tasks } from '../../src/client/journal/tasks.ts'
import { runInThread } from '../../src/sqlite/run.ts'
import { temporaryPath } from './files.ts'
import { paymentOf, proposed, state } from './journalChannels.ts'

const opened: OpenedJournal[] = []

afterEach(async () => {
  for (const journal of opened.splice(0)) await journal.close()
})

async function open(path: string, options: Partial<OpenJournalOptions> = {}): Promise<OpenedJournal> {
  const journal = await openJournal({ path, inThread: true, ...options })
  opened.push(journal)
  return journal
}

/** A channel with so many payments. */
async function pay(journal: OpenedJournal, label: string, last = 1): Promise<void> {
  const channel = proposed(label)
  if ((await journal.channels()).every(({ terms }) => !same(terms, channel.terms))) await journal.propose(channel)
  const { length } = await journal.payments(channel.channelId)
  for (let index = length + 1; index <= last; index++) {
    await journal.commit(channel.channelId, state(index), [paymentOf(index)])
  }
}

describe('the journal of one process', () => {
  test.each([
    ['in this thread', true],
    ['in a thread of its own', false],
  ])('is refused to another while it is open, and given when it is closed (%s)', async (_, inThread) => {
    const path = temporaryPath()
    const journal = await open(path, { inThread })
    await pay(journal, 'one')
    await expect(open(path, { inThread })).rejects.toMatchObject({
      fault: 'held',
      message: expect.stringMatching(/another process.*Stop it/) as string,
    })
    await pay(journal, 'one', 2)
    await journal.close()
    expect(await (await open(path, { inThread })).channels()).toHaveLength(1)
  })

  test('is given to the next one when its process is killed', async () => {
    const path = temporaryPath()
    const program = fileURLToPath(new URL('./holdJournal.ts', import.meta.url))
    const holder = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(holder.stdout, 'data')
    await expect(open(path)).rejects.toMatchObject({ fault: 'held' })
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    const journal = await open(path)
    expect(journal).toMatchObject({ generation: 2n, stale: undefined })
    expect(await journal.channels()).toHaveLength(1)
  })

  test('goes on where it was, with a generation more at every start', async () => {
    const path = temporaryPath()
    for (const generation of [1n, 2n, 3n]) {
      const journal = await open(path)
      expect(journal).toMatchObject({ generation, stale: undefined })
      await pay(journal, 'one', Number(generation))
      expect(await journal.channels()).toHaveLength(1)
      expect(await journal.retired()).toEqual([])
      await journal.close()
    }
  })

  test('has secrets that only its user may read beside it, and none of them in the generation file', async () => {
    const path = temporaryPath('journal.db')
    await pay(await open(path), 'one')
    expect(readFileSync(`${path}.generation`, 'latin1')).toMatch(/^lockstep generation [0-9 ]+\n$/)
    expect(readdirSync(dirname(path)).toSorted()).toEqual(['journal.db', 'journal.db-wal', 'journal.db.generation'])
  })
})

describe('an old copy', () => {
  /** What is at hand when the copy is put back: made in the first start, one channel and one payment in it. */
  async function copied(when: 'closed' | 'running'): Promise<{ path: string; copy: string }> {
    const path = temporaryPath()
    const copy = join(dirname(path), 'copy')
    const journal = await open(path)
    await pay(journal, 'one')
    // As a backup of a disk takes them: the file and the log beside it.
    if (when === 'running') copyAll(path, copy)
    await journal.close()
    if (when === 'closed') copyAll(path, copy)
    return { path, copy }
  }

  test.each(['closed', 'running'] as const)('of a journal that was %s and used later signs nothing', async (when) => {
    const { path, copy } = await copied(when)
    const later = await open(path)
    await pay(later, 'one', 2)
    await later.close()
    copyAll(copy, path)

    const journal = await open(path)
    expect(journal.stale).toMatch(/older copy/)
    expect(journal.generation).toBe(3n)
    expect(await journal.channels()).toEqual([])
    expect(await journal.retired()).toMatchObject([{ vendorUrl: proposed('one').vendorUrl, reason: journal.stale }])
    await expect(journal.commit(proposed('one').channelId, state(2), [paymentOf(2)])).rejects.toThrow('retired')

    // New channels pay as ever, also after the next start.
    await pay(journal, 'two')
    await journal.close()
    const next = await open(path)
    expect(next.stale).toBeUndefined()
    expect((await next.channels()).map(({ vendorUrl }) => vendorUrl)).toEqual([proposed('two').vendorUrl])
    expect(await next.retired()).toHaveLength(1)
  })

  test('of the very run that was killed later signs nothing either', async () => {
    const path = temporaryPath()
    const copy = join(dirname(path), 'copy')
    const journal = await open(path)
    await pay(journal, 'one')
    copyAll(path, copy)
    await pay(journal, 'one', 2)
    // Killed: nothing is closed. The mark is what the process left.
    const mark = readFileSync(`${path}.generation`)
    await journal.close()
    writeFileSync(`${path}.generation`, mark)
    copyAll(copy, path)
    expect((await open(path)).stale).toMatch(/older copy/)
  })

  test('put back before anything was paid is no different from the newest', async () => {
    const { path, copy } = await copied('closed')
    copyAll(copy, path)
    expect(await open(path)).toMatchObject({ stale: undefined, generation: 2n })
  })

  test('without its generation file signs nothing, and neither does one with another’s', async () => {
    const { path } = await copied('closed')
    rmSync(`${path}.generation`)
    expect((await open(path)).stale).toMatch(/older copy/)
    const other = temporaryPath()
    await (await open(other)).close()
    await (await open(other)).close()
    await opened.at(-1)!.close()
    for (const journal of opened.splice(0)) await journal.close()
    expect((await open(path, { generationPath: `${other}.generation` })).generation).toBe(3n)
  })

  test('of journal and generation file together is found where that file is elsewhere', async () => {
    const path = temporaryPath()
    const generationPath = temporaryPath('generation')
    const first = await open(path, { generationPath })
    await pay(first, 'one')
    await first.close()
    const copy = join(dirname(path), 'copy')
    copyAll(path, copy)
    await (await open(path, { generationPath })).close()
    copyAll(copy, path)
    expect((await open(path, { generationPath })).stale).toMatch(/older copy/)
  })
})

describe('a generation file that is no such file', () => {
  test.each(['', 'lockstep generation 1', 'x'.repeat(83)])(
    'is not believed, and nothing is changed: %j',
    async (text) => {
      const path = temporaryPath()
      const journal = await open(path)
      await pay(journal, 'one')
      await journal.close()
      const mark = readFileSync(`${path}.generation`)
      writeFileSync(`${path}.generation`, text)
      await expect(open(path)).rejects.toMatchObject({ fault: 'damaged' })
      writeFileSync(`${path}.generation`, mark)
      expect(await open(path)).toMatchObject({ generation: 2n, stale: undefined })
    },
  )
})

describe('a crash', () => {
  class Crash extends Error {}

  test('at any moment of a start never makes an honest journal a stale one', async () => {
    const property = fc.asyncProperty(fc.array(fc.nat(7), { maxLength: 6 }), fc.boolean(), async (moments, pays) => {
      const path = temporaryPath()
      const file = markFile(`${path}.generation`)
      for (const moment of [...moments, Number.POSITIVE_INFINITY]) {
        let left = moment
        const step = <T>(work: () => T): T => {
          if (left-- <= 0) throw new Crash()
          return work()
        }
        const crashing: MarkFile = {
          read: () => step(() => file.read()),
          write: (mark: Mark) => step(() => file.write(mark)),
          open: () => step(() => file.open()),
        }
        const runner = runInThread(path, schema, tasks, { exclusive: true })
        const slow = {
          run: (name: string, args: readonly unknown[]) => step(() => runner.run(name, args)),
          close: runner.close,
        }
        try {
          const journal = await startGeneration(slow, crashing)
          opened.push(journal)
          expect(journal.stale).toBeUndefined()
          if (pays && Number.isFinite(moment)) await pay(journal, 'one')
          await journal.close()
        } catch (error) {
          if (!(error instanceof Crash)) throw error
          await runner.close()
        }
      }
    })
    await fc.assert(property, { numRuns: 40 })
  })
})

/** A file with the log beside it, and nothing else. */
function copyAll(from: string, to: string): void {
  for (const end of ['', '-wal', '-shm']) {
    if (existsSync(from + end)) copyFileSync(from + end, to + end)
    else rmSync(to + end, { force: true })
  }
  expect(existsSync(to), basename(to)).toBe(true)
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0
}
