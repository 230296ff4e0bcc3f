import { backend } from '../src/crypto/backend.ts'
import { utf8 } from '../src/crypto/bytes.ts'
import type { LockSchemeName } from '../src/crypto/locks.ts'
import * as Schnorr from '../src/crypto/Schnorr.ts'
import { Bank, Client, type Refusal } from '../src/protocol/index.ts'
import * as Attachment from '../src/wire/Attachment.ts'
import { amount, type UnixSeconds, unixSeconds } from '../src/wire/amount.ts'
import type { Parsed } from '../src/wire/parsed.ts'
import * as Terms from '../src/wire/Terms.ts'

/** One open channel of fresh keys, with what either side needs. */
export interface Channel {
  readonly client: Client.ClientChannel
  readonly attachment: Attachment.Attachment & { readonly agreed: Terms.Terms }
  /** Secret of the vendor's frame key. */
  readonly frameKey: Uint8Array
  /** `σ_0`. */
  readonly first: Uint8Array
}

export const now: UnixSeconds = unixSeconds(1_800_000_000n)
export const network = 'lockstep:bench'
export const asset = 'USD/6'
/** What a payment costs, and what a coin is worth. */
export const price = 10n

export const backendName: string = backend.name

/** What is no less random than a peer's: every channel, payment and voucher of a benchmark has bytes of its own. */
export function entropy(size: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(size))
}

export interface ChannelOptions {
  readonly lockScheme?: LockSchemeName
  readonly segmentLength?: number
  /** Those of its own where they are left out. */
  readonly parties?: Parties
}

/** Whom a channel is between. */
export interface Parties {
  readonly account: Schnorr.KeyPair
  readonly bank: Schnorr.KeyPair
  readonly vendor: Schnorr.KeyPair
  readonly frame: Schnorr.KeyPair
}

export function createParties(): Parties {
  const createKey = (): Schnorr.KeyPair => Schnorr.keyPair(entropy(32))
  return { account: createKey(), bank: createKey(), vendor: createKey(), frame: createKey() }
}

export function openChannel({
  lockScheme = 'schnorr',
  segmentLength = 1024,
  parties = createParties(),
}: ChannelOptions = {}): Channel {
  const { account, bank, vendor, frame } = parties
  const secrets = { channelKey: entropy(32), channelSeed: entropy(32), coinSalt: entropy(16), commandId: entropy(16) }
  const proposal: Client.Proposal = {
    lockScheme,
    funds: amount(1_000_000_000n),
    unitPrice: amount(price),
    segmentLength,
    openedAt: now,
    expiresAt: unixSeconds(now + 3600n),
    graceSeconds: 600,
    network,
    asset,
    bank: bank.publicKey,
    vendor: vendor.publicKey,
    vendorFrameKey: frame.publicKey,
    clientIdentity: Client.commitIdentity(entropy(32), utf8('client')),
    vendorIdentity: Client.commitIdentity(entropy(32), utf8('vendor')),
    validUntil: unixSeconds(now + 60n),
  }
  const { terms } = Client.propose(account, proposal, secrets)
  const opened = Bank.grant(bank, terms, read(Terms.parse(terms)))
  const { channel: client } = must(Client.create(secrets, terms, opened))
  const attachment = read(Attachment.parse(Attachment.encode(client.attachment)))
  return { client, attachment, frameKey: frame.secret, first: opened.receipt }
}

/** One payment of one coin, for random goods unless they are named, acknowledged as a vendor's statement would. */
export function pay(client: Client.ClientChannel, digest: Uint8Array = entropy(32)): Client.Paid {
  const { payment } = must(Client.pay(client, { price, digest, now }))
  acknowledge(client, payment.index)
  return payment
}

/** Keeps what the client waits for as short as where every answer arrives. */
export function acknowledge(client: Client.ClientChannel, index: number): void {
  const { agreed, paid, segment } = client
  const spent = amount(agreed)
  const statement = { index, charged: amount(price), spent, paid: amount(paid), credit: amount(paid - agreed) }
  must(Client.acknowledge(client, { ...statement, contiguous: index, segment: segment.number }))
}

/** The value of what must not be refused. */
export function must<T>(result: Refusal | (T & { readonly ok: true })): T {
  if (!result.ok) throw new Error(`${result.reason}: ${result.detail}`)
  return result
}

/** What was read from bytes that must be right. */
export function read<T>(result: Parsed<T>): T {
  if (!result.ok) throw new Error(result.detail)
  return result.value
}
