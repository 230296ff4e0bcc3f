/** Pure folders compute: time, entropy and the outside world are arguments, and an amount stays a bigint. */

import { layerOf } from './layers.ts'
import { child, isNode, lineAt, type Node, type Problem, type Source, walk } from './source.ts'

const pureLayers = new Set(['crypto', 'wire', 'protocol', 'http', 'published'])

/** The only packages pure code may use; both run in a browser. */
const purePackages = /^@noble\/(?:curves\/|hashes\/|secp256k1$)/

const clocks = ['Date', 'Temporal', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'requestAnimationFrame']
const randomness = [
  'crypto',
  'getRandomValues',
  'randomBytes',
  'randomUUID',
  'randomSecretKey',
  'randomPrivateKey',
  'keygen',
]
const outside = [
  'process',
  'Buffer',
  'require',
  'fetch',
  'XMLHttpRequest',
  'WebSocket',
  'EventSource',
  'localStorage',
  'console',
]

/** What is refused under any name it is reached by: a variable, an import, a member of any object. */
const refusedAsMember = new Set(randomness.filter((name) => name !== 'crypto'))
const refused = new Map([
  ...clocks.map((name) => [name, 'a clock'] as const),
  ...randomness.map((name) => [name, 'randomness'] as const),
  ...outside.map((name) => [name, 'the outside world'] as const),
])

/** Where Node.js is asked for its own arithmetic: nowhere else may pure code know on what it runs. */
const backends = new Set(['src/crypto/native.ts', 'src/crypto/backend.ts'])
const knownToBackends = new Set(['process', 'crypto'])

function isPure(path: string): boolean {
  return pureLayers.has(layerOf(path) ?? '')
}

/** No clock, no randomness, no input or output, no module a browser lacks. */
export function pureFoldersOnlyCompute(source: Source): readonly Problem[] {
  if (!isPure(source.path)) return []
  const problems: Problem[] = source.imports
    .filter(({ specifier, target }) => target === undefined && !purePackages.test(specifier ?? ''))
    .filter(({ typeOnly }) => !(typeOnly && backends.has(source.path)))
    .map(({ specifier, line }) => ({
      path: source.path,
      line,
      says: `pure code must not import ${specifier ?? 'a computed module'}`,
    }))
  walk(source.program, (node, parent) => {
    const name = node.name
    if (node.type !== 'Identifier' || typeof name !== 'string') return
    const what = whatIsRefused(name, node, parent)
    if (what === undefined) return
    if (knownToBackends.has(name) && backends.has(source.path)) return
    problems.push({
      path: source.path,
      line: lineAt(source.text, node.start),
      says: `pure code must not use ${name} (${what})`,
    })
  })
  return problems
}

/**
 * No `Number(…)`, `parseInt`, `parseFloat` or unary `+` where an amount may come by. A count or an index may be converted:
 * a comment on that line or the one above says so with the words "not an amount".
 */
export function amountsStayExact(source: Source): readonly Problem[] {
  if (!isPure(source.path)) return []
  const excused = new Set(
    source.comments
      .filter(({ value }) => value.includes('not an amount'))
      .map(({ end }) => lineAt(source.text, end))
      .flatMap((line) => [line, line + 1]),
  )
  const problems: Problem[] = []
  walk(source.program, (node) => {
    const converter = conversion(node)
    const line = lineAt(source.text, node.start)
    if (converter !== undefined && !excused.has(line)) {
      problems.push({ path: source.path, line, says: `${converter} loses an amount's last digits: keep a bigint` })
    }
  })
  return problems
}

function whatIsRefused(name: string, node: Node, parent: Node | undefined): string | undefined {
  if (refusedAsMember.has(name)) return refused.get(name)
  const object = child(parent, 'object', 'Identifier')
  if (parent?.type === 'MemberExpression' && parent.property === node && parent.computed === false) {
    if (object?.name === 'Math' && name === 'random') return 'randomness'
    return object?.name === 'globalThis' ? refused.get(name) : undefined
  }
  return isLabel(node, parent) ? undefined : refused.get(name)
}

/** A name that refers to nothing by itself: a property's, or the far side of an import or a qualified type. */
function isLabel(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined) return false
  if (parent.key === node) return parent.shorthand !== true && parent.computed !== true
  return parent.type === 'TSQualifiedName' && parent.right === node
}

function conversion(node: Node): string | undefined {
  if (node.type === 'UnaryExpression' && node.operator === '+') {
    return child(node, 'argument', 'Literal') === undefined ? 'unary +' : undefined
  }
  if (node.type !== 'CallExpression' && node.type !== 'NewExpression') return undefined
  const callee = node.callee
  if (!isNode(callee)) return undefined
  const member = callee.type === 'MemberExpression' ? callee.property : callee
  const name = isNode(member) ? member.name : undefined
  return name === 'Number' || name === 'parseInt' || name === 'parseFloat' ? `${name}(…)` : undefined
}
