import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type LockedPackages, missingPlatforms } from '../scripts/lock.ts'
import { isMadeWell, isNamedWell, isShort } from './tidy/form.ts'
import { importsGoOneWay, importsHaveNoCycle, nounsAreNamespaces, pagesNeedNoNode } from './tidy/layers.ts'
import { linksLead, type Tree } from './tidy/links.ts'
import { amountsStayExact, pureFoldersOnlyCompute } from './tidy/purity.ts'
import { filesUnder, type Problem, parseSource, readSources, type Source } from './tidy/source.ts'

const root = join(import.meta.dirname, '..')
const sources = readSources(root, ['src', 'test', 'bench', 'scripts', 'bin', 'examples'])
const contracts = filesUnder(root, 'contracts', /\.sol$/)
const documentPaths = [...readdirSync(root), 'bench/README.md', 'contracts/README.md']
  .filter((path) => path.endsWith('.md') && existsSync(join(root, path)))
  .concat(filesUnder(root, 'docs', /\.md$/), filesUnder(root, 'examples', /\.md$/))

describe('the tree', () => {
  test('has sources to check', () => {
    expect(sources.filter(({ path }) => path.startsWith('src/')).length).toBeGreaterThan(3)
  })

  test('imports one way', () => {
    expect(across(sources, importsGoOneWay)).toEqual([])
  })

  test('has no module that needs itself', () => {
    expect(importsHaveNoCycle(sources).map(print)).toEqual([])
  })

  test('has a client for pages that asks for nothing of Node.js', () => {
    const { browser } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { browser: object }
    const bare = Object.entries(browser).map(([from, to]) => [from.slice(2), String(to).slice(2)] as const)
    expect(pagesNeedNoNode(sources, { entry: 'src/client/browser.ts', replaced: new Map(bare) }).map(print)).toEqual([])
  })

  test('uses a domain noun of another folder as a namespace', () => {
    expect(across(sources, nounsAreNamespaces)).toEqual([])
  })

  test('has no clock, no randomness and no input or output in the pure folders', () => {
    expect(across(sources, pureFoldersOnlyCompute)).toEqual([])
  })

  test('makes no float of an amount', () => {
    expect(across(sources, amountsStayExact)).toEqual([])
  })

  test('has no enum, no any, no silenced compiler and no swallowed error', () => {
    expect(across(sources, isMadeWell)).toEqual([])
  })

  test('has well-named files of 600 lines at most', () => {
    const files = [...sources, ...contracts.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))]
    expect(across(files, isShort)).toEqual([])
    expect(across(files, isNamedWell)).toEqual([])
  })

  test('has documents whose links lead somewhere', () => {
    const read = (path: string): string => readFileSync(join(root, path), 'utf8')
    const tree: Tree = { has: (path) => existsSync(join(root, path)), read }
    const documents = documentPaths.map((path) => ({ path, text: read(path) }))
    expect(across(documents, (document) => linksLead(document, tree))).toEqual([])
  })
})

describe('the lock file', () => {
  test('names the package of every platform, or npm ci refuses it', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: LockedPackages }
    expect(Object.keys(missingPlatforms(lock.packages))).toEqual([])
  })

  test('is completed from what a package says of its platforms', () => {
    const packages = {
      'node_modules/a': {
        dev: true,
        optionalDependencies: { 'a-linux-x64-gnu': '1.0.0', '@a/b-darwin-arm64': '1.0.0' },
      },
      'node_modules/@a/b-darwin-arm64': { version: '1.0.0' },
    }
    expect(missingPlatforms(packages)).toEqual({
      'node_modules/a-linux-x64-gnu': {
        version: '1.0.0',
        cpu: ['x64'],
        dev: true,
        libc: ['glibc'],
        optional: true,
        os: ['linux'],
      },
    })
  })

  test.each(['package-lock.json', 'scripts/reference/package-lock.json'])('names no host: %s', (path) => {
    expect(readFileSync(join(root, path), 'utf8')).not.toContain('"resolved"')
  })
})

describe('a check finds', () => {
  test.each([
    ['an import upwards', 'src/crypto/a.ts', `import { b } from '../wire/b.ts'`],
    ['an import of a type upwards', 'src/wire/a.ts', `import type { B } from '../protocol/b.ts'`],
    ['an export upwards', 'src/wire/a.ts', `export * from '../http/index.ts'`],
    ['a late import upwards', 'src/protocol/a.ts', `export const b = await import('../http/b.ts')`],
    ['a type imported in place', 'src/wire/a.ts', `export type B = import('../protocol/b.ts').B`],
    ['a role that imports a role', 'src/bank/a.ts', `import { b } from '../vendor/b.ts'`],
    ['a role that imports the command line', 'src/client/a.ts', `import { b } from '../cli/b.ts'`],
    ['a chain that imports a role', 'src/chain/a.ts', `import type { B } from '../bank/b.ts'`],
    ['a chain that imports the protocol', 'src/chain/a.ts', `import { b } from '../protocol/b.ts'`],
    ['a published scheme that imports the wire', 'src/published/a.ts', `import { b } from '../wire/b.ts'`],
    ['a driver that imports the wire', 'src/sqlite/a.ts', `import type { B } from '../wire/b.ts'`],
    ['source that imports a test', 'src/cli/a.ts', `import { b } from '../../test/b.ts'`],
    ['a folder that is no layer', 'src/other/a.ts', `export const a = 1`],
  ])('%s', (_, path, text) => expectOne(importsGoOneWay, path, text))

  test('a module that needs itself, but not a type that goes round', () => {
    const round = (kind: string): readonly Source[] => [
      parseSource('src/wire/a.ts', `import { b } from './b.ts'\nexport const a = b`),
      parseSource('src/wire/b.ts', `import ${kind} { a } from './a.ts'\nexport const b = 1 as typeof a`),
    ]
    expect(importsHaveNoCycle(round('')).map(print)).toEqual([
      'src/wire/a.ts:1 imports itself: src/wire/a.ts → src/wire/b.ts → src/wire/a.ts',
    ])
    expect(importsHaveNoCycle(round('type'))).toEqual([])
  })

  test('a page that asks for Node.js, however far away, but not for a type of it or for what is replaced', () => {
    const page = [
      parseSource('src/client/browser.ts', `export * from './a.ts'\nexport * from './native.ts'`),
      parseSource('src/client/a.ts', `import type { B } from 'node:fs'\nexport const b = () => import('./b.ts')`),
      parseSource('src/client/b.ts', `import { open } from 'node:fs'\nexport const c = open`),
      parseSource('src/client/native.ts', `import { d } from 'ws'\nexport const e = d`),
      parseSource('src/client/plain.ts', `export const e = 1`),
    ]
    const entry = 'src/client/browser.ts'
    const replaced = new Map([['src/client/native.ts', 'src/client/plain.ts']])
    expect(pagesNeedNoNode(page, { entry, replaced }).map(print)).toEqual([
      'src/client/b.ts:1 a page cannot load node:fs',
    ])
    expect(pagesNeedNoNode(page, { entry, replaced: new Map() })).toHaveLength(2)
  })

  test.each([
    ['a noun taken apart', 'src/wire/a.ts', `import { verify } from '../crypto/Schnorr.ts'`],
    ['a noun exported in parts', 'src/wire/a.ts', `export * from '../crypto/Schnorr.ts'`],
  ])('%s', (_, path, text) => expectOne(nounsAreNamespaces, path, text))

  test.each([
    ['a clock', `export const a = (): number => Date.now()`],
    ['a clock reached from the global object', `export const a = (): number => globalThis.performance.now()`],
    ['a timer', `export const a = (): unknown => setTimeout(() => 1, 1)`],
    ['a date in a type', `export type A = Date`],
    ['a random number', `export const a = Math.random()`],
    ['random bytes', `export const a = (c: Crypto, b: Uint8Array<ArrayBuffer>): unknown => c.getRandomValues(b)`],
    ['a random UUID', `export const a = crypto.randomUUID`, 2],
    ['an imported source of randomness', `import { randomBytes } from '@noble/hashes/utils.js'`, 2],
    ['a module of Node.js', `import { readFileSync } from 'node:fs'`],
    ['a module of Node.js without its prefix', `import { readFileSync } from 'fs'`],
    ['a package that is not for browsers', `import { WebSocketServer } from 'ws'`],
    ['a computed import', `export const a = (b: string): unknown => import(b)`],
    ['the process', `export const a = process.env`],
    ['the network', `export const a = fetch('b')`],
  ])('%s in pure code', (_, text, times = 1) => {
    for (const layer of ['crypto', 'wire', 'protocol', 'http', 'published']) {
      expectOne(pureFoldersOnlyCompute, `src/${layer}/a.ts`, text, times)
    }
    expect(pureFoldersOnlyCompute(parseSource('src/bank/a.ts', text))).toEqual([])
  })

  test('nothing in a name that only looks like a clock', () => {
    const text = `export const a = (env: { Date: 1, fetch: 2 }): unknown => [env.Date, { performance: 1 }, 'Date', Math.abs] // Date`
    expect(pureFoldersOnlyCompute(parseSource('src/wire/a.ts', text))).toEqual([])
  })

  test('what a backend may not do either, and nothing in what it alone may', () => {
    const may = `const crypto = process.getBuiltinModule('node:crypto')\nexport type A = typeof import('node:crypto')`
    expect(pureFoldersOnlyCompute(parseSource('src/crypto/native.ts', may))).toEqual([])
    expectOne(pureFoldersOnlyCompute, 'src/crypto/native.ts', 'export const a = process.b().randomBytes(32)')
    expectOne(pureFoldersOnlyCompute, 'src/crypto/native.ts', `import { hash } from 'node:crypto'`)
  })

  test.each([
    ['an amount made a float', `export const a = (b: bigint): number => Number(b)`],
    ['an amount parsed as a float', `export const a = (b: string): number => parseFloat(b)`],
    ['an amount parsed by Number', `export const a = (b: string): number => Number.parseInt(b, 10)`],
    ['an amount after a plus', `export const a = (b: string): number => +b`],
  ])('%s', (_, text) => {
    expectOne(amountsStayExact, 'src/wire/a.ts', text)
    expect(amountsStayExact(parseSource('src/wire/a.ts', `${text} // An index, not an amount.`))).toEqual([])
    expect(amountsStayExact(parseSource('src/wire/a.ts', `// An index, not an amount.\n${text}`))).toEqual([])
  })

  test.each([
    ['an enum', 'export enum A { B }'],
    ['a namespace', 'export namespace A { export const b = 1 }'],
    ['an assertion of any', 'export const a = 1 as any'],
    ['an ignored type error', '// @ts-ignore\nexport const a = 1'],
    ['an unchecked file', '/* @ts-nocheck */'],
    ['an empty catch', 'try { a() } catch { }'],
    ['an empty catch of a named error', 'try { a() } catch (error) { }'],
    ['an empty rejection handler', 'void a().catch(() => {})'],
  ])('%s', (_, text) => expectOne(isMadeWell, 'src/bank/a.ts', text))

  test('nothing in an error that is swallowed with a reason', () => {
    const text = 'try { a() } catch {\n  // The socket is closed already.\n}'
    expect(isMadeWell(parseSource('src/bank/a.ts', text))).toEqual([])
  })

  test('a file that is too long, by one line', () => {
    expect(isShort({ path: 'src/wire/a.ts', text: 'a\n'.repeat(600) })).toEqual([])
    expect(isShort({ path: 'src/wire/a.ts', text: 'a\n'.repeat(601) })).toHaveLength(1)
  })

  test.each(['src/wire/some-thing.ts', 'src/wire/some_thing.ts', 'src/utils/hex.ts', 'src/wire/utils.ts'])(
    'a bad name: %s',
    (path) => expect(isNamedWell({ path })).toHaveLength(1),
  )

  test('a link that leads nowhere, and not one that is code or leaves the project', () => {
    const tree: Tree = { has: (path) => path === 'docs/b.md', read: () => '# One `Two` three!\n\n## One two-three\n' }
    const check = (text: string): readonly string[] => linksLead({ path: 'docs/a.md', text }, tree).map(print)
    expect(check('[b](c.md)')).toEqual(['docs/a.md:1 c.md leads nowhere'])
    expect(check('text\n\n[b]: ../c.md')).toEqual(['docs/a.md:3 ../c.md leads nowhere'])
    expect(check('[b](b.md#four)')).toEqual(['docs/a.md:1 docs/b.md has no heading #four'])
    expect(check('[b](b.md) [c](b.md#one-two-three) [d](b.md#one-two-three-1) [e](https://example.org)')).toEqual([])
    expect(check('`[b](c.md)`\n\n```md\n[b](c.md)\n```\n')).toEqual([])
  })
})

function across<File>(files: readonly File[], check: (file: File) => readonly Problem[]): readonly string[] {
  return files.flatMap(check).map(print)
}

function expectOne(check: (source: Source) => readonly Problem[], path: string, text: string, times = 1): void {
  expect(check(parseSource(path, text)).map(print)).toHaveLength(times)
}

function print({ path, line, says }: Problem): string {
  return `${path}:${line} ${says}`
}
