import { bankAnswerMax, bankPaths, commandType, parseSettlement, type Settlement } from '../http/bank.ts'
import { type ClosingOptions, claim, settled } from './closing.ts'
import type { Held } from './held.ts'

export interface CollectOptions extends ClosingOptions {
  /** What the bank may take to answer. */
  readonly timeoutMs?: number
}

/**
 * Claims from the bank what was charged on a channel; nothing is accepted on it afterwards. The claim is stored before it
 * leaves and sent again as it is, so calling this again after any failure is safe; the bank pays it once.
 */
export async function collect(options: CollectOptions, held: Held, bankUrl: string): Promise<Settlement> {
  const claimed = await claim(options, held)
  if (!claimed.ok) throw new CollectError(`nothing was claimed: ${claimed.detail}. Collect again when they have ended.`)
  const { ok, body } = await send(new URL(bankPaths.close, bankUrl).href, claimed.claim, options.timeoutMs ?? 30_000)
  if (!ok) throw new CollectError(`the bank refused the claim: ${body.slice(0, 500)}`)
  const settlement = parseSettlement(body)
  if (!settlement.ok) throw new CollectError(`the bank's answer cannot be read: ${settlement.detail}`)
  const { spent } = held.channel
  if (settlement.value.settled !== spent) {
    throw new CollectError(`the bank says that it paid ${settlement.value.settled}; ${spent} was claimed`)
  }
  await settled(options, held)
  return settlement.value
}

/** The bank did not pay, or nobody knows. The channel stays claimed: collecting again is safe. */
export class CollectError extends Error {
  override readonly name: string = 'CollectError'
}

async function send(url: string, claim: Uint8Array, timeoutMs: number): Promise<{ ok: boolean; body: string }> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': commandType },
      body: new Uint8Array(claim),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    return { ok: response.ok, body: await readText(response) }
  } catch (cause) {
    throw new CollectError(`the bank at ${url} does not answer: whether it has paid is unknown. Ask again.`, { cause })
  }
}

/** At most what an answer of a bank has. The rest of a longer one is left: what is missing of it cannot be read then. */
async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size > bankAnswerMax) break
  }
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, bankAnswerMax))
}
