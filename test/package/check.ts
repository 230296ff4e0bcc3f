/**
 * The package as a user gets it: packed, installed into an empty folder, each subpath imported and its types resolved, the command
 * line started.
 *
 *     npm run check:package -- --json
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const isJson = process.argv.includes('--json')
const folder = mkdtempSync(join(tmpdir(), 'lockstep-package-'))

interface Report {
  readonly tarballBytes: number
  /** Subpaths that were imported. */
  readonly imported: readonly string[]
  /** Subpaths that need a package which is optional, and say so. */
  readonly needing: readonly string[]
  /** What `attw` found wrong with the types. */
  readonly typeProblems: readonly string[]
  /** Packages that an installation brings, this one not counted. */
  readonly packages: number
  readonly version: string
}

function check(): Report {
  run('npm', ['run', '--silent', 'build'], root)
  run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], root)
  const [name] = readdirSync(folder)
  const tarball = join(folder, name!)
  const types = typeProblems(tarball)
  const empty = join(folder, 'empty')
  mkdirSync(empty)
  writeFileSync(join(empty, 'package.json'), '{ "private": true, "type": "module" }')
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--omit=peer', tarball], empty)
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, unknown>
  }
  const subpaths = Object.keys(exports).filter((path) => path !== './package.json')
  const imported: string[] = []
  const needing: string[] = []
  for (const subpath of subpaths) {
    const code = `const found = await import('lockstep${subpath.slice(1)}'); if (Object.keys(found).length === 0) throw new Error('empty')`
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: empty,
      encoding: 'utf8',
    })
    if (status === 0) imported.push(subpath)
    else if (/Cannot find package '(?!lockstep)/.test(stderr)) needing.push(subpath)
    else throw new Error(`${subpath} cannot be imported: ${stderr}`)
  }
  const version = run('npx', ['--no-install', 'lockstep', '--version'], empty).trim()
  run('npx', ['--no-install', 'lockstep', 'demo', '--chain', 'embedded', '--payments', '20', '--json'], empty)
  const { packages } = JSON.parse(readFileSync(join(empty, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { optional?: boolean }>
  }
  return {
    tarballBytes: readFileSync(tarball).length,
    imported,
    needing,
    typeProblems: types,
    packages: Object.keys(packages).length - 2,
    version,
  }
}

interface TypeProblem {
  readonly entrypoint?: string
  readonly resolutionKind?: string
}

/** ESM alone: what CommonJS or a resolution that knows no `exports` would make of it does not count. */
const foreign: ReadonlySet<string | undefined> = new Set(['node10', 'node16-cjs'])

function typeProblems(tarball: string): readonly string[] {
  const args = ['--no-install', 'attw', tarball, '--profile', 'esm-only', '--format', 'json']
  const { stdout, stderr } = spawnSync('npx', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 })
  const report = readReport(stdout)
  if (report === undefined) throw new Error(`attw gave no report: ${stderr}`)
  return Object.entries(report).flatMap(([kind, found]) =>
    found
      .filter(({ resolutionKind }) => !foreign.has(resolutionKind))
      .map(({ entrypoint = '', resolutionKind = '' }) => `${kind} ${entrypoint} ${resolutionKind}`),
  )
}

function readReport(text: string): Readonly<Record<string, readonly TypeProblem[]>> | undefined {
  try {
    const { analysis, problems } = JSON.parse(text) as {
      readonly analysis?: { readonly types?: unknown }
      readonly problems?: Record<string, readonly TypeProblem[]>
    }
    return analysis === undefined || analysis.types === false ? undefined : (problems ?? {})
  } catch {
    // Not JSON: what it said instead is on stderr.
    return undefined
  }
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`)
  return stdout
}

try {
  const report = check()
  console.log(isJson ? JSON.stringify(report) : JSON.stringify(report, null, 2))
  if (report.typeProblems.length > 0) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
