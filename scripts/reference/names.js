/**
 * Calls a page what is imported, `vendor/express` where its source is in `vendor/adapters`, and what a function takes apart at once
 * its options.
 */

import { readFileSync } from 'node:fs'
import { ReflectionKind } from 'typedoc'

const { exports } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const subpaths = new Map(
  Object.entries(exports).map(([subpath, { default: built = '' }]) => [
    built.replace('./dist/', '').replace(/(?:\/index)?\.js$/, ''),
    subpath.slice(2),
  ]),
)

export function load({ converter }) {
  converter.on('resolveBegin', ({ project }) => {
    for (const module of project.children ?? []) module.name = subpaths.get(module.name) ?? module.name
    for (const parameter of project.getReflectionsByKind(ReflectionKind.Parameter)) {
      if (parameter.name === '__namedParameters') parameter.name = 'options'
    }
  })
}
