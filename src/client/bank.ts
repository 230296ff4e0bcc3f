import type * as Schnorr from '../crypto/Schnorr.ts'
import {
  bankAnswerMax,
  bankPaths,
  type ChannelStatus,
  type CommandAnswer,
  fraudBody,
  parseChannelStatus,
  parseCommandAnswer,
} from '../http/bank.ts'
import { type UnixSeconds, unixSeconds } from '../wire/amount.ts'
import * as Command from '../wire/Command.ts'
import type { Parsed } from '../wire/parsed.ts'
import * as Terms from '../wire/Terms.ts'
import { RefusedError, UnansweredError } from './errors.ts'
import { type Fetch, get, post } from './remote.ts'

export interface BankDeps {
  readonly fetch: Fetch
  /** That funds the channels, and signs what is said of them. */
  readonly account: Schnorr.KeyPair
  readonly now: () => UnixSeconds
  /** Cryptographic randomness. */
  readonly random: (size: number) => Uint8Array
}

/** What the bank of a channel is asked about its end. All of it can be said again, and is done once. */
export interface BankOfChannel {
  status(): Promise<ChannelStatus>
  /** Leaves the vendor's closing, which proves itself. */
  leaveClosing(closing: Uint8Array): Promise<void>
  /** Leaves the release for the vendor: what shows that this client did not withhold it. */
  leaveRelease(release: Uint8Array): Promise<void>
  /** The closing that the vendor left, if it did. Who fetches it answers it, with a release or a dispute. */
  fetchClosing(): Promise<Uint8Array | undefined>
  dispute(): Promise<void>
  /** What came back; `undefined` where nothing does yet: claims are still taken, or one was first. */
  expire(): Promise<bigint | undefined>
  /** What the vendor was paid above its own closing, which the bank takes back. */
  overcharge(closing: Uint8Array): Promise<bigint>
}

export function bankOfChannel(
  deps: BankDeps,
  {
    bankUrl,
    terms,
    channelId,
  }: { readonly bankUrl: string; readonly terms: Uint8Array; readonly channelId: Uint8Array },
): BankOfChannel {
  const { fetch } = deps
  const at = (path: string): string => new URL(path, bankUrl).href
  const agreed = Terms.parse(terms)
  if (!agreed.ok) throw new RefusedError(agreed)
  const { bank, network } = agreed.value
  const command = async <Kind extends Command.Action['kind']>(
    action: Command.Action & { readonly kind: Kind },
  ): Promise<CommandAnswer & { readonly action: Kind }> => {
    const validUntil = unixSeconds(deps.now() + commandSeconds)
    const signed = Command.sign(deps.account, { bank, network, id: deps.random(16), validUntil, action })
    const body = await post(fetch, at(bankPaths.command), Command.encode(signed), bankAnswerMax)
    const answer = readable(parseCommandAnswer(new TextDecoder().decode(body)), bankUrl)
    if (answer.action === action.kind) return answer as CommandAnswer & { readonly action: Kind }
    throw new UnansweredError(`the bank at ${bankUrl} answered another command than was sent`)
  }
  return {
    async status() {
      const body = await get(fetch, at(bankPaths.channel(channelId)), { sizeMax: bankAnswerMax })
      return readable(parseChannelStatus(body), bankUrl)
    },
    async leaveClosing(closing) {
      // Where the vendor left another one before, that stays: whether the release answers it, the bank sees.
      await unless('ClosingConflict', post(fetch, at(bankPaths.closing), closing, bankAnswerMax))
    },
    async leaveRelease(release) {
      await command({ kind: 'release', release })
    },
    async fetchClosing() {
      return (await unless('ClosingMissing', command({ kind: 'fetchClosing', channelId })))?.closing
    },
    async dispute() {
      await command({ kind: 'dispute', channelId })
    },
    async expire() {
      const asked = command({ kind: 'expire', channelId })
      return (await unless('ChannelClosed', unless('ExpiryHeld', unless('DeadlineAhead', asked))))?.refund
    },
    async overcharge(closing) {
      const body = await post(fetch, at(bankPaths.overcharge), closing, bankAnswerMax)
      const proven = readable(fraudBody.parse(new TextDecoder().decode(body)), bankUrl)
      return proven.cause === 'overcharge' ? proven.difference : 0n
    },
  }
}

/** Seconds that a command is good for: more than clocks differ. */
const commandSeconds = 600n

/** `undefined` where it was refused for this reason. */
async function unless<T>(reason: RefusedError['reason'], asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof RefusedError && error.reason === reason) return undefined
    throw error
  }
}

function readable<T>(answer: Parsed<T>, bankUrl: string): T {
  if (answer.ok) return answer.value
  throw new UnansweredError(`the bank at ${bankUrl} gave an answer that cannot be read: ${answer.detail}`)
}
