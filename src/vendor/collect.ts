import { bankAnswerMax, bankPaths, commandType, parseSettlement, type Settlement } from '../http/bank.ts'
import { type ClosingOptions, claim, settled } from './closing.ts'
import type { Held } from './held.ts'

/**
 * Claims from the bank what was charged on a closed channel. The claim is stored before it leaves and sent again as it is,
 * so calling this again after any failure is safe; the bank pays it once.
 */
export async function collect(options: ClosingOptions, held: Held, bankUrl: string): Promise<Settlement> {
  const body = new Uint8Array(await claim(options, held))
  const url = new URL(bankPaths.close, bankUrl).href
  let response: Response
  try {
    response = await fetch(url, { method: 'POST', headers: { 'Content-Type': commandType }, body, redirect: 'error' })
  } catch (error) {
    throw new CollectError(`the bank at ${bankUrl} does not answer: whether it has paid is unknown. Ask again.`, {
      cause: error,
    })
  }
  const answer = await response.text()
  if (!response.ok) throw new CollectError(`the bank refused the claim: ${answer.slice(0, 500)}`)
  const settlement = parseSettlement(answer.slice(0, bankAnswerMax))
  if (!settlement.ok) throw new CollectError(`the bank's answer cannot be read: ${settlement.detail}`)
  await settled(options, held)
  return settlement.value
}

/** The bank did not pay, or nobody knows. The channel stays closed and claimed: collecting again is safe. */
export class CollectError extends Error {
  override readonly name: string = 'CollectError'
}
