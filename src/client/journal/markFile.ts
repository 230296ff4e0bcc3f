import { closeSync, constants, fsyncSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { StoreError } from '../../sql/storeError.ts'
import type { Mark } from './mark.ts'

/** Where a journal's mark is kept. */
export interface MarkFile {
  read(): Mark | undefined
  /** Replaces the mark as a whole. Durable when it returns. */
  write(mark: Mark): void
  /** Keeps the number of commits of the mark that is there up to date. */
  open(): MarkWriter
}

export function markFile(path: string): MarkFile {
  return { read: () => readMark(path), write: (mark) => writeMark(path, mark), open: () => openMark(path) }
}

/** `undefined` where there is none. Throws {@link StoreError} for what is no mark. */
export function readMark(path: string): Mark | undefined {
  const text = readIfThere(path)
  if (text === undefined) return undefined
  const [, generation, next, commits] = /^lockstep generation (\d{20}) (\d{20}) (\d{20})\n$/.exec(text) ?? []
  if (generation === undefined || next === undefined || commits === undefined) {
    throw new StoreError(
      `${path} is not a journal's generation file. Name another one; where it was damaged, remove it: the journal's open ` +
        'channels then sign nothing any more, and are refunded when they close or expire.',
      { fault: 'damaged' },
    )
  }
  return { generation: BigInt(generation), next: BigInt(next), commits: BigInt(commits) }
}

/** Replaces the mark as a whole. Durable when it returns. */
export function writeMark(path: string, mark: Mark): void {
  const temporary = `${path}.new`
  writeFileSync(temporary, encode(mark), { mode: 0o600, flush: true })
  renameSync(temporary, path)
  sync(dirname(path))
}

/** Keeps the mark's number of commits up to date. */
export interface MarkWriter {
  /** Does not wait for the disk. */
  note(commits: bigint): void
  close(): void
}

export function openMark(path: string): MarkWriter {
  let file: number | undefined = openSync(path, constants.O_WRONLY)
  return {
    note(commits) {
      if (file === undefined) return
      try {
        writeSync(file, digits(commits), commitsAt)
      } catch {
        // A mark that lags is still right: the journal has the commit.
      }
    },
    close() {
      if (file !== undefined) closeSync(file)
      file = undefined
    },
  }
}

const head = 'lockstep generation '
const commitsAt = head.length + 42

function encode({ generation, next, commits }: Mark): string {
  return `${head}${digits(generation)} ${digits(next)} ${digits(commits)}\n`
}

function digits(value: bigint): string {
  return value.toString().padStart(20, '0')
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new StoreError(`${path}: the generation file cannot be read. Does this user have the right to?`, {
      cause: error,
      fault: 'unreachable',
    })
  }
}

function sync(folder: string): void {
  const file = openSync(folder, constants.O_RDONLY)
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
