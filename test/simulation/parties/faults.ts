import { ChainError } from '../../../src/chain/chainError.ts'
import { RefusedError, UnansweredError } from '../../../src/client/errors.ts'
import { StoreError } from '../../../src/sql/storeError.ts'
import { problemResponse } from '../../../src/vendor/responses.ts'
import type { Ground } from '../engine/world.ts'

/** Errors that stand for a failing environment or a refusal, by name: none of them is a bug. */
const expected: ReadonlySet<string> = new Set([
  'StoreError',
  'StoreUnavailableError',
  'HeldElsewhereError',
  'EvictedError',
  'JournalError',
  'RefusedError',
  'UnansweredError',
  'CollectError',
  'ChainError',
  'ConnectionError',
])

/** Whether this is what a program does when its surroundings fail. Anything else is a bug in it, which this reports. */
export function isExpected(error: unknown, where: string, { violate }: Ground): boolean {
  const known =
    error instanceof StoreError ||
    error instanceof ChainError ||
    error instanceof RefusedError ||
    error instanceof UnansweredError ||
    (error instanceof Error && expected.has(error.name))
  if (!known) violate('bug', `${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return known
}

/** Answers as a server does whose program throws. */
export async function serveSafely(
  serve: () => Promise<Response | undefined>,
  where: string,
  ground: Ground,
): Promise<Response> {
  try {
    return (await serve()) ?? problemResponse({ reason: 'NotFound', detail: 'nothing is here' })
  } catch (error) {
    const isStore = isExpected(error, where, ground)
    return problemResponse({ reason: isStore ? 'StoreUnavailable' : 'Internal', detail: 'this failed' })
  }
}
