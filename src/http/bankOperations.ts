/**
 * Everything that a bank answers, as data: its server takes paths, methods and limits from here, and the OpenAPI document is
 * made of it. So neither can have what the other has not.
 */

import * as BadOpening from '../wire/BadOpening.ts'
import * as Close from '../wire/Close.ts'
import * as Closing from '../wire/Closing.ts'
import * as Command from '../wire/Command.ts'
import * as Open from '../wire/Open.ts'
import { balancesBody, channelsBody, journalBody, reputationBody } from './bankAccounts.ts'
import {
  channelBody,
  closingLeftBody,
  commandBody,
  fraudBody,
  headBody,
  offerBody,
  proofsBody,
  recordBody,
  releaseLeftBody,
  settlementBody,
} from './bankAnswers.ts'
import type { ProblemReason } from './problems.ts'
import type { JsonSchema } from './schema.ts'

export interface BankOperation {
  readonly method: 'GET' | 'POST'
  /** Its parameters are in braces: see `parameters`. */
  readonly path: string
  readonly summary: string
  /** Bytes that may be sent: none are read beyond. */
  readonly sent?: { readonly what: string; readonly sizeMin: number; readonly sizeMax: number }
  readonly answered: AnsweredJson | { readonly what: string; readonly size?: number }
  /** For the account alone, which signs `Authorization`. */
  readonly isPrivate?: true
  readonly query?: readonly ('before' | 'limit' | 'role')[]
  /** What may be refused, beside what any request can meet. */
  readonly refusals: readonly ProblemReason[]
}

interface AnsweredJson {
  readonly name: string
  readonly shape: { readonly schema: JsonSchema }
}

export type OperationName =
  | 'offer'
  | 'openapi'
  | 'open'
  | 'close'
  | 'command'
  | 'closing'
  | 'release'
  | 'overcharge'
  | 'evidence'
  | 'channel'
  | 'proofs'
  | 'proof'
  | 'balance'
  | 'journal'
  | 'channels'
  | 'reputation'
  | 'record'
  | 'head'

/** What a parameter of a path looks like. */
export const pathParameters: Readonly<Record<string, { readonly pattern: string; readonly what: string }>> = {
  channelId: { pattern: '[0-9a-f]{64}', what: 'A channel id, as lower-case hex.' },
  account: { pattern: '[0-9a-f]{64}', what: 'An account’s public key, as lower-case hex.' },
  reference: { pattern: '[0-9a-f]{64}', what: 'The reference of a proof, as lower-case hex.' },
  number: { pattern: '(?:latest|[1-9][0-9]{0,14})', what: 'The number of a batch, or `latest`.' },
}

const signed = ['Malformed', 'VersionUnsupported', 'SignatureInvalid', 'RateLimited'] as const
const asCommand = ['CommandExpired', 'CommandConflict', 'BankMismatch', 'NetworkMismatch'] as const
const asQuestion = ['Malformed', 'QueryUnsigned', 'SignatureInvalid', 'CommandExpired', 'CommandLifeTooLong'] as const
const closing = { what: 'A vendor’s signed closing.', sizeMin: Closing.size, sizeMax: Closing.size }
const page = ['before', 'limit'] as const

export const bankOperations: Readonly<Record<OperationName, BankOperation>> = {
  offer: {
    method: 'GET',
    path: '/v1/offer',
    summary: 'The bank’s key, rules, limits, chain and clock.',
    answered: offerBody,
    refusals: [],
  },
  openapi: {
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This document.',
    answered: { what: 'OpenAPI 3.1, as JSON.' },
    refusals: [],
  },
  open: {
    method: 'POST',
    path: '/v1/open',
    summary: 'Open a channel. The same command gets the same answer for ever.',
    sent: { what: 'An open, signed by account and channel key.', sizeMin: Open.size, sizeMax: Open.size },
    answered: { what: 'σ_0 ‖ c_0 ‖ γ.', size: Open.openedSize },
    refusals: [
      ...signed,
      ...asCommand,
      'AssetMismatch',
      'ClockSkewed',
      'LifeOutOfRange',
      'FundsTooSmall',
      'AccountUnknown',
      'VendorUnknown',
      'ReputationTooLow',
      'ChannelKeyReused',
      'BalanceTooLow',
      'TooManyChannels',
    ],
  },
  close: {
    method: 'POST',
    path: '/v1/close',
    summary:
      'Claim what a channel paid: the vendor is paid, the client gets the rest. The same claim gets the same answer.',
    sent: { what: 'A close, signed by the vendor.', sizeMin: 1, sizeMax: Close.sizeMax },
    answered: settlementBody,
    refusals: [...signed, 'ChannelUnknown', 'ChannelClosed', 'DeadlinePassed', 'EvidenceInvalid', 'AmountUnproven'],
  },
  command: {
    method: 'POST',
    path: '/v1/commands',
    summary:
      'Carry out an account’s signed command: register, withdraw, expire, fetchClosing, dispute, release or fetchRelease. The same command gets the same answer for ever.',
    sent: { what: 'A command, signed by the account.', sizeMin: 1, sizeMax: Command.sizeMax },
    answered: commandBody,
    refusals: [
      ...signed,
      ...asCommand,
      'CommandLifeTooLong',
      'AssetMismatch',
      'AccountExists',
      'DepositTooSmall',
      'WithdrawalBlocked',
      'BalanceTooLow',
      'ChannelUnknown',
      'ChannelNotYours',
      'ChannelClosed',
      'DeadlineAhead',
      'ExpiryHeld',
      'ClosingMissing',
      'ReleaseMissing',
      'ReleaseInvalid',
    ],
  },
  closing: {
    method: 'POST',
    path: '/v1/closings',
    summary: 'Leave a closing for the client to fetch. The first one stays.',
    sent: closing,
    answered: closingLeftBody,
    refusals: [...signed, 'ChannelUnknown', 'ClosingConflict'],
  },
  release: {
    method: 'POST',
    path: '/v1/releases',
    summary: 'Leave a release that a claim shows to be right. Before a claim it comes in a command.',
    sent: { what: 'A release.', sizeMin: Closing.releaseSize, sizeMax: Closing.releaseSize },
    answered: releaseLeftBody,
    refusals: [...signed, 'ChannelUnknown', 'ReleaseInvalid'],
  },
  overcharge: {
    method: 'POST',
    path: '/v1/overcharges',
    summary: 'Show that a vendor claimed more than its own closing says: the difference goes back.',
    sent: closing,
    answered: fraudBody,
    refusals: [
      ...signed,
      'ChannelUnknown',
      'ChannelNotSettled',
      'EvidenceInvalid',
      'EvidenceTooLate',
      'EvidenceRepeated',
    ],
  },
  evidence: {
    method: 'POST',
    path: '/v1/evidence',
    summary: 'Show a bad opening or an equivocation.',
    sent: { what: 'A bad opening or an equivocation.', sizeMin: 2, sizeMax: BadOpening.sizeMax },
    answered: fraudBody,
    refusals: [...signed, 'ChannelUnknown', 'EvidenceInvalid'],
  },
  channel: {
    method: 'GET',
    path: '/v1/channels/{channelId}',
    summary: 'What a channel stands at.',
    answered: channelBody,
    refusals: ['ChannelUnknown'],
  },
  proofs: {
    method: 'GET',
    path: '/v1/channels/{channelId}/proofs',
    summary: 'Frauds that stand proven in a channel, the first 100.',
    answered: proofsBody,
    refusals: ['ChannelUnknown'],
  },
  proof: {
    method: 'GET',
    path: '/v1/channels/{channelId}/proofs/{reference}',
    summary: 'The evidence of a proof, as it came.',
    answered: { what: 'A closing, a bad opening or an equivocation.' },
    refusals: [],
  },
  balance: {
    method: 'GET',
    path: '/v1/accounts/{account}/balance',
    summary: 'What an account can spend.',
    answered: balancesBody,
    isPrivate: true,
    refusals: [...asQuestion, 'AccountUnknown'],
  },
  journal: {
    method: 'GET',
    path: '/v1/accounts/{account}/journal',
    summary: 'Every movement of an account’s money, newest first.',
    answered: journalBody,
    isPrivate: true,
    query: page,
    refusals: asQuestion,
  },
  channels: {
    method: 'GET',
    path: '/v1/accounts/{account}/channels',
    summary: 'Channels that an account opened, or is the vendor of, newest first.',
    answered: channelsBody,
    isPrivate: true,
    query: [...page, 'role'],
    refusals: asQuestion,
  },
  reputation: {
    method: 'GET',
    path: '/v1/accounts/{account}/reputation',
    summary: 'An account’s score and every change of it with its cause, newest first.',
    answered: reputationBody,
    isPrivate: true,
    query: page,
    refusals: [...asQuestion, 'AccountUnknown'],
  },
  record: {
    method: 'GET',
    path: '/v1/records/{channelId}',
    summary: 'The record of a settled channel with the proof that it is on the chain, once it is.',
    answered: recordBody,
    refusals: ['ChannelUnknown'],
  },
  head: {
    method: 'GET',
    path: '/v1/heads/{number}',
    summary: 'The signed tree head of a batch on the chain.',
    answered: headBody,
    refusals: [],
  },
}
