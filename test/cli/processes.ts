/** The command line as somebody starts it: a process of its own, with a folder for temporary files that nobody else uses. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

export const root: string = join(import.meta.dirname, '../..')

export interface Launch {
  /** Where the program is: the project's root, or a copy of it. */
  readonly program?: string
  readonly env?: Readonly<Record<string, string>>
  /** A file instead of a pipe. */
  readonly stdout?: number
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Launched {
  readonly child: ChildProcessByStdio<null, Readable | null, Readable>
  /** What it has said so far on stderr. */
  said(): string
  readonly ended: Promise<Ended>
}

export function launch(args: readonly string[], { program = root, env = {}, stdout }: Launch = {}): Launched {
  const child = spawn(process.execPath, [join(program, 'bin/lockstep.js'), ...args], {
    stdio: ['ignore', stdout ?? 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  }) as Launched['child']
  const [printed, said] = [collect(child.stdout), collect(child.stderr)]
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    stdout: printed(),
    stderr: said(),
  }))
  return { child, said, ended }
}

/** Runs to the end. */
export function lockstep(args: readonly string[], options?: Launch): Promise<Ended> {
  return launch(args, options).ended
}

/** A copy of the program in `folder` that finds every package but these. */
export function installWithout(missing: readonly string[], folder: string): string {
  for (const path of ['bin', 'contracts', 'src', 'package.json', 'README.md']) {
    cpSync(join(root, path), join(folder, path), { recursive: true })
  }
  for (const name of installed()) {
    if (missing.includes(name)) continue
    const link = join(folder, 'node_modules', name)
    mkdirSync(join(link, '..'), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), link)
  }
  return folder
}

/**
 * Processes that were started with this word in their environment and still run: `undefined` where the system does not show
 * it.
 */
export function processesWith(word: string): readonly string[] | undefined {
  if (!existsSync('/proc/self/environ')) return undefined
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && read(`/proc/${pid}/environ`).includes(word))
}

function installed(): readonly string[] {
  const names = readdirSync(join(root, 'node_modules')).filter((name) => !name.startsWith('.'))
  return names.flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(root, 'node_modules', name)).map((inner) => `${name}/${inner}`) : [name],
  )
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // It has ended meanwhile, or is somebody else's.
    return ''
  }
}

function collect(stream: Readable | null): () => string {
  let text = ''
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}
