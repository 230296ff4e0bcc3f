/** A saved directory: its files, how they are written and read, and what a verifier says of them. */

import { existsSync, type Stats } from 'node:fs'
import { access, constants, mkdir, open, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Batch, ChainIdentity, Hex, RecordProof } from '../../chain/index.ts'
import { CommandError, exitCodes, UsageError } from '../command.ts'

/** The files of an archive by their names. */
export type Files = ReadonlyMap<string, Uint8Array>

/** What a verifier is told from elsewhere. What is left out is taken from the archive itself. */
export interface Trust {
  /** The bank's public key. */
  readonly bank?: Uint8Array | undefined
  /** Address of the registry, lower case. */
  readonly registry?: Hex | undefined
}

export type ArchiveVerdict = ArchiveSound | ArchiveFault

/** Every byte of every file is as it must be. */
export interface ArchiveSound {
  readonly ok: true
  readonly profile: 'lockstep' | 'published'
  /** The bank's public key: the one trusted, or the one found where none was. */
  readonly bank: Uint8Array
  /** What the chain holds of it, where the archive shows it to be recorded. */
  readonly record: RecordFound | undefined
  /** For a person: a few lines. */
  readonly summary: readonly string[]
  /** For a program: what `--json` prints beside `ok` and `profile`. Amounts are decimal strings of base units. */
  readonly facts: Facts
}

export interface RecordFound {
  readonly chain: ChainIdentity
  readonly batch: Batch
  /** Hash of the record transaction, recomputed from its bytes. */
  readonly recordTx: Hex
}

export type Facts = { readonly [name: string]: Fact }
type Fact = string | number | boolean | null | Facts

/** The first thing that is wrong. */
export interface ArchiveFault {
  readonly ok: false
  readonly file: string
  readonly reason: FaultReason
  /** One clause: where in the file, and the values that show it. */
  readonly detail: string
}

export type FaultReason =
  /** A file is missing, one too many, no plain file, or of a size it cannot have. */
  | 'FileMissing'
  | 'FileUnexpected'
  | 'FileSize'
  /** A link that leads nowhere, a file of somebody else. */
  | 'FileUnreadable'
  /** Bytes that no encoder writes. */
  | 'Malformed'
  /** Sound perhaps, but of another bank or registry than the one trusted. */
  | 'Untrusted'
  /** It belongs to another channel. */
  | 'ChannelMismatch'
  | 'SignatureInvalid'
  /** A number is not the one that follows. */
  | 'OrderInvalid'
  | 'AmountInvalid'
  | 'CoinInvalid'
  | 'TranscriptMismatch'
  /** A receipt is not the one committed to. */
  | 'CommitmentMismatch'
  | 'LockMismatch'
  /** The record says something else than the channel. */
  | 'RecordMismatch'
  /** The proof does not lead from the record to what was written to the chain. */
  | 'ProofInvalid'
  /** A chain that was asked says otherwise. */
  | 'NotOnChain'

export function fault(file: string, reason: FaultReason, detail: string): ArchiveFault {
  return { ok: false, file, reason, detail }
}

/** The first file that is missing or one too many, in the order of `names`. */
export function namesFault(files: Files, names: readonly string[]): ArchiveFault | undefined {
  for (const name of names) if (!files.has(name)) return fault(name, 'FileMissing', 'the file is missing')
  for (const name of files.keys()) {
    if (!names.includes(name)) return fault(name, 'FileUnexpected', 'no verifier knows this file: take it away')
  }
  return undefined
}

/**
 * The file to look at where a leaf is not in its batch: what was recorded, or the way up from it. Of several leaves neither alone
 * is wrong. The only one of a batch has no way to go: then it is the leaf.
 */
export function misplaced(
  { index, path, head }: RecordProof.RecordProof,
  files: { readonly record: string; readonly proof: string },
): string {
  return index === 0 && path.length === 0 && head.head.batch.count === 1 ? files.record : files.proof
}

/**
 * Writes an archive into `dir`, which is made where it is missing and refused where anything is in it. All of it is on the disk
 * once this returns. Only the owner may read it: it tells what was bought.
 */
export async function writeArchive(dir: string, files: Files): Promise<void> {
  await prepareArchive(dir)
  try {
    for (const [name, bytes] of files) await writeSynced(join(dir, name), bytes)
    await syncDirectory(dir)
  } catch (error) {
    throw new CommandError(`${dir} cannot be written (${codeOf(error)}): what is in it is not whole`, { cause: error })
  }
}

/** Makes the directory, or finds it empty. Before a long run: so that nothing is found out at its end. */
export async function prepareArchive(dir: string): Promise<void> {
  if (dir === '') throw new UsageError('--save takes the path of a new directory, not an empty one')
  try {
    await makeDirectory(dir)
    await access(dir, constants.W_OK)
    if ((await readdir(dir)).length === 0) return
  } catch (error) {
    const says = `${dir} cannot be written (${codeOf(error)}): name a new directory`
    throw new CommandError(says, { ...usage, cause: error })
  }
  throw new CommandError(`${dir} is not empty, and nothing is ever written over: name a new directory`, usage)
}

/**
 * Reads the files of `dir`. The first one that no archive can have is a fault, beside which stand the others. A directory that
 * cannot be read is a {@link CommandError}.
 */
export async function readArchive(
  dir: string,
): Promise<({ readonly ok: true } | ArchiveFault) & { readonly files: Files }> {
  try {
    const names = (await readdir(dir)).sort()
    const files = new Map<string, Uint8Array>()
    if (names.length > filesMax) {
      return { ...fault(dir, 'FileUnexpected', `${names.length} files, and at most ${filesMax} are read`), files }
    }
    let first: ArchiveFault | undefined
    for (const name of names) {
      const found = await readPlainFile(dir, name)
      if (found instanceof Uint8Array) files.set(name, found)
      else first ??= found
    }
    return { ...(first ?? { ok: true }), files }
  } catch (error) {
    throw new CommandError(`${dir} cannot be read (${codeOf(error)}): name a directory that --save wrote`, {
      cause: error,
      ...usage,
    })
  }
}

const filesMax = 64
/** A million payments and more. */
const sizeMax = 256 * 1024 * 1024
const usage = { exitCode: exitCodes.usage } as const

async function readPlainFile(dir: string, name: string): Promise<Uint8Array | ArchiveFault> {
  const path = join(dir, name)
  try {
    return statFault(name, await stat(path)) ?? (await readFile(path))
  } catch (error) {
    return fault(name, 'FileUnreadable', `it cannot be read (${codeOf(error)})`)
  }
}

function statFault(name: string, stats: Stats): ArchiveFault | undefined {
  if (!stats.isFile()) return fault(name, 'FileUnexpected', 'not a plain file')
  return stats.size > sizeMax
    ? fault(name, 'FileSize', `${stats.size} bytes, and at most ${sizeMax} are read`)
    : undefined
}

/** With the directories above it. `recursive` would never end where a file system makes no directories at all, as in /proc. */
async function makeDirectory(dir: string): Promise<void> {
  const make = (): Promise<void> => mkdir(dir, { mode: 0o700 })
  try {
    await make()
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || existsSync(dirname(dir))) throw error
    await makeDirectory(dirname(dir))
    await make()
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Names of files are durable once their directory is. Windows has no such thing, and needs none. */
async function syncDirectory(dir: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(dir, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}
