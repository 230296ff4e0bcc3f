import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const built = `export async function main(words) { console.log(words.join(' ')); return 3 }\n`
const source = built.replace('(words)', '(words: readonly string[]): Promise<number>')

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-launcher-'))
  cpSync(join(root, 'bin'), join(folder, 'bin'), { recursive: true })
  write('package.json', '{ "type": "module" }')
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

describe('the launcher', () => {
  test('runs the source of a clone, whatever was built before, and answers with its exit code', () => {
    write('src/cli/main.ts', source)
    write('dist/cli/main.js', `throw new Error('stale')\n`)
    expect(launch(['a', '--b'])).toMatchObject({ status: 3, stdout: 'a --b\n', stderr: '' })
  })

  test('runs what was built where there is no source', () => {
    write('dist/cli/main.js', built)
    expect(launch(['a'])).toMatchObject({ status: 3, stdout: 'a\n', stderr: '' })
  })

  test('says so where neither is there', () => {
    const { status, stdout, stderr } = launch([])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain('the package is incomplete')
  })

  test('tells an older Node.js what was found, what is needed and how to get it', () => {
    write('dist/cli/main.js', built)
    const older = `Object.defineProperty(process, 'versions', { value: { node: '22.1.0' } })`
    const { status, stdout, stderr } = launch([], ['--import', `data:text/javascript,${encodeURIComponent(older)}`])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/needs Node\.js 24 or newer; this is v/)
    expect(stderr).toMatch(/npm ci.*npx lockstep/)
  })

  test('hides the warnings about what it uses on purpose, and no other', () => {
    write(
      'dist/cli/main.js',
      `export async function main() {
        process.emitWarning('SQLite is an experimental feature', 'ExperimentalWarning')
        process.emitWarning('Another thing is an experimental feature', 'ExperimentalWarning')
        process.emitWarning('SQLite is slow')
        return 0
      }\n`,
    )
    const { stderr } = launch([])
    expect(stderr).not.toContain('SQLite is an experimental')
    expect(stderr).toContain('Another thing is an experimental')
    expect(stderr).toContain('SQLite is slow')
  })
})

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

function launch(words: readonly string[], options: readonly string[] = []): ReturnType<typeof run> {
  return run([...options, join(folder, 'bin/lockstep.js'), ...words])
}

function run(words: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', timeout: 20_000 })
  return { status, stdout, stderr }
}
