import { spawnSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'

/** What a time means nothing without. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly node: string
  readonly platform: string
  /** Of the last minute, before the first variant: above 0, somebody else was at work. */
  readonly load: number
  /** Where the stores of the benchmark are. On `tmpfs` a sync costs nothing. */
  readonly storeFileSystem: string
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    load: Math.round(loadavg()[0]! * 100) / 100,
    storeFileSystem: fileSystemOf(tmpdir()),
  }
}

/** The commit that is checked out, and whether the files are still those. */
export function describeCommit(): string {
  const head = git('rev-parse', '--short=12', 'HEAD')
  if (head === undefined) return 'not a checkout'
  return git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'bench') === ''
    ? head
    : `${head} with changes`
}

/** Linux' names for the common ones; elsewhere the number that the system gives. */
function fileSystemOf(path: string): string {
  const { type } = statfsSync(path)
  const known: Readonly<Record<number, string>> = {
    61267: 'ext4',
    16914836: 'tmpfs',
    1481003842: 'xfs',
    2035054128: 'overlayfs',
    2435016766: 'btrfs',
  }
  return known[type] ?? `file system 0x${type.toString(16)}`
}

function git(...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}
