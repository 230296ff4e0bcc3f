import { type Refusal, refuse } from '../protocol/refusals.ts'
import * as Attachment from '../wire/Attachment.ts'
import { type Amount, parseAmount } from '../wire/amount.ts'
import { parseBase64url, toBase64url } from '../wire/base64url.ts'
import * as Checkpoint from '../wire/Checkpoint.ts'
import type { Mac } from '../wire/Frame.ts'
import * as Frame from '../wire/Frame.ts'
import { sizes, version } from '../wire/kinds.ts'
import { type Malformed, type Parsed, parsed } from '../wire/parsed.ts'
import * as Statement from '../wire/Statement.ts'
import type * as Terms from '../wire/Terms.ts'

/** Header names of the HTTP binding: Design 3.10. Values are base64url of the messages. */
export const headerNames = {
  channel: 'Lockstep-Channel',
  payment: 'Lockstep-Payment',
  checkpoint: 'Lockstep-Checkpoint',
  attachment: 'Lockstep-Attachment',
  statement: 'Lockstep-Statement',
  /** The most that a request may be charged, in base units: where the channel has credit beside its payment. */
  price: 'Lockstep-Price',
  /** A stream of events, for the payments that are posted beside it: 32 hex digits. */
  stream: 'Lockstep-Stream',
} as const

/** The part of the Fetch API's `Headers` that a parse needs. */
export interface HeaderSource {
  get(name: string): string | null
}

/** A payment as its headers carry it, read but not judged. */
export interface PaymentMessages extends Companions {
  readonly payment: { readonly bytes: Uint8Array; readonly value: Frame.Payment }
  /** Base units: the most that its client agrees to, where it says so. */
  readonly agreed?: Amount | undefined
}

/** What rides along: a checkpoint that is not acknowledged, and what shows the channel to a vendor that has not met it. */
export interface Companions {
  readonly checkpoint: Checkpoint.SignedCheckpoint | undefined
  readonly attachment: (Attachment.Attachment & { readonly agreed: Terms.Terms }) | undefined
}

/** The headers of a paid request. */
export function paymentHeaders(messages: {
  readonly frame: Uint8Array
  readonly checkpoint?: Uint8Array | undefined
  readonly attachment?: Uint8Array | undefined
}): Record<string, string> {
  const { frame } = messages
  return {
    [headerNames.channel]: toBase64url(frame.subarray(1, 1 + sizes.reference)),
    [headerNames.payment]: toBase64url(frame),
    ...companionHeaders(messages),
  }
}

/** The headers of what rides along. */
export function companionHeaders({
  checkpoint,
  attachment,
}: {
  readonly checkpoint?: Uint8Array | undefined
  readonly attachment?: Uint8Array | undefined
}): Record<string, string> {
  return {
    ...(checkpoint && { [headerNames.checkpoint]: toBase64url(checkpoint) }),
    ...(attachment && { [headerNames.attachment]: toBase64url(attachment) }),
  }
}

/** Reads a paid request's headers. Each is measured before it is decoded; `undefined` where there is no payment. */
export function parsePaymentHeaders(headers: HeaderSource): Parsed<PaymentMessages> | Refusal | undefined {
  const value = headers.get(headerNames.payment)
  if (value === null) return undefined
  const bytes = parseBase64url(value, Frame.paymentSize(64))
  if (!bytes.ok) return inHeader(headerNames.payment, bytes)
  const unsupported = assessVersion(bytes.value)
  if (unsupported !== undefined) return unsupported
  const payment = Frame.parsePayment(bytes.value)
  if (!payment.ok) return payment
  const price = headers.get(headerNames.price)
  const agreed = price === null ? undefined : parseAmount(price)
  if (agreed?.ok === false) return inHeader(headerNames.price, agreed)
  const companions = parseCompanionHeaders(headers)
  if (!companions.ok) return companions
  return parsed({ payment: { bytes: bytes.value, value: payment.value }, agreed: agreed?.value, ...companions.value })
}

/** Reads what rides along with a payment or a question. */
export function parseCompanionHeaders(headers: HeaderSource): Parsed<Companions> {
  const checkpoint = optional(headers, headerNames.checkpoint, Checkpoint.size, Checkpoint.parse)
  if (!checkpoint.ok) return checkpoint
  const attachment = optional(headers, headerNames.attachment, Attachment.size, Attachment.parse)
  if (!attachment.ok) return attachment
  return parsed({ checkpoint: checkpoint.value, attachment: attachment.value })
}

/** Refuses a message of another version by its first byte. */
export function assessVersion(message: Uint8Array): Refusal | undefined {
  const found = (message[0] ?? 0) >> 4
  return found === version ? undefined : refuse('VersionUnsupported', `version ${found}; this is version ${version}`)
}

export function statementHeader(statement: Statement.Statement, mac: Mac): Record<string, string> {
  return { [headerNames.statement]: toBase64url(Statement.encode(statement, mac)) }
}

/** The vendor's statement on a response, its MAC checked; `undefined` where there is none. */
export function parseStatementHeader(headers: HeaderSource, mac: Mac): Parsed<Statement.Statement> | undefined {
  const value = headers.get(headerNames.statement)
  if (value === null) return undefined
  const bytes = parseBase64url(value, Statement.size)
  return bytes.ok ? Statement.parse(bytes.value, mac) : bytes
}

function optional<T>(
  headers: HeaderSource,
  name: string,
  sizeMax: number,
  parse: (bytes: Uint8Array) => Parsed<T>,
): Parsed<T | undefined> {
  const value = headers.get(name)
  if (value === null) return parsed(undefined)
  const bytes = parseBase64url(value, sizeMax)
  return bytes.ok ? parse(bytes.value) : inHeader(name, bytes)
}

function inHeader(name: string, failure: Malformed): Malformed {
  return { ...failure, detail: `${name}: ${failure.detail}` }
}
