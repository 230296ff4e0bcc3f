import { toHex } from '../crypto/bytes.ts'
import type { Parsed } from '../wire/parsed.ts'
import { type Balances, balancesBody } from './bankAccounts.ts'
import {
  type BankOffer,
  type ChannelStatus,
  type CommandAnswer,
  channelBody,
  commandBody,
  offerBody,
  type RecordAnswer,
  recordBody,
  type Settlement,
  settlementBody,
} from './bankAnswers.ts'

export * from './bankAccounts.ts'
export * from './bankAnswers.ts'
export { bankOpenapi } from './bankOpenapi.ts'
export { type BankOperation, bankOperations, type OperationName } from './bankOperations.ts'
export * from './bankQuery.ts'
export type { Body } from './schema.ts'

/**
 * Where a bank answers. What is sent are the bytes that were signed, `application/octet-stream`; an opening comes back as its
 * 160 bytes, everything else as JSON in which an amount or a time is a decimal string and bytes are lower-case hex. What goes
 * in and out at each path: `bankOperations.ts`, and the OpenAPI document made of it.
 */
export const bankPaths = {
  offer: '/v1/offer',
  openapi: '/v1/openapi.json',
  open: '/v1/open',
  close: '/v1/close',
  command: '/v1/commands',
  closing: '/v1/closings',
  release: '/v1/releases',
  overcharge: '/v1/overcharges',
  evidence: '/v1/evidence',
  channel: (channelId: Uint8Array): string => `/v1/channels/${toHex(channelId)}`,
  proofs: (channelId: Uint8Array): string => `/v1/channels/${toHex(channelId)}/proofs`,
  proof: (channelId: Uint8Array, reference: Uint8Array): string =>
    `/v1/channels/${toHex(channelId)}/proofs/${toHex(reference)}`,
  balance: (account: Uint8Array): string => `/v1/accounts/${toHex(account)}/balance`,
  journal: (account: Uint8Array): string => `/v1/accounts/${toHex(account)}/journal`,
  channels: (account: Uint8Array): string => `/v1/accounts/${toHex(account)}/channels`,
  reputation: (account: Uint8Array): string => `/v1/accounts/${toHex(account)}/reputation`,
  record: (channelId: Uint8Array): string => `/v1/records/${toHex(channelId)}`,
  head: (number: number | 'latest'): string => `/v1/heads/${number}`,
} as const

export const commandType = 'application/octet-stream'

export function encodeBankOffer(offer: BankOffer): string {
  return offerBody.encode(offer)
}

export function parseBankOffer(body: string): Parsed<BankOffer> {
  return offerBody.parse(body)
}

export function encodeSettlement(settlement: Settlement): string {
  return settlementBody.encode(settlement)
}

export function parseSettlement(body: string): Parsed<Settlement> {
  return settlementBody.parse(body)
}

export function encodeChannelStatus(status: ChannelStatus): string {
  return channelBody.encode(status)
}

export function parseChannelStatus(body: string): Parsed<ChannelStatus> {
  return channelBody.parse(body)
}

export function encodeBalances(balances: Balances): string {
  return balancesBody.encode(balances)
}

export function parseBalances(body: string): Parsed<Balances> {
  return balancesBody.parse(body)
}

export function encodeRecordAnswer(answer: RecordAnswer): string {
  return recordBody.encode(answer)
}

export function parseRecordAnswer(body: string): Parsed<RecordAnswer> {
  return recordBody.parse(body)
}

export function encodeCommandAnswer(answer: CommandAnswer): string {
  return commandBody.encode(answer)
}

export function parseCommandAnswer(body: string): Parsed<CommandAnswer> {
  return commandBody.parse(body)
}
