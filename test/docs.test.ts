import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { packageJson, root } from '../scripts/lockstepPackage.ts'
import { main } from '../src/cli/main.ts'

const documents = ['README.md', 'CONTRIBUTING.md', ...filesUnder('docs').filter((path) => path.endsWith('.md'))].map(
  (path) => ({ path, text: readFileSync(join(root, path), 'utf8') }),
)

afterEach(() => vi.restoreAllMocks())

describe('the README', () => {
  test('is what the demo sells: neither too little of it nor too much', () => {
    const { size } = statSync(join(root, 'README.md'))
    expect(size).toBeGreaterThan(4000)
    expect(size).toBeLessThan(10_000)
  })
})

describe('a document names', () => {
  const commandLines = documents.flatMap(({ path, text }) => commandLinesIn(text).map((line) => ({ path, line })))

  test('commands at all', () => expect(commandLines.length).toBeGreaterThan(10))

  test.each(commandLines)('a command with options that there are, in $path: $line', async ({ line }) => {
    let said = ''
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      said += String(text)
      return true
    })
    // Options are parsed before anything is done, from left to right: this one is reached if all before it are known.
    const args = line.split(/\s+/).filter((word) => word !== '')
    expect(await main([...args, '--no-such-option'])).toBe(2)
    expect(said).toContain("Unknown option '--no-such-option'")
  })

  test('scripts that there are', () => {
    const scripts = documents.flatMap(({ text }) =>
      [...text.matchAll(/npm run ([a-z-]+)/g)].map(([, script]) => script!),
    )
    expect(scripts.filter((script) => packageJson.scripts[script] === undefined)).toEqual([])
  })

  test('sections of the design that there are, and so do the sources', () => {
    const design = readFileSync(join(root, 'docs/design.md'), 'utf8')
    const sections = new Set([...design.matchAll(/^##+ (\d(?:\.\d+)?)\b/gm)].map(([, number]) => number))
    const texts = ['bench', 'contracts', 'docs', 'examples', 'scripts', 'src', 'test', 'web']
      .filter((folder) => existsSync(join(root, folder)))
      .flatMap((folder) => filesUnder(folder).filter((path) => /\.(ts|md|sol)$/.test(path)))
      .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
    const named = texts.flatMap(({ path, text }) =>
      [...text.matchAll(/\bDesign (\d(?:\.\d+)?)(?: and (\d\.\d+))?/g)].flatMap(([, ...numbers]) =>
        numbers.filter((number) => number !== undefined).map((number) => ({ path, number })),
      ),
    )
    expect(named.length).toBeGreaterThan(40)
    expect(named.filter(({ number }) => !sections.has(number))).toEqual([])
    expect(texts.filter(({ text }) => /\bPROTOCOL \d/.test(text)).map(({ path }) => path)).toEqual([])
  })

  test('tests that there are, in the files that it links to', () => {
    const named = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^)\s]*\.test\.ts)\)((?:,? “[^”]+”)*)/g)].flatMap(([, link = '', names = '']) =>
        [...names.matchAll(/“([^”]+)”/g)].map(([, name = '']) => ({
          file: posix.join(posix.dirname(path), link),
          name: name.replaceAll('\n', ' '),
        })),
      ),
    )
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter(({ file, name }) => !isTest(file, name))).toEqual([])
  })

  test('parties in a sequence diagram that it has introduced, and nothing that ends a statement', () => {
    for (const { path, text } of documents) {
      for (const [, diagram = ''] of text.matchAll(/^```mermaid\nsequenceDiagram\n([\s\S]*?)^```$/gm)) {
        const parties = new Set([...diagram.matchAll(/participant (\w+) as/g)].map(([, party]) => party))
        const met = [...diagram.matchAll(/^\s*(\w+)-[-x>)]*(\w+):/gm)].flatMap(([, from, to]) => [from, to])
        expect({ path, strangers: met.filter((party) => !parties.has(party)) }).toEqual({ path, strangers: [] })
        expect({ path, ends: /[;#]/.exec(diagram) }).toEqual({ path, ends: null })
      }
    }
  })
})

/** What follows `lockstep`, in shell blocks and in inline code; `npm start --` stands for `lockstep demo`. */
function commandLinesIn(text: string): readonly string[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) => block.split('\n'))
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '')
  const inline = [...prose.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
  return [...blocks, ...inline]
    .flatMap((line) => line.replace(/\s#.*/, '').split('&&'))
    .flatMap((line) => {
      const [, args] = /^\s*npx\s+lockstep\s+([^…]+)$/.exec(line) ?? []
      const [, options] = /^\s*npm start -- ([^…]+)$/.exec(line) ?? []
      return args ?? (options === undefined ? [] : `demo ${options}`)
    })
}

function isTest(file: string, name: string): boolean {
  const path = join(root, file)
  return existsSync(path) && readFileSync(path, 'utf8').includes(name)
}

function filesUnder(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => posix.join(folder, path))
}
