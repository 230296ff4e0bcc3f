import { equal, toHex } from '../crypto/bytes.ts'
import type { LockSchemeName } from '../crypto/locks.ts'
import type * as Schnorr from '../crypto/Schnorr.ts'
import { bankPaths } from '../http/bank.ts'
import type * as Offer from '../http/Offer.ts'
import { Client } from '../protocol/index.ts'
import { amount, type UnixSeconds, unixSeconds } from '../wire/amount.ts'
import * as Open from '../wire/Open.ts'
import * as Terms from '../wire/Terms.ts'
import { bankOfChannel } from './bank.ts'
import { type OnTraffic, PayingChannel } from './channel.ts'
import { type Ending, settle } from './ending.ts'
import { RefusedError, UnansweredError } from './errors.ts'
import type { Journal, Outcome, ProposedChannel, RetiredChannel } from './journal/contract.ts'
import { type Fetch, fetchOffer, post, withTimeout } from './remote.ts'
import { restore, stateOf } from './restore.ts'

/** What a wallet is made of. */
export interface WalletOptions {
  readonly journal: Journal
  /** The account at the bank that funds the channels. */
  readonly account: Schnorr.KeyPair
  /** The bank that this wallet trusts with its deposit. */
  readonly bank: { readonly key: Uint8Array; readonly url: string }
  /** What this client may have to say of itself one day. Each channel commits to it anew: O_C. */
  readonly clientIdentity: Uint8Array
  /** Seconds since 1970, as the bank has them. */
  readonly now: () => UnixSeconds
  /** Cryptographic randomness. */
  readonly random: (size: number) => Uint8Array
  readonly fetch?: Fetch
  /** How often a request is sent whose response does not come. */
  readonly attempts?: number
  /** What bank and vendor may take to answer anything but a paid request. */
  readonly timeoutMs?: number
  readonly onTraffic?: OnTraffic
  /** Of silence, after which a channel signs a checkpoint: a second. */
  readonly silenceMs?: number
}

/** How a channel is opened. */
export interface OpenOptions {
  /** Base units to put into the channel. */
  readonly funds: bigint
  /** Seconds. */
  readonly life?: bigint
  readonly lockScheme?: LockSchemeName
  /** The vendor's offer, where it is known: it is asked for otherwise. */
  readonly offer?: Offer.Offer
}

/** Opens channels for one account and keeps them. */
export interface Wallet {
  /** Opens a channel to the vendor at this address. Its secrets are stored before the bank hears of it. */
  open(vendorUrl: string, options: OpenOptions): Promise<PayingChannel>
  /** The open channels: those in use, and those that the journal holds, as they were left. */
  channels(): Promise<readonly PayingChannel[]>
  /**
   * Asks the bank once more for the channels whose opening it has not answered; gives those it opens, or opened then. What is
   * being opened just now is given to who opens it.
   */
  resume(): Promise<readonly PayingChannel[]>
  /**
   * The same, and looks at the bank what became of every channel that has not ended; does what is due there: asks for funds
   * after the deadline, answers closings, leaves releases that vendors did not take, has overcharges returned. Once in a
   * while is enough. One channel that fails does so alone.
   */
  sync(): Promise<Synced>
  /** The vendor's offer. */
  offer(vendorUrl: string): Promise<Offer.Offer>
}

/** What was found out of channels that have ended. */
export interface Synced {
  /** Channels whose opening the bank has answered only now. */
  readonly opened: readonly PayingChannel[]
  /** Channels of which it is known since now what came back. */
  readonly ended: readonly { readonly channelId: Uint8Array; readonly vendorUrl: string; readonly outcome: Outcome }[]
  readonly failed: readonly { readonly channelId: Uint8Array; readonly vendorUrl: string; readonly cause: unknown }[]
}

/** Opens channels for an account and takes up those of its journal: what `wallet()` is made of, without its budgets and prices. */
export function createWallet(options: WalletOptions): Wallet {
  const { journal } = options
  const fetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  const ask = withTimeout(fetch, options.timeoutMs ?? timeoutMsDefault)
  /** Channels that sign nothing any more, by their ids. */
  const ends = new Map<string, Ending>()
  /** One object a channel: two would sign for one index. */
  const live = new Map<string, PayingChannel>()
  /** Those whose opening is under way: who began it is given their object. */
  const opening = new Set<string>()
  const use = (channel: PayingChannel): PayingChannel => {
    live.set(toHex(channel.state.channelId), channel)
    return channel
  }
  const begin = async (proposed: ProposedChannel, stored?: Promise<void>): Promise<PayingChannel> => {
    const name = toHex(proposed.channelId)
    opening.add(name)
    try {
      await stored
      return use(await start(options, fetch, proposed))
    } finally {
      opening.delete(name)
    }
  }
  const takeUp = async (onFailed: (channel: ProposedChannel, cause: unknown) => void): Promise<PayingChannel[]> => {
    const opened: PayingChannel[] = []
    for (const { state, ...channel } of await journal.channels()) {
      const name = toHex(channel.channelId)
      // Looked at one after the other: meanwhile the bank may have answered whoever opens it.
      if (state !== undefined || opening.has(name) || live.has(name)) continue
      try {
        opened.push(await begin(channel))
      } catch (error) {
        // The bank has not opened it, and does not any more: nothing is in it.
        if (!(error instanceof RefusedError)) onFailed(channel, error)
      }
    }
    return opened
  }
  const liveChannels = async (): Promise<readonly PayingChannel[]> => {
    const stored = await journal.channels()
    return stored.flatMap(({ state, ...channel }) => {
      const name = toHex(channel.channelId)
      if (state === undefined || opening.has(name)) return []
      const known = live.get(name)
      if (known !== undefined && !known.isBroken) return [known]
      const { opened, closing, release, today } = state
      const settings = { ...channelOptions(options, fetch, channel, opened), restored: true, closing, release, today }
      return [use(new PayingChannel(restore({ ...channel, state }), settings))]
    })
  }
  return {
    offer: (vendorUrl) => fetchOffer(ask, vendorUrl),
    async open(vendorUrl, wanted) {
      const offer = wanted.offer ?? (await fetchOffer(ask, vendorUrl))
      const proposed = propose(options, vendorUrl, offer, wanted)
      return begin(proposed, journal.propose(proposed))
    },
    channels: liveChannels,
    resume: () =>
      takeUp((_channel, cause) => {
        throw cause
      }),
    async sync() {
      const ended: Synced['ended'][number][] = []
      const failed: Synced['failed'][number][] = []
      const opened = await takeUp(({ channelId, vendorUrl }, cause) => failed.push({ channelId, vendorUrl, cause }))
      const look = async (
        channel: { channelId: Uint8Array; vendorUrl: string },
        ask: () => Promise<Outcome | undefined>,
      ) => {
        const { channelId, vendorUrl } = channel
        try {
          const outcome = await ask()
          if (outcome !== undefined) ended.push({ channelId, vendorUrl, outcome })
        } catch (cause) {
          // What the bank never opened holds nothing.
          if (cause instanceof RefusedError && cause.reason === 'ChannelUnknown') return
          failed.push({ channelId, vendorUrl, cause })
        }
      }
      for (const channel of await liveChannels()) {
        await look({ channelId: channel.state.channelId, vendorUrl: channel.vendorUrl }, () => channel.settle())
      }
      for (const channel of await journal.retired()) {
        await look(channel, async () => {
          const name = toHex(channel.channelId)
          const ending = ends.get(name) ?? endingOf(options, ask, channel)
          ends.set(name, ending)
          const outcome = await settle(ending, options.now())
          if (outcome !== undefined) await journal.end(channel.channelId, outcome)
          return outcome
        })
      }
      return { opened, ended, failed }
    },
  }
}

/** A channel that signs nothing any more. */
function endingOf(
  { account, now, random }: WalletOptions,
  fetch: Fetch,
  { state, ...channel }: RetiredChannel,
): Ending {
  const bank = bankOfChannel({ fetch, account, now, random }, channel)
  return { bank, kept: { closing: state?.closing, release: state?.release }, isOver: true, isDelivered: false }
}

const timeoutMsDefault = 30_000

function propose(options: WalletOptions, vendorUrl: string, offer: Offer.Offer, wanted: OpenOptions): ProposedChannel {
  const { bank, account, random } = options
  if (!offer.banks.some(({ key }) => equal(key, bank.key))) {
    const taken = offer.banks.map(({ url }) => url).join(', ')
    const detail = `${vendorUrl} is paid at ${taken || 'no bank'}, and not at this wallet’s, ${bank.url}`
    throw new RefusedError({ reason: 'BankUnknown', detail })
  }
  const lockScheme = wanted.lockScheme ?? offer.lockSchemes[0]
  if (lockScheme === undefined || !offer.lockSchemes.includes(lockScheme)) {
    throw new RefusedError({
      reason: 'LockSchemeUnsupported',
      detail: `${vendorUrl} takes ${offer.lockSchemes.join(', ') || 'no lock scheme'}`,
    })
  }
  if (wanted.funds < offer.unitPrice) {
    throw new RefusedError({ reason: 'FundsTooSmall', detail: `one unit costs ${offer.unitPrice}, all in all` })
  }
  const now = options.now()
  const life = wanted.life ?? BigInt(offer.lifeMin) * 2n
  const affordable = wanted.funds / offer.unitPrice
  const entropy = {
    channelKey: random(32),
    channelSeed: random(32),
    coinSalt: random(16),
    commandId: random(16),
  }
  const { terms, open } = Client.propose(
    account,
    {
      lockScheme,
      funds: amount(wanted.funds),
      unitPrice: offer.unitPrice,
      segmentLength: affordable < BigInt(offer.segmentLength) ? Number(affordable) : offer.segmentLength,
      openedAt: now,
      expiresAt: unixSeconds(now + life),
      graceSeconds: offer.graceMin,
      network: offer.network,
      asset: offer.asset,
      bank: bank.key,
      vendor: offer.vendor,
      vendorFrameKey: offer.vendorFrameKey,
      clientIdentity: Client.channelIdentity(entropy.channelSeed, options.clientIdentity),
      vendorIdentity: offer.vendorIdentity,
      validUntil: unixSeconds(now + 60n),
    },
    entropy,
  )
  const { channelKey, channelSeed } = entropy
  const channelId = Terms.channelId(terms)
  return { channelId, vendorUrl, bankUrl: bank.url, terms, open: Open.encode(open), channelKey, channelSeed }
}

/** Sends the opening, as it was stored, until the bank answers it: it answers the same each time. */
async function start(options: WalletOptions, fetch: Fetch, proposed: ProposedChannel): Promise<PayingChannel> {
  const answer = await postOpening(options, fetch, proposed).catch(async (error: unknown) => {
    const isRefused = error instanceof RefusedError && neverOpened.has(error.reason)
    // It is not asked for again: what it was refused for may have changed, and nobody waits for it any more.
    if (isRefused) await options.journal.end(proposed.channelId, nothing)
    throw error
  })
  const opened = Open.parseOpened(answer)
  if (!opened.ok) throw new UnansweredError(`the bank's answer cannot be read: ${opened.detail}`)
  const created = Client.create(proposed, proposed.terms, opened.value)
  if (!created.ok) throw new UnansweredError(`the bank's answer opens nothing: ${created.detail}`)
  await options.journal.commit(proposed.channelId, stateOf(created.channel, { opened: answer }))
  return new PayingChannel(created.channel, channelOptions(options, fetch, proposed, answer))
}

/** What a bank refuses an opening for that it has not done, and does not do. */
const neverOpened: ReadonlySet<string> = new Set<RefusedError['reason']>([
  'AccountUnknown',
  'AssetMismatch',
  'BalanceTooLow',
  'ClockSkewed',
  'CommandExpired',
  'FundsTooSmall',
  'LifeOutOfRange',
  'NetworkMismatch',
  'ReputationTooLow',
  'TooManyChannels',
  'VendorUnknown',
])
const nothing: Outcome = { status: 'expired', settled: 0n, refund: 0n, returned: 0n }

async function postOpening(options: WalletOptions, fetch: Fetch, proposed: ProposedChannel): Promise<Uint8Array> {
  const { attempts = attemptsDefault, timeoutMs = timeoutMsDefault } = options
  const url = new URL(bankPaths.open, proposed.bankUrl).href
  for (let attempt = 1; ; attempt++) {
    try {
      return await post(withTimeout(fetch, timeoutMs), url, proposed.open, Open.openedSize)
    } catch (error) {
      if (error instanceof RefusedError || attempt >= attempts) throw error
    }
  }
}

const attemptsDefault = 3

function channelOptions(
  options: WalletOptions,
  fetch: Fetch,
  channel: Pick<ProposedChannel, 'channelId' | 'vendorUrl' | 'bankUrl' | 'terms'>,
  opened: Uint8Array,
): ConstructorParameters<typeof PayingChannel>[1] {
  const {
    journal,
    account,
    now,
    random,
    attempts = attemptsDefault,
    timeoutMs = timeoutMsDefault,
    silenceMs = silenceMsDefault,
    onTraffic = () => undefined,
  } = options
  const { vendorUrl } = channel
  const bank = bankOfChannel({ fetch: withTimeout(fetch, timeoutMs), account, now, random }, channel)
  return { journal, now, fetch, vendorUrl, bank, opened, attempts, timeoutMs, silenceMs, onTraffic }
}

/** Due after a second of silence: Design 3.2. */
const silenceMsDefault = 1000
