/** A source file as the checks see it: its text, its syntax tree, its comments and what it imports. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { parseSync, visitorKeys } from 'oxc-parser'

export interface Source {
  /** From the root of the project, with forward slashes. */
  readonly path: string
  readonly text: string
  readonly program: Node
  readonly comments: readonly Comment[]
  readonly imports: readonly Import[]
}

/** A node of the ESTree the parser returns; the checks look at few of its fields and at each with care. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

interface Comment {
  readonly value: string
  readonly start: number
  readonly end: number
}

export interface Import {
  /** As written, or `undefined` where it is computed. */
  readonly specifier: string | undefined
  /** The file meant, from the root of the project; `undefined` for a package. */
  readonly target: string | undefined
  /** Erased before the program runs. */
  readonly typeOnly: boolean
  /** Names taken one by one, as in `import { a }`: not `import * as A`. */
  readonly named: boolean
  readonly line: number
}

/** A place where a file breaks a rule. */
export interface Problem {
  readonly path: string
  readonly line: number
  readonly says: string
}

export function parseSource(path: string, text: string): Source {
  const parsed = parseSync(path, text)
  if (parsed.errors.length > 0) throw new Error(`${path} does not parse: ${parsed.errors[0]?.message}`)
  const program = parsed.program as unknown as Node
  const { comments } = parsed
  return { path, text, program, comments, imports: importsOf(path, text, program) }
}

/** Calls `visit` for each node, outermost first, with the node around it. */
export function walk(node: Node, visit: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  visit(node, parent)
  for (const key of visitorKeys[node.type] ?? []) {
    const child = node[key]
    for (const next of Array.isArray(child) ? child : [child]) {
      if (isNode(next)) walk(next, visit, node)
    }
  }
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value
}

/** The child in a field, if it is of this type. */
export function child(node: Node | undefined, field: string, type: string): Node | undefined {
  const found = node?.[field]
  return isNode(found) && found.type === type ? found : undefined
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

/** Paths of the files under `folder` whose name ends so, from the root of the project; none if there is no such folder. */
export function filesUnder(root: string, folder: string, ending: RegExp): readonly string[] {
  const path = join(root, folder)
  if (!existsSync(path)) return []
  if (!statSync(path).isDirectory()) return ending.test(folder) ? [folder] : []
  return readdirSync(path)
    .filter((name) => name !== 'node_modules' && name !== 'dist' && name !== '.git')
    .flatMap((name) => filesUnder(root, posix.join(folder, name), ending))
}

export function readSources(root: string, folders: readonly string[]): readonly Source[] {
  const paths = folders.flatMap((folder) => filesUnder(root, folder, /\.[mc]?[jt]s$/))
  return paths.map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')))
}

function importsOf(path: string, text: string, program: Node): readonly Import[] {
  const imports: Import[] = []
  walk(program, (node) => {
    if (!importing.has(node.type)) return
    const source = node.source
    if (!isNode(source)) return // `export { a }` takes from no other module.
    const value = source.value
    const specifier = typeof value === 'string' ? value : undefined
    const target = specifier?.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined
    imports.push({
      specifier,
      target,
      typeOnly: isTypeOnly(node),
      named: isNamed(node),
      line: lineAt(text, node.start),
    })
  })
  return imports
}

const importing = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
])

function isTypeOnly(node: Node): boolean {
  if (node.type === 'TSImportType' || node.importKind === 'type' || node.exportKind === 'type') return true
  const names = specifiersOf(node)
  return names.length > 0 && names.every((name) => name.importKind === 'type' || name.exportKind === 'type')
}

function isNamed(node: Node): boolean {
  const names = specifiersOf(node).filter((name) => name.importKind !== 'type' && name.exportKind !== 'type')
  const isFlatExport = node.type === 'ExportAllDeclaration' && !isNode(node.exported)
  return isFlatExport || names.some((name) => name.type === 'ImportSpecifier' || name.type === 'ExportSpecifier')
}

function specifiersOf(node: Node): readonly Node[] {
  const specifiers = node.specifiers
  return Array.isArray(specifiers) ? specifiers.filter(isNode) : []
}
