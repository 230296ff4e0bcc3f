/**
 * Test vectors of the wire formats, `test/vectors/*.json`, for implementations in any language. Every input comes from a
 * label, so that each run makes the same files.
 *
 *     node scripts/vectors.ts           writes them
 *     node scripts/vectors.ts --check   exits 1 where a file differs
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type VectorFile, vectorFiles } from './vectors/files.ts'

const folder = join(import.meta.dirname, '../test/vectors')

/** Names of the files that are not what this script makes. */
export function staleFiles(): readonly string[] {
  return Object.entries(vectorFiles())
    .filter(([name, file]) => !existsSync(pathOf(name)) || readFileSync(pathOf(name), 'utf8') !== print(file))
    .map(([name]) => name)
}

if (import.meta.main) {
  const stale = staleFiles()
  if (process.argv.includes('--check')) {
    for (const name of stale) console.error(`test/vectors/${name}.json is not what scripts/vectors.ts makes: run it`)
    process.exitCode = stale.length === 0 ? 0 : 1
  } else {
    const files = vectorFiles()
    for (const name of stale) writeFileSync(pathOf(name), print(files[name]!))
    console.error(`${stale.length} of ${Object.keys(files).length} files written`)
  }
}

function pathOf(name: string): string {
  return join(folder, `${name}.json`)
}

function print(file: VectorFile): string {
  return `${JSON.stringify(file, null, 2)}\n`
}
