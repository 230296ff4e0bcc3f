import { equal } from '../crypto/bytes.ts'
import type { LockSchemeName } from '../crypto/locks.ts'
import type * as Schnorr from '../crypto/Schnorr.ts'
import type * as Offer from '../http/Offer.ts'
import { Client } from '../protocol/index.ts'
import { amount, type UnixSeconds, unixSeconds } from '../wire/amount.ts'
import * as Open from '../wire/Open.ts'
import * as Terms from '../wire/Terms.ts'
import { type OnTraffic, PayingChannel } from './channel.ts'
import { RefusedError } from './errors.ts'
import type { Journal, ProposedChannel } from './journal/contract.ts'
import { type Fetch, fetchOffer, post } from './remote.ts'
import { restore, stateOf } from './restore.ts'

export interface WalletOptions {
  readonly journal: Journal
  /** The account at the bank that funds the channels. */
  readonly account: Schnorr.KeyPair
  /** The bank that this wallet trusts with its deposit. */
  readonly bank: { readonly key: Uint8Array; readonly url: string }
  /** O_C. */
  readonly clientIdentity: Uint8Array
  readonly now: () => UnixSeconds
  /** Cryptographic randomness. */
  readonly random: (size: number) => Uint8Array
  readonly fetch?: Fetch
  /** How often a request is sent whose response does not come. */
  readonly attempts?: number
  readonly onTraffic?: OnTraffic
}

export interface OpenOptions {
  /** Base units to put into the channel. */
  readonly funds: bigint
  /** Seconds. */
  readonly life?: bigint
  readonly lockScheme?: LockSchemeName
}

export interface Wallet {
  /** Opens a channel to the vendor at this address. Its secrets are stored before the bank hears of it. */
  open(vendorUrl: string, options: OpenOptions): Promise<PayingChannel>
  /** The channels that the journal holds, as they were left. */
  channels(): Promise<readonly PayingChannel[]>
  /** The vendor's offer. */
  offer(vendorUrl: string): Promise<Offer.Offer>
}

export function createWallet(options: WalletOptions): Wallet {
  const fetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  return {
    offer: (vendorUrl) => fetchOffer(fetch, vendorUrl),
    async open(vendorUrl, wanted) {
      const offer = await fetchOffer(fetch, vendorUrl)
      const { proposed, entropy } = propose(options, vendorUrl, offer, wanted)
      await options.journal.propose(proposed)
      const answer = await post(fetch, new URL('/v1/open', options.bank.url).href, proposed.open, Open.openedSize)
      return start(options, fetch, { ...proposed, ...entropy }, answer)
    },
    async channels() {
      const stored = await options.journal.channels()
      return stored.flatMap(({ state, ...channel }) =>
        state === undefined
          ? []
          : [new PayingChannel(restore({ ...channel, state }), channelOptions(options, fetch, channel, state.opened))],
      )
    },
  }
}

function propose(
  options: WalletOptions,
  vendorUrl: string,
  offer: Offer.Offer,
  wanted: OpenOptions,
): { proposed: ProposedChannel; entropy: Client.Entropy } {
  const { bank, account, random } = options
  if (!offer.banks.some(({ key }) => equal(key, bank.key))) {
    throw new RefusedError({ reason: 'BankUnknown', detail: `${vendorUrl} does not take this wallet’s bank` })
  }
  const lockScheme = wanted.lockScheme ?? offer.lockSchemes[0]
  if (lockScheme === undefined || !offer.lockSchemes.includes(lockScheme)) {
    throw new RefusedError({
      reason: 'LockSchemeUnsupported',
      detail: `${vendorUrl} takes ${offer.lockSchemes.join(', ') || 'no lock scheme'}`,
    })
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
      clientIdentity: options.clientIdentity,
      vendorIdentity: offer.vendorIdentity,
      validUntil: unixSeconds(now + 60n),
    },
    entropy,
  )
  const { channelKey, channelSeed } = entropy
  const channelId = Terms.channelId(terms)
  return {
    proposed: { channelId, vendorUrl, bankUrl: bank.url, terms, open: Open.encode(open), channelKey, channelSeed },
    entropy,
  }
}

async function start(
  options: WalletOptions,
  fetch: Fetch,
  proposed: ProposedChannel,
  answer: Uint8Array,
): Promise<PayingChannel> {
  const opened = Open.parseOpened(answer)
  if (!opened.ok) throw new RefusedError(opened)
  const created = Client.create(proposed, proposed.terms, opened.value)
  if (!created.ok) throw new RefusedError(created)
  await options.journal.commit(proposed.channelId, stateOf(created.channel, { opened: answer }))
  return new PayingChannel(created.channel, channelOptions(options, fetch, proposed, answer))
}

function channelOptions(
  options: WalletOptions,
  fetch: Fetch,
  { vendorUrl }: ProposedChannel,
  opened: Uint8Array,
): ConstructorParameters<typeof PayingChannel>[1] {
  const { journal, now, attempts = 3, onTraffic = () => undefined } = options
  return { journal, now, fetch, vendorUrl, opened, attempts, onTraffic }
}
