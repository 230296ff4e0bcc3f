import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root: string = join(import.meta.dirname, '..')

export const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>
}

/**
 * A module for `node --import`: `lockstep/…` is resolved by the exports of the package, to its sources. What the package does not
 * export is not found, as in an installed package.
 */
export function packageResolver(): string {
  const entries = Object.entries(packageJson.exports).flatMap(([subpath, target]) =>
    typeof target === 'string' ? [] : [[`lockstep${subpath.slice(1)}`, sourceOf(target.default)] as const],
  )
  const module = `import { registerHooks } from 'node:module'
const sources = ${JSON.stringify(Object.fromEntries(entries))}
registerHooks({ resolve: (name, context, next) => next(sources[name] ?? name, context) })`
  return `data:text/javascript,${encodeURIComponent(module)}`
}

/** `./dist/wire/index.js` is built from `src/wire/index.ts`. */
function sourceOf(built: string): string {
  return new URL(`../${built.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts')}`, import.meta.url).href
}
