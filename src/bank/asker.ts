import { equal, toHex } from '../crypto/bytes.ts'
import { parseQuery, queryLifeMax, verifyQuery } from '../http/bankQuery.ts'
import type { ProblemReason } from '../http/problems.ts'
import type { Bank } from './service.ts'

/** Whether it is the account that asks for what is its own. */
export function assessAsker(
  bank: Pick<Bank, 'key' | 'now'>,
  account: Uint8Array,
  authorization: string | undefined,
): { readonly reason: ProblemReason; readonly detail: string } | undefined {
  if (authorization === undefined) {
    return { reason: 'QueryUnsigned', detail: `only account ${toHex(account)} may ask this, in a signed header` }
  }
  const query = parseQuery(authorization)
  if (!query.ok) return query
  const { validUntil } = query.value
  const now = bank.now()
  if (validUntil < now)
    return { reason: 'CommandExpired', detail: `the question was valid until ${validUntil}; it is ${now}` }
  if (validUntil - now > queryLifeMax) {
    return { reason: 'CommandLifeTooLong', detail: `the question is valid for more than ${queryLifeMax} s` }
  }
  if (!equal(query.value.account, account) || !verifyQuery(bank.key, query.value)) {
    return { reason: 'SignatureInvalid', detail: 'the account of the path did not sign this question for this bank' }
  }
  return undefined
}
