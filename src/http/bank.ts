import { toHex } from '../crypto/bytes.ts'
import type { Rules } from '../protocol/bank/Rules.ts'
import type { Amount, UnixSeconds } from '../wire/amount.ts'
import { sizes } from '../wire/kinds.ts'
import type { Parsed } from '../wire/parsed.ts'
import * as Record from '../wire/Record.ts'
import { amountOf, bytesOf, list, object, parseJson, text, timeOf, whole, word } from './json.ts'

/**
 * A bank over HTTP. Commands go in as the bytes that were signed, `application/octet-stream`; an opening comes back as its
 * 160 bytes, everything else as JSON in which an amount or a time is a decimal string and bytes are lower-case hex.
 *
 * | request | answer |
 * | --- | --- |
 * | `GET /v1/offer` | {@link BankOffer} |
 * | `POST /v1/open`, 529 bytes | σ_0 ‖ c_0 ‖ γ |
 * | `POST /v1/close` | {@link Settlement} |
 * | `GET /v1/channels/:channelId` | {@link ChannelStatus} |
 * | `GET /v1/accounts/:account/balance` | {@link Balances} |
 * | `GET /v1/records/:channelId` | {@link RecordAnswer} |
 */
export const bankPaths = {
  offer: '/v1/offer',
  open: '/v1/open',
  close: '/v1/close',
  channel: (channelId: Uint8Array): string => `/v1/channels/${toHex(channelId)}`,
  balance: (account: Uint8Array): string => `/v1/accounts/${toHex(account)}/balance`,
  record: (channelId: Uint8Array): string => `/v1/records/${toHex(channelId)}`,
} as const

export const commandType = 'application/octet-stream'

/** The most characters of JSON that are read as an answer of a bank. */
export const bankAnswerMax = 65_536

/** What a bank tells whoever wants to open a channel at it. */
export interface BankOffer {
  readonly version: 1
  /** The bank's public key. */
  readonly bank: Uint8Array
  readonly rules: Rules
  /** Where it records. */
  readonly chain: OfferedChain
  /** The bank's clock: what `openedAt` is compared with. */
  readonly now: UnixSeconds
}

type OfferedChain =
  | { readonly kind: 'embedded'; readonly log: number }
  | { readonly kind: 'evm'; readonly chainId: number; readonly registry: Address; readonly recorder: Address }

type Address = `0x${string}`

/** What a close moved. */
export interface Settlement {
  /** To the vendor. */
  readonly settled: Amount
  /** To the client. */
  readonly refund: Amount
  /** σ_0. */
  readonly receipt: Uint8Array
  readonly basis: Record.Record['basis']
}

export type ChannelStatus = {
  readonly channelId: Uint8Array
  readonly vendor: Uint8Array
  readonly asset: string
  readonly funds: Amount
  readonly openedAt: UnixSeconds
  readonly expiresAt: UnixSeconds
  /** Claims are taken until then. */
  readonly deadline: UnixSeconds
} & (
  | { readonly status: 'open' }
  | ({ readonly status: 'closed'; readonly record: 'queued' | 'recorded' } & Omit<Settlement, 'receipt'>)
)

export interface Balances {
  readonly account: Uint8Array
  /** Asset name → what can be spent of it. */
  readonly balances: ReadonlyMap<string, Amount>
}

/** The record of a settled channel, with what proves offline that it is on the chain. */
export interface RecordAnswer {
  /** 269 bytes. */
  readonly record: Uint8Array
  /** The text that `chain` reads as a record proof, character by character. */
  readonly proof: string
}

export function encodeBankOffer(offer: BankOffer): string {
  return encode({ ...offer, bank: toHex(offer.bank) })
}

export function parseBankOffer(body: string): Parsed<BankOffer> {
  return parse(body, 'offer of a bank', (json) => {
    if (json.version !== 1) throw new TypeError('version is not 1')
    return {
      version: 1,
      bank: bytesOf(json.bank, 'bank', sizes.key),
      rules: readRules(json.rules),
      chain: readChain(json.chain),
      now: timeOf(json.now, 'now'),
    }
  })
}

export function encodeSettlement({ settled, refund, receipt, basis }: Settlement): string {
  return encode({ settled, refund, receipt: toHex(receipt), basis })
}

export function parseSettlement(body: string): Parsed<Settlement> {
  return parse(body, 'settlement', (json) => ({
    ...readSettled(json),
    receipt: bytesOf(json.receipt, 'receipt', sizes.receipt),
  }))
}

export function encodeChannelStatus(status: ChannelStatus): string {
  return encode({ ...status, channelId: toHex(status.channelId), vendor: toHex(status.vendor) })
}

export function parseChannelStatus(body: string): Parsed<ChannelStatus> {
  return parse(body, 'channel', (json) => {
    const known = {
      channelId: bytesOf(json.channelId, 'channelId', sizes.hash),
      vendor: bytesOf(json.vendor, 'vendor', sizes.key),
      asset: text(json.asset, 'asset'),
      funds: amountOf(json.funds, 'funds'),
      openedAt: timeOf(json.openedAt, 'openedAt'),
      expiresAt: timeOf(json.expiresAt, 'expiresAt'),
      deadline: timeOf(json.deadline, 'deadline'),
    }
    const status = word(json.status, 'status', ['open', 'closed'])
    if (status === 'open') return { ...known, status }
    return { ...known, status, ...readSettled(json), record: word(json.record, 'record', ['queued', 'recorded']) }
  })
}

export function encodeBalances({ account, balances }: Balances): string {
  return encode({ account: toHex(account), balances: Object.fromEntries(balances) })
}

export function parseBalances(body: string): Parsed<Balances> {
  return parse(body, 'balances', (json) => ({
    account: bytesOf(json.account, 'account', sizes.key),
    balances: new Map(
      Object.entries(object(json.balances, 'balances')).map(([asset, value]) => [asset, amountOf(value, asset)]),
    ),
  }))
}

export function encodeRecordAnswer({ record, proof }: RecordAnswer): string {
  return encode({ record: toHex(record), proof })
}

export function parseRecordAnswer(body: string): Parsed<RecordAnswer> {
  return parse(body, 'record', (json) => ({
    record: bytesOf(json.record, 'record', Record.size),
    proof: text(json.proof, 'proof', bankAnswerMax),
  }))
}

function encode(value: unknown): string {
  return JSON.stringify(value, (_name, field: unknown) => (typeof field === 'bigint' ? field.toString() : field))
}

function parse<T>(body: string, what: string, read: (json: Record<string, unknown>) => T): Parsed<T> {
  return parseJson(body, { what, sizeMax: bankAnswerMax }, (value) => read(object(value, what)))
}

function readSettled(json: Record<string, unknown>): Omit<Settlement, 'receipt'> {
  return {
    settled: amountOf(json.settled, 'settled'),
    refund: amountOf(json.refund, 'refund'),
    basis: word(json.basis, 'basis', ['proven', 'claimed']),
  }
}

function readRules(value: unknown): Rules {
  const json = object(value, 'rules')
  return {
    assets: list(json.assets, 'rules.assets').map((name) => text(name, 'rules.assets')),
    network: text(json.network, 'rules.network'),
    fundsMin: amountOf(json.fundsMin, 'rules.fundsMin'),
    openedWithin: timeOf(json.openedWithin, 'rules.openedWithin'),
    lifeMin: timeOf(json.lifeMin, 'rules.lifeMin'),
    lifeMax: timeOf(json.lifeMax, 'rules.lifeMax'),
    graceMin: whole(json.graceMin, 'rules.graceMin'),
    graceMax: whole(json.graceMax, 'rules.graceMax'),
    reputationAbove: whole(json.reputationAbove, 'rules.reputationAbove'),
    reputationNew: whole(json.reputationNew, 'rules.reputationNew'),
  }
}

function readChain(value: unknown): OfferedChain {
  const json = object(value, 'chain')
  const kind = word(json.kind, 'chain.kind', ['embedded', 'evm'])
  if (kind === 'embedded') return { kind, log: whole(json.log, 'chain.log') }
  return {
    kind,
    chainId: whole(json.chainId, 'chain.chainId'),
    registry: address(json.registry, 'chain.registry'),
    recorder: address(json.recorder, 'chain.recorder'),
  }
}

function address(value: unknown, what: string): Address {
  const found = text(value, what)
  if (!/^0x[0-9a-f]{40}$/.test(found)) throw new TypeError(`${what} is no lower-case address`)
  return found as Address
}
