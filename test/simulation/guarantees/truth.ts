import { toHex } from '../../../src/crypto/bytes.ts'
import { headerNames } from '../../../src/http/headers.ts'
import { parseBase64url } from '../../../src/wire/base64url.ts'
import type { ChannelMacs } from '../../../src/wire/mac.ts'
import * as Open from '../../../src/wire/Open.ts'
import type { Message } from '../engine/network.ts'
import type { Ground } from '../engine/world.ts'
import type { BankParty } from '../parties/bank.ts'
import type { ClientParty, Purchase } from '../parties/client.ts'
import type { VendorParty } from '../parties/vendor.ts'
import type { NonceWatch } from './nonces.ts'

/** What really happened, whatever the parties say of it. Channels are named by their id in hex. */
export interface Truth {
  readonly ground: Ground
  readonly bank: () => BankParty
  readonly clients: ReadonlyMap<string, ClientParty>
  readonly vendors: ReadonlyMap<string, VendorParty>
  readonly channels: Map<string, Channel>
  /** By the digest that the payment names, in hex. */
  readonly purchases: Map<string, Purchase>
  readonly nonces: NonceWatch
}

/** A channel, from its proposal on. */
export interface Channel {
  readonly id: string
  readonly client: ClientParty
  readonly vendor: VendorParty
  readonly funds: bigint
  /** The most that its client's journal ever said was paid: a restore does not take back what was revealed. */
  revealed: bigint
  /** Whether its client's journal was put back to an older state since. */
  isRestored: boolean
  /** Whether its vendor's store was made of an older copy since. */
  isRolledBack: boolean
  /** Whether its client has answered a closing. */
  isReleased: boolean
  /** Once the client has opened it. */
  macs: ChannelMacs | undefined
  /** core_i by i, as the client made it. */
  readonly cores: Map<number, string>
  /** Payments that left their client. */
  readonly sent: Set<number>
  /** What the vendor's disk says. */
  readonly books: VendorBooks
  readonly runs: Map<number, Run[]>
  /** By the digest that their payments name, in hex. */
  readonly streams: Map<string, Stream>
}

/** One paid stream. */
export interface Stream {
  /** Of the vendor: where it runs. */
  node: string
  /** The payment that its source was asked with. */
  begunBy: number
  readonly price: bigint
  /** Units. */
  delivered: bigint
  /** Whether its program still is the one that will charge for it. */
  isLive: boolean
}

export interface VendorBooks {
  paid: bigint
  spent: bigint
  contiguous: number
  segment: number
  phase: string
  closing: Uint8Array | undefined
  claim: Uint8Array | undefined
  suspended: string | undefined
  readonly payments: Map<number, VendorPayment>
}

export interface VendorPayment {
  readonly status: string
  readonly charged: bigint
  readonly core: string
  /** d_i, in hex. */
  readonly digest: string
}

/** One run of a handler. */
export interface Run {
  /** Of the vendor: where it runs. */
  readonly node: string
  readonly price: bigint
  /** It may be run again: nothing of it leaves before its charge is stored. Decision 106. */
  readonly isIdempotent: boolean
  state: 'running' | 'served' | 'failed'
  /** Whether its program still is the one that will charge for it. Where not, it is in doubt or settled. */
  isLive: boolean
}

export function emptyBooks(): VendorBooks {
  return {
    paid: 0n,
    spent: 0n,
    contiguous: 0,
    segment: 0,
    phase: 'open',
    closing: undefined,
    claim: undefined,
    suspended: undefined,
    payments: new Map(),
  }
}

/** The channel of this reference or id. */
export function findChannel(truth: Truth, name: string): Channel | undefined {
  for (const channel of truth.channels.values()) if (channel.id.startsWith(name)) return channel
  return undefined
}

/** Takes in the channels that a client's journal has by now. */
export function meetChannel(truth: Truth, client: ClientParty, id: string): Channel {
  const known = truth.channels.get(id)
  if (known !== undefined) return known
  const { proposed } = client.disk.files.get(id)!
  const vendor = truth.vendors.get(new URL(proposed.vendorUrl).host)!
  const channel: Channel = {
    id,
    client,
    vendor,
    funds: new DataView(proposed.terms.buffer, proposed.terms.byteOffset).getBigUint64(8),
    revealed: 0n,
    isRestored: false,
    isRolledBack: false,
    isReleased: false,
    macs: undefined,
    cores: new Map(),
    sent: new Set(),
    books: emptyBooks(),
    runs: new Map(),
    streams: new Map(),
  }
  truth.channels.set(id, channel)
  return channel
}

export function isHonest({ client, vendor }: Channel): boolean {
  return !client.plan.isByzantine && !vendor.plan.isByzantine
}

/** The bank's answer to the opening: σ_0, c_0 and γ. */
export function openedOf({ client, id }: Channel): Open.Opened | undefined {
  const state = client.disk.files.get(id)?.state
  const opened = state && Open.parseOpened(state.opened)
  return opened?.ok ? opened.value : undefined
}

/** MAC keys of a channel, as its client has them. */
export function macsOf(channel: Channel): ChannelMacs | undefined {
  channel.macs ??= channel.client.channels.find(({ state }) => toHex(state.channelId) === channel.id)?.state.macs
  return channel.macs
}

/** The channel that a request to a vendor is about. */
export function referenceOf({ headers, path, body }: Message): string | undefined {
  const carried = headers.find(([name]) => name === headerNames.channel.toLowerCase())
  const bytes = carried && parseBase64url(carried[1], 16)
  if (bytes?.ok === true) return toHex(bytes.value)
  return path.startsWith('/lockstep/') && body.length >= 17 ? toHex(body.subarray(1, 17)) : undefined
}
