import { fromHex } from '../crypto/bytes.ts'
import { commandType } from '../http/bank.ts'
import { bankProblemOf, type ProblemReason, problemType } from '../http/problems.ts'
import type { Sender } from './service.ts'

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

/** What was asked, after its path, method and size were found right. */
export interface Asked {
  readonly body: Uint8Array
  /** Of the path, by name. */
  readonly path: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly sender: Sender
}

export function json(body: string): Answer {
  return { status: 200, type: 'application/json', body }
}

export function problem(refusal: {
  readonly reason: ProblemReason
  readonly detail: string
}): Answer & { readonly body: string } {
  const found = bankProblemOf(refusal)
  return { status: found.status, type: problemType, body: JSON.stringify(found) }
}

export function idOf({ path }: Pick<Asked, 'path'>, name: string): Uint8Array {
  return fromHex(path[name] ?? '')
}

export function octets(body: Uint8Array): Answer {
  return { status: 200, type: commandType, body }
}

export function nothing(detail: string): Answer {
  return problem({ reason: 'NotFound', detail })
}
