import type { Rules } from '../protocol/bank/Rules.ts'
import type { Bank } from '../protocol/index.ts'
import type { Amount, UnixSeconds } from '../wire/amount.ts'
import * as Closing from '../wire/Closing.ts'
import { sizes } from '../wire/kinds.ts'
import * as Record from '../wire/Record.ts'
import * as shape from './schema.ts'
import { type Body, body, type Shape } from './schema.ts'

/** The most characters of JSON that are read as an answer of a bank. */
export const bankAnswerMax = 65_536

/** What a bank tells whoever wants to open a channel at it. */
export interface BankOffer {
  readonly version: 1
  /** The bank's public key. */
  readonly bank: Uint8Array
  readonly rules: Rules
  readonly limits: Bank.Limits
  /** Who may register, and how long a command may be valid. */
  readonly commands: Bank.CommandRules
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
  /** Claims are taken until then, and longer where the bank was away meanwhile. */
  readonly deadline: UnixSeconds
} & (
  | { readonly status: 'open' }
  | ({ readonly status: 'closed'; readonly record: 'queued' | 'recorded' } & Omit<Settlement, 'receipt'>)
  | { readonly status: 'expired'; readonly refund: Amount }
)

/** The record of a settled channel, with what proves offline that it is on the chain. */
export interface RecordAnswer {
  /** 269 bytes. */
  readonly record: Uint8Array
  /** The text that `chain` reads as a record proof, character by character. */
  readonly proof: string
}

/** What a bank says to a command, the same each time it is asked. */
export type CommandAnswer =
  | { readonly action: 'expire'; readonly channelId: Uint8Array; readonly refund: Amount }
  /** 141 bytes. */
  | { readonly action: 'fetchClosing'; readonly closing: Uint8Array }
  | { readonly action: 'dispute'; readonly channelId: Uint8Array }
  /** 268 bytes, and the 141 of the closing that was left here: a vendor that lost its store has it from there. */
  | { readonly action: 'fetchRelease'; readonly release: Uint8Array; readonly closing?: Uint8Array }
  | { readonly action: 'release'; readonly channelId: Uint8Array; readonly standing: 'kept' | 'proven' }
  | { readonly action: 'withdraw'; readonly asset: string; readonly amount: Amount; readonly reference: Uint8Array }
  | { readonly action: 'register'; readonly asset: string; readonly locked: Amount; readonly reputation: number }

export interface ClosingLeft {
  readonly channelId: Uint8Array
}

export interface ReleaseLeft {
  readonly channelId: Uint8Array
  readonly standing: 'kept' | 'proven'
}

/** A fraud that stands proven. */
export type FraudProven =
  | { readonly cause: 'badOpening'; readonly channelId: Uint8Array }
  | { readonly cause: 'equivocation'; readonly channelId: Uint8Array }
  | {
      readonly cause: 'overcharge'
      readonly channelId: Uint8Array
      /** What the vendor has to return. `returned + owed`. */
      readonly difference: Amount
      readonly returned: Amount
      readonly owed: Amount
    }

/** What is signed by the bank of a batch on the chain. */
export interface HeadAnswer {
  readonly number: number
  /** 129 bytes. */
  readonly head: Uint8Array
  readonly signature: Uint8Array
}

export interface ProofList {
  readonly channelId: Uint8Array
  readonly proofs: readonly {
    readonly cause: Bank.Reputation.Fraud
    readonly reference: Uint8Array
    readonly at: UnixSeconds
    /** Of an overcharge. */
    readonly difference: Amount
  }[]
}

const channelId = shape.bytes(sizes.hash)
const key = shape.bytes(sizes.key)
const basis = shape.word('proven', 'claimed')
const address = shape.matching<Address>(/^0x[0-9a-f]{40}$/)
const rate = shape.object<Bank.Rate>({ burst: shape.whole, everySeconds: shape.whole })
const settled = { settled: shape.amount, refund: shape.amount, basis }

const rules: Shape<Rules> = shape.object<Rules>({
  assets: shape.list(shape.text()),
  network: shape.text(),
  fundsMin: shape.amount,
  openedWithin: shape.time,
  lifeMin: shape.time,
  lifeMax: shape.time,
  graceMin: shape.whole,
  graceMax: shape.whole,
  reputationAbove: shape.whole,
  reputationNew: shape.whole,
})

const limits: Shape<Bank.Limits> = shape.object<Bank.Limits>({
  channelMin: shape.map(shape.amount),
  openChannelsMax: shape.whole,
  rates: shape.object<Bank.Limits['rates']>({ open: rate, command: rate, rejected: rate }),
})

const known = {
  channelId,
  vendor: key,
  asset: shape.text(),
  funds: shape.amount,
  openedAt: shape.time,
  expiresAt: shape.time,
  deadline: shape.time,
}

export const channelShape: Shape<ChannelStatus> = shape.oneOf<'status', ChannelStatus>('status', {
  open: shape.object({ ...known, status: shape.word('open') }),
  closed: shape.object({
    ...known,
    status: shape.word('closed'),
    ...settled,
    record: shape.word('queued', 'recorded'),
  }),
  expired: shape.object({ ...known, status: shape.word('expired'), refund: shape.amount }),
})

export const offerBody: Body<BankOffer> = answer(
  'BankOffer',
  'offer of a bank',
  shape.object<BankOffer>({
    version: shape.exactly(1),
    bank: key,
    rules,
    limits,
    commands: shape.object<Bank.CommandRules>({ lifeMax: shape.time, depositMin: shape.map(shape.amount) }),
    chain: shape.oneOf<'kind', OfferedChain>('kind', {
      embedded: shape.object({ kind: shape.word('embedded'), log: shape.whole }),
      evm: shape.object({ kind: shape.word('evm'), chainId: shape.whole, registry: address, recorder: address }),
    }),
    now: shape.time,
  }),
)

export const settlementBody: Body<Settlement> = answer(
  'Settlement',
  'settlement',
  shape.object<Settlement>({ ...settled, receipt: shape.bytes(sizes.receipt) }),
)

export const channelBody: Body<ChannelStatus> = answer('ChannelStatus', 'channel', channelShape)

export const recordBody: Body<RecordAnswer> = answer(
  'RecordAnswer',
  'record',
  shape.object<RecordAnswer>({ record: shape.bytes(Record.size), proof: shape.text(bankAnswerMax) }),
)

export const commandBody: Body<CommandAnswer> = answer(
  'CommandAnswer',
  'answer to a command',
  shape.oneOf<'action', CommandAnswer>('action', {
    expire: shape.object({ action: shape.word('expire'), channelId, refund: shape.amount }),
    fetchClosing: shape.object({ action: shape.word('fetchClosing'), closing: shape.bytes(Closing.size) }),
    dispute: shape.object({ action: shape.word('dispute'), channelId }),
    fetchRelease: shape.object<CommandAnswer & { readonly action: 'fetchRelease' }>({
      action: shape.word('fetchRelease'),
      release: shape.bytes(Closing.releaseSize),
      closing: shape.optional(shape.bytes(Closing.size)),
    }),
    release: shape.object({ action: shape.word('release'), channelId, standing: shape.word('kept', 'proven') }),
    withdraw: shape.object({
      action: shape.word('withdraw'),
      asset: shape.text(),
      amount: shape.amount,
      reference: shape.bytes(sizes.hash),
    }),
    register: shape.object({
      action: shape.word('register'),
      asset: shape.text(),
      locked: shape.amount,
      reputation: shape.whole,
    }),
  }),
)

export const closingLeftBody: Body<ClosingLeft> = answer(
  'ClosingLeft',
  'answer to a closing',
  shape.object<ClosingLeft>({ channelId }),
)

export const releaseLeftBody: Body<ReleaseLeft> = answer(
  'ReleaseLeft',
  'answer to a release',
  shape.object<ReleaseLeft>({ channelId, standing: shape.word('kept', 'proven') }),
)

export const fraudBody: Body<FraudProven> = answer(
  'FraudProven',
  'answer to a proof',
  shape.oneOf<'cause', FraudProven>('cause', {
    badOpening: shape.object({ cause: shape.word('badOpening'), channelId }),
    equivocation: shape.object({ cause: shape.word('equivocation'), channelId }),
    overcharge: shape.object({
      cause: shape.word('overcharge'),
      channelId,
      difference: shape.amount,
      returned: shape.amount,
      owed: shape.amount,
    }),
  }),
)

export const headBody: Body<HeadAnswer> = answer(
  'HeadAnswer',
  'tree head',
  shape.object<HeadAnswer>({ number: shape.whole, head: shape.bytes(129), signature: shape.bytes(sizes.signature) }),
)

export const proofsBody: Body<ProofList> = answer(
  'ProofList',
  'list of proofs',
  shape.object<ProofList>({
    channelId,
    proofs: shape.list(
      shape.object<ProofList['proofs'][number]>({
        cause: shape.word('badOpening', 'equivocation', 'overcharge'),
        reference: shape.bytes(sizes.hash),
        at: shape.time,
        difference: shape.amount,
      }),
    ),
  }),
)

export function answer<T>(name: string, what: string, answered: Shape<T>): Body<T> {
  return body(name, { what, sizeMax: bankAnswerMax }, answered)
}
