/** Links between the project's documents. */

import { posix } from 'node:path'
import { lineAt, type Problem } from './source.ts'

export interface Document {
  readonly path: string
  readonly text: string
}

/** What the project holds: whether a path is there, and the text of a document. */
export interface Tree {
  has(path: string): boolean
  read(path: string): string
}

/** Every relative link leads to a file or folder of the project, and its `#heading` to a heading there. */
export function linksLead({ path, text }: Document, tree: Tree): readonly Problem[] {
  const prose = withoutCode(text)
  return [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*<?([^\s>]+)/gm)].flatMap((found) => {
    const link = found[1] ?? found[2] ?? ''
    if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return []
    const [file = '', heading] = decodeURI(link).split('#')
    const target = file === '' ? path : posix.join(posix.dirname(path), file)
    const problem = { path, line: lineAt(text, found.index) }
    if (!tree.has(target)) return [{ ...problem, says: `${link} leads nowhere` }]
    if (heading === undefined || !target.endsWith('.md')) return []
    return headingsOf(tree.read(target)).has(heading)
      ? []
      : [{ ...problem, says: `${target} has no heading #${heading}` }]
  })
}

/** The names GitHub gives to a document's headings. */
function headingsOf(text: string): ReadonlySet<string> {
  const seen = new Map<string, number>()
  const names = new Set([...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map((found) => found[1] ?? ''))
  for (const [, title = ''] of withoutFences(text).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const name = title
      .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-')
    const times = seen.get(name) ?? 0
    seen.set(name, times + 1)
    names.add(times === 0 ? name : `${name}-${times}`)
  }
  return names
}

/** Blanks code, keeping every offset. */
function withoutCode(text: string): string {
  return withoutFences(text).replaceAll(/`[^`\n]+`/g, blank)
}

function withoutFences(text: string): string {
  return text.replaceAll(/^ *(```+|~~~+)[^\n]*\n[\s\S]*?^ *\1/gm, blank)
}

function blank(code: string): string {
  return code.replaceAll(/[^\n]/g, ' ')
}
