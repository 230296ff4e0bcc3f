import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutant, mutate } from './Mutant.ts'

/** A copy of the project for one mutant at a time: the tree that people work in is never touched. */
export interface Workplace {
  readonly folder: string
  /** Puts the fault in, lets the work be done, and takes it out again. */
  with<T>(mutant: Mutant, work: () => Promise<T>): Promise<T>
  leave(): void
}

const root = join(import.meta.dirname, '../../..')

/** Throws where the source has changed and the mutant has not. */
export function assertCurrent(mutant: Mutant): void {
  mutate(readFileSync(join(root, mutant.file), 'utf8'), mutant)
}

export function createWorkplace(): Workplace {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-mutants-'))
  for (const part of ['src', 'test/simulation', 'package.json']) {
    cpSync(join(root, part), join(folder, part), { recursive: true })
  }
  symlinkSync(realpathSync(join(root, 'node_modules')), join(folder, 'node_modules'), 'dir')
  return {
    folder,
    async with(mutant, work) {
      const path = join(folder, mutant.file)
      const source = readFileSync(path, 'utf8')
      writeFileSync(path, mutate(source, mutant))
      try {
        return await work()
      } finally {
        writeFileSync(path, source)
      }
    },
    leave: () => rmSync(folder, { recursive: true, force: true }),
  }
}
