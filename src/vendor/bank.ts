import { concat, utf8 } from '../crypto/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import type * as Schnorr from '../crypto/Schnorr.ts'
import {
  bankAnswerMax,
  bankPaths,
  type ChannelStatus,
  type CommandAnswer,
  commandType,
  parseChannelStatus,
  parseCommandAnswer,
  parseSettlement,
  type Settlement,
} from '../http/bank.ts'
import type { Vendor } from '../protocol/index.ts'
import { type UnixSeconds, unixSeconds } from '../wire/amount.ts'
import * as Command from '../wire/Command.ts'
import type { Parsed } from '../wire/parsed.ts'
import { CollectError } from './errors.ts'

/** What a vendor asks the bank of a channel. Throws {@link CollectError}. */
export interface BankOfVendor {
  /** `undefined` where the channel takes no claim, or none with this evidence: its status says why. */
  claim(signed: Uint8Array): Promise<Settlement | { readonly refusal: string }>
  status(channelId: Uint8Array): Promise<ChannelStatus>
  /** What the client left for the vendor, if it did. */
  fetchRelease(
    channel: Pick<Vendor.VendorChannel, 'channelId' | 'terms'>,
    now: UnixSeconds,
  ): Promise<(CommandAnswer & { readonly action: 'fetchRelease' }) | undefined>
  /** Leaves a closing for a client that has not answered it. The first one of a channel stays. */
  leaveClosing(closing: Uint8Array): Promise<void>
  /** Shows a proof of fraud. What the bank makes of it is its own affair. */
  show(proof: Uint8Array): Promise<void>
}

export function bankOfVendor(
  url: string,
  { vendor, timeoutMs = 30_000 }: { readonly vendor: Schnorr.KeyPair; readonly timeoutMs?: number | undefined },
): BankOfVendor {
  const ask = (path: string, signed?: Uint8Array): Promise<Answer> =>
    askBank(new URL(path, url).href, timeoutMs, signed)
  return {
    async claim(signed) {
      const answer = await ask(bankPaths.close, signed)
      return answer.status === 409 ? { refusal: answer.body } : readable(answer, parseSettlement)
    },
    status: async (channelId) => readable(await ask(bankPaths.channel(channelId)), parseChannelStatus),
    async fetchRelease({ channelId, terms: { bank, network } }, now) {
      const validUntil = unixSeconds(now + commandSeconds)
      // Asked again in another second it is another command: the first one's answer, that nothing is there, is not kept.
      const id = sha256(concat(utf8('fetch release'), channelId, utf8(String(validUntil)))).slice(0, 16)
      const action = { kind: 'fetchRelease', channelId } as const
      const command = Command.sign(vendor, { bank, network, id, validUntil, action })
      const answer = await ask(bankPaths.command, Command.encode(command))
      if (answer.status === 404) return undefined
      const left = readable(answer, parseCommandAnswer)
      return left.action === 'fetchRelease' ? left : undefined
    },
    async leaveClosing(closing) {
      await ask(bankPaths.closing, closing)
    },
    async show(proof) {
      await ask(bankPaths.evidence, proof)
    },
  }
}

/** Seconds that a command is good for: more than clocks differ. */
const commandSeconds = 600n

interface Answer {
  readonly status: number
  readonly body: string
}

/** Sends what was signed, or asks. */
async function askBank(url: string, timeoutMs: number, signed?: Uint8Array): Promise<Answer> {
  const sent = signed && { method: 'POST', headers: { 'Content-Type': commandType }, body: new Uint8Array(signed) }
  try {
    const response = await fetch(url, { ...sent, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
    return { status: response.status, body: await readText(response) }
  } catch (cause) {
    throw new CollectError(`the bank at ${url} does not answer: whether it has paid is unknown. Ask again.`, {
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

function readable<T>({ status, body }: Answer, parse: (body: string) => Parsed<T>): T {
  if (status !== 200) {
    // A server that failed may have done what it was asked for.
    const isUnknown = status >= 500
    const unknown = isUnknown ? ', and whether it has paid is unknown' : ''
    throw new CollectError(`the bank refused the claim${unknown}: ${body.slice(0, 500)}`, { isUnknown })
  }
  const parsed = parse(body)
  if (parsed.ok) return parsed.value
  throw new CollectError(`the bank's answer cannot be read, and whether it has paid is unknown: ${parsed.detail}`, {
    isUnknown: true,
  })
}
