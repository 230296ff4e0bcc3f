/** The architecture, read off the imports: which folder of `src/` may import which. */

import { basename, posix } from 'node:path'
import type { Import, Problem, Source } from './source.ts'

const pure = ['crypto', 'wire', 'protocol', 'http']
const stores = ['sql', 'sqlite', 'postgres']

/**
 * `chain` stands beside the roles: they may use it, it knows none of them. `sql` is what stores are written in, `sqlite` and
 * `postgres` are the drivers under them, `net` is what servers share; they know nothing of the project.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  crypto: [],
  wire: ['crypto'],
  protocol: ['crypto', 'wire'],
  http: ['crypto', 'wire', 'protocol'],
  published: ['crypto'],
  sql: [],
  sqlite: ['sql'],
  postgres: ['sql'],
  net: [],
  chain: ['crypto', 'wire', 'sqlite'],
  bank: [...pure, 'net', 'chain', ...stores],
  vendor: [...pure, 'net', 'chain', ...stores],
  client: [...pure, 'chain', ...stores],
  mcp: [...pure, 'vendor', 'client'],
  interop: [...pure, 'vendor', 'client'],
  proxy: [...pure, 'vendor'],
  ops: [...pure, 'net', 'chain', ...stores, 'bank', 'vendor', 'client'],
  cli: [...pure, 'published', 'chain', ...stores, 'bank', 'vendor', 'client', 'ops', 'mcp', 'proxy'],
}

/** What source may take from beside it: data, never code. */
const dataOutside = /^(?:package\.json|contracts\/.+\.json)$/

/** The layer a path is in: `src/wire/Terms.ts` is in `wire`. */
export function layerOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1]
}

/** Every import of `src/` goes down, or stays in its folder. */
export function importsGoOneWay(source: Source): readonly Problem[] {
  const layer = layerOf(source.path)
  if (layer === undefined) return []
  const allowed = mayImport[layer]
  if (allowed === undefined) return [{ path: source.path, line: 1, says: `src/${layer} is not a layer of the project` }]
  return source.imports.flatMap(({ target, line }) => {
    if (target === undefined) return []
    const into = layerOf(target)
    if (into === undefined && dataOutside.test(target)) return []
    if (into === layer || (into !== undefined && allowed.includes(into))) return []
    return [{ path: source.path, line, says: `${layer} must not import ${target}` }]
  })
}

/** Between folders a domain noun is used as a whole, under its own name: `Schnorr.verify`. */
export function nounsAreNamespaces(source: Source): readonly Problem[] {
  const layer = layerOf(source.path)
  if (layer === undefined) return []
  const split = ({ target, named, typeOnly }: Import): boolean =>
    target !== undefined && named && !typeOnly && layerOf(target) !== layer && /^[A-Z]/.test(basename(target))
  return source.imports.filter(split).map(({ target = '', line }) => ({
    path: source.path,
    line,
    says: `import ${target} as a namespace: import * as ${basename(target, posix.extname(target))}`,
  }))
}

/**
 * Nothing that a page loads asks for Node.js. `entry` is what a bundler starts at; `replaced` names what it takes in place of a
 * module, as the member `browser` of package.json says.
 */
export function pagesNeedNoNode(
  sources: readonly Source[],
  { entry, replaced }: { readonly entry: string; readonly replaced: ReadonlyMap<string, string> },
): readonly Problem[] {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const problems: Problem[] = []
  const reached = new Set<string>()
  const visit = (path: string): void => {
    if (reached.has(path)) return
    reached.add(path)
    for (const { target, specifier = '', typeOnly, line } of byPath.get(path)?.imports ?? []) {
      if (typeOnly) continue
      if (target !== undefined) visit(replaced.get(target) ?? target)
      else if (!pagePackages.test(specifier)) problems.push({ path, line, says: `a page cannot load ${specifier}` })
    }
  }
  visit(entry)
  return problems
}

/** What runs in a browser. */
const pagePackages = /^(?:@noble\/|eventsource-parser)/

/** No module needs itself to start: types may go round, values may not. */
export function importsHaveNoCycle(sources: readonly Source[]): readonly Problem[] {
  const graph = new Map(sources.map((source) => [source.path, valueTargets(source)]))
  const finished = new Set<string>()
  const problems: Problem[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (finished.has(path)) return
    if (trail.includes(path)) {
      const cycle = [...trail.slice(trail.indexOf(path)), path]
      problems.push({ path, line: 1, says: `imports itself: ${cycle.join(' → ')}` })
      return
    }
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path])
    finished.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return problems
}

function valueTargets(source: Source): readonly string[] {
  return source.imports.flatMap(({ target, typeOnly }) => (target === undefined || typeOnly ? [] : [target]))
}
