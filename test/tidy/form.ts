/** How a file is made: its size, its name, and the few constructs the project does without. */

import { basename, posix } from 'node:path'
import { child, isNode, lineAt, type Node, type Problem, type Source, walk } from './source.ts'

const linesMax = 600

/** 600 lines at most: beyond, a second concept is waiting to move out. */
export function isShort({ path, text }: { readonly path: string; readonly text: string }): readonly Problem[] {
  const lines = text.trimEnd().split('\n').length
  return lines > linesMax ? [{ path, line: linesMax + 1, says: `${lines} lines; ${linesMax} at most` }] : []
}

/** `camelCase.ts`, or `PascalCase.ts` for a module used as a namespace; no folder named for nothing. */
export function isNamedWell({ path }: { readonly path: string }): readonly Problem[] {
  const problem = (says: string): Problem => ({ path, line: 1, says })
  const problems: Problem[] = []
  const words = basename(path, posix.extname(path)).split('.')
  if (!words.every((word) => /^[A-Za-z][A-Za-z0-9]*$/.test(word))) problems.push(problem('name files in camelCase'))
  if (/(?:^|\/)(?:utils?|helpers?|misc|common)(?:\/|\.[jt]s$)/.test(path)) {
    problems.push(problem('name a file or folder for its concept, not for being useful'))
  }
  return problems
}

/** No enums, namespaces, `as any` or silenced compiler, and no error swallowed without a word. */
export function isMadeWell({ path, text, program, comments }: Source): readonly Problem[] {
  const problems: Problem[] = []
  const report = (offset: number, says: string): void => {
    problems.push({ path, line: lineAt(text, offset), says })
  }
  for (const { value, start } of comments) {
    if (/@ts-(?:ignore|nocheck)/.test(value)) report(start, 'correct the types; do not silence the compiler')
  }
  walk(program, (node) => {
    if (node.type === 'TSEnumDeclaration') report(node.start, 'use a union of literals, not an enum')
    if (node.type === 'TSModuleDeclaration' && node.kind !== 'global')
      report(node.start, 'use a module, not a namespace')
    if (node.type === 'Decorator') report(node.start, 'call a function, not a decorator')
    if (assertsAny(node)) report(node.start, 'say which type it is, not any')
    const swallows = swallowing(node)
    if (swallows !== undefined && !comments.some(({ start, end }) => start > swallows.start && end < swallows.end)) {
      report(swallows.start, 'say why this error is swallowed')
    }
  })
  return problems
}

function assertsAny(node: Node): boolean {
  const asserts = node.type === 'TSAsExpression' || node.type === 'TSTypeAssertion'
  return asserts && child(node, 'typeAnnotation', 'TSAnyKeyword') !== undefined
}

/** The empty block of a `catch {}` or a `.catch(() => {})`. */
function swallowing(node: Node): Node | undefined {
  if (node.type === 'CatchClause') return emptyBlock(node)
  if (node.type !== 'CallExpression') return undefined
  const callee = child(node, 'callee', 'MemberExpression')
  const handler = Array.isArray(node.arguments) ? node.arguments[0] : undefined
  return child(callee, 'property', 'Identifier')?.name === 'catch' && isNode(handler) ? emptyBlock(handler) : undefined
}

function emptyBlock(node: Node): Node | undefined {
  const block = child(node, 'body', 'BlockStatement')
  return Array.isArray(block?.body) && block.body.length === 0 ? block : undefined
}
