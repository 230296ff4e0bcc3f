/**
 * Writes the reference of the public types as Markdown, one page a subpath of the package, into `docs/reference/api`:
 *
 *     npm run reference              writes it
 *     npm run reference -- --check   tells whether it is as it would be written, and whether what people use first says what it is
 *
 * TypeDoc and the compiler that it can use are a package of their own, in `reference/`, installed when they are wanted.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageJson, root } from './lockstepPackage.ts'

const home = join(root, 'scripts/reference')
const typedoc = join(home, 'node_modules/typedoc/bin/typedoc')
const written = join(root, 'docs/reference/api')

/** `./vendor/express` is built from `src/vendor/adapters/express.ts`. */
const sources = Object.entries(packageJson.exports).flatMap(([subpath, target]) =>
  typeof target === 'string'
    ? []
    : [{ subpath, path: join(root, target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')) }],
)
/** What vendors, clients and agents are made with. */
const isUsedFirst = ({ subpath }: { readonly subpath: string }): boolean =>
  /^\.\/(?:vendor|client|mcp|proxy)\b/.test(subpath)

if (!existsSync(typedoc))
  run('npm', ['ci', '--prefix', home, '--ignore-scripts', '--no-audit', '--no-fund', '--silent'])
if (process.argv.includes('--check')) check()
else write(written)

function write(out: string): void {
  rmSync(out, { recursive: true, force: true })
  describe(['--out', out, ...sources.map(({ path }) => path)])
}

function check(): void {
  const first = sources.filter(isUsedFirst).map(({ path }) => path)
  describe(['--emit', 'none', '--validation.notDocumented', '--treatValidationWarningsAsErrors', ...first])
  const fresh = mkdtempSync(join(tmpdir(), 'lockstep-reference-'))
  try {
    write(fresh)
    const [now, then] = [pagesIn(fresh), pagesIn(written)]
    const stale = [...new Set([...now.keys(), ...then.keys()])].filter((name) => now.get(name) !== then.get(name))
    if (stale.length === 0) return
    process.stderr.write(`docs/reference/api is not what the types say: ${stale.join(', ')}. Run npm run reference.\n`)
    process.exitCode = 1
  } finally {
    rmSync(fresh, { recursive: true })
  }
}

function pagesIn(folder: string): ReadonlyMap<string, string> {
  const names = existsSync(folder) ? readdirSync(folder) : []
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}

function describe(args: readonly string[]): void {
  run(process.execPath, [typedoc, '--options', join(home, 'typedoc.json'), '--logLevel', 'Warn', ...args])
}

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command} ended with ${status}`)
}
