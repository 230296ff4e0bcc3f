/** Holds what a bank answers against its OpenAPI document. */

import { expect } from 'vitest'
import { bankOpenapi, bankOperations, type OperationName } from '../../src/http/bank.ts'
import { faultsOf, type Json } from './jsonSchema.ts'

export const document: Json = bankOpenapi()

/** Operations that were answered, with the kind of their answer, and reasons that were refused for. */
export const seen: Set<string> = new Set<string>()

export function checkAnswer(
  path: string,
  response: Response,
  { size, text }: { readonly size: number; readonly text: string },
): void {
  const name = nameOf(path)
  const operation = bankOperations[name]
  const paths = document.paths as Record<string, Record<string, Json>>
  const { responses } = paths[operation.path]![operation.method.toLowerCase()] as { responses: Record<string, Json> }
  const said = responses[response.status]
  expect(said, `${name} answers ${response.status}: ${text}`).toBeDefined()
  const type = response.headers.get('content-type') ?? ''
  const content = (said!.content as Record<string, { readonly schema: Json }>)[type]
  expect(content, `${name} answers ${type}`).toBeDefined()
  if (type === 'application/octet-stream') {
    const { minLength = 1, maxLength = 1_000_000 } = content!.schema as { minLength?: number; maxLength?: number }
    expect(size).toBeGreaterThanOrEqual(minLength)
    expect(size).toBeLessThanOrEqual(maxLength)
  } else {
    const value: unknown = JSON.parse(text)
    expect(faultsOf(content!.schema, value, document), `${name}: ${text}`).toEqual([])
    if (response.ok) {
      const { action, cause } = value as { readonly action?: string; readonly cause?: string }
      seen.add([name, action ?? cause ?? ''].join(' ').trim())
    }
  }
  if (response.ok) seen.add(name)
  else seen.add(`refusal ${(JSON.parse(text) as { readonly reason: string }).reason}`)
}

/** The operation that a path is of. */
export function nameOf(path: string): OperationName {
  const found = find(path)
  if (found === undefined) throw new Error(`no operation is at ${path}`)
  return found
}

export function isDocumented(path: string): boolean {
  return find(path) !== undefined
}

function find(path: string): OperationName | undefined {
  const [bare = ''] = path.split('?')
  const found = Object.entries(bankOperations).find(([, { path: template }]) =>
    new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(bare),
  )
  return found?.[0] as OperationName | undefined
}
