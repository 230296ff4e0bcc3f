import {
  bankAnswerMax,
  bankPaths,
  type ChannelStatus,
  commandType,
  parseChannelStatus,
  parseSettlement,
  type Settlement,
} from '../http/bank.ts'
import { type ClosingOptions, claim, settled } from './closing.ts'
import type { Held } from './held.ts'

export interface CollectOptions extends ClosingOptions {
  /** What the bank may take to answer. */
  readonly timeoutMs?: number
}

/** What the bank paid, now or before. σ_0 comes with the answer to the very claim that was paid. */
export type Collected = Omit<Settlement, 'receipt'> & Partial<Pick<Settlement, 'receipt'>>

/**
 * Claims from the bank what was charged on a channel; nothing is accepted on it afterwards. The claim is stored before it
 * leaves and sent again as it is, so calling this again after any failure is safe; the bank pays it once.
 */
export async function collect(options: CollectOptions, held: Held, bankUrl: string): Promise<Collected> {
  const claimed = await claim(options, held)
  if (!claimed.ok) throw new CollectError(`nothing was claimed: ${claimed.detail}. Collect again when they have ended.`)
  const answer = await ask(options, new URL(bankPaths.close, bankUrl), claimed.claim)
  // Another claim, of a store that is lost, or the deadline was first: what became of the channel its status says.
  if (answer.status === 409) return collectBefore(options, held, { bankUrl, refusal: answer.body })
  if (answer.status !== 200) throw refusedBy(answer)
  const settlement = parseSettlement(answer.body)
  if (!settlement.ok) throw unreadable(settlement.detail)
  const { spent } = held.channel
  if (settlement.value.settled !== spent) {
    throw new CollectError(`the bank says that it paid ${settlement.value.settled}; ${spent} was claimed`)
  }
  await settled(options, held)
  return settlement.value
}

/** Nothing was paid for this claim, or nobody knows. The channel stays claimed: collecting again is safe. */
export class CollectError extends Error {
  override readonly name: string = 'CollectError'
  /** The bank may have paid: its answer did not come, or could not be read. */
  readonly isUnknown: boolean

  constructor(message: string, options: ErrorOptions & { readonly isUnknown?: boolean } = {}) {
    super(message, options)
    this.isUnknown = options.isUnknown ?? false
  }
}

/** How a channel ended that takes no claim any more. */
async function collectBefore(
  options: CollectOptions,
  held: Held,
  { bankUrl, refusal }: { readonly bankUrl: string; readonly refusal: string },
): Promise<Collected> {
  const { channelId, spent, stale } = held.channel
  const status = await askStatus(options, new URL(bankPaths.channel(channelId), bankUrl))
  if (status.status === 'open') throw new CollectError(`the bank refused the claim: ${refusal.slice(0, 500)}`)
  if (status.status === 'expired') {
    await settled(options, held)
    throw new CollectError(`the channel expired before it was claimed: ${spent} went back to its client`)
  }
  // In a life that was lost more may have been charged, and claimed.
  if (status.settled !== spent && !stale) {
    throw new CollectError(`the bank says that it paid ${status.settled} for another claim; ${spent} was claimed`)
  }
  await settled(options, held)
  const { settled: paid, refund, basis } = status
  return { settled: paid, refund, basis }
}

async function askStatus(options: CollectOptions, url: URL): Promise<ChannelStatus> {
  const answer = await ask(options, url)
  if (answer.status !== 200) throw refusedBy(answer)
  const status = parseChannelStatus(answer.body)
  if (!status.ok) throw unreadable(status.detail)
  return status.value
}

interface Answer {
  readonly status: number
  readonly body: string
}

/** Sends what was signed, or asks. */
async function ask({ timeoutMs = 30_000 }: CollectOptions, url: URL, signed?: Uint8Array): Promise<Answer> {
  const sent = { method: 'POST', headers: { 'Content-Type': commandType } }
  try {
    const response = await fetch(url.href, {
      ...(signed && { ...sent, body: new Uint8Array(signed) }),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    return { status: response.status, body: await readText(response) }
  } catch (cause) {
    throw new CollectError(`the bank at ${url.href} does not answer: whether it has paid is unknown. Ask again.`, {
      cause,
      isUnknown: true,
    })
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

/** A server that failed may have done what it was asked for. */
function refusedBy({ status, body }: Answer): CollectError {
  const isUnknown = status >= 500
  const unknown = isUnknown ? ', and whether it has paid is unknown' : ''
  return new CollectError(`the bank refused the claim${unknown}: ${body.slice(0, 500)}`, { isUnknown })
}

function unreadable(detail: string): CollectError {
  return new CollectError(`the bank's answer cannot be read, and whether it has paid is unknown: ${detail}`, {
    isUnknown: true,
  })
}
