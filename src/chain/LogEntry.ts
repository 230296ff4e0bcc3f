import { u64, utf8 } from '../crypto/bytes.ts'
import { taggedHash } from '../crypto/hash.ts'
import type { KeyPair } from '../crypto/Schnorr.ts'
import * as Schnorr from '../crypto/Schnorr.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import { sizes } from '../wire/kinds.ts'
import { bytes, type Layout, layout, timeField } from '../wire/layout.ts'
import type { Parsed } from '../wire/parsed.ts'
import { u53 } from './fields.ts'

/** One batch in a bank's own log: linked to the entry before it, and signed. */
export interface LogEntry {
  /** Number of the batch: the first entry has 1. */
  readonly sequence: number
  /** Hash of the entry before, or the log's id for the first. */
  readonly previous: Uint8Array
  readonly root: Uint8Array
  readonly count: number
  /** The bank's clock. */
  readonly recordedAt: UnixSeconds
  readonly signature: Uint8Array
}

/** Whose log it is. Everything in it is bound to this. */
export interface LogOwner {
  readonly network: string
  /** The bank's public key. */
  readonly bank: Uint8Array
  /** Number of the log: a bank has one a shard. */
  readonly log: number
}

const entry: Layout<LogEntry> = layout('log entry', {
  sequence: u53,
  previous: bytes(sizes.hash),
  root: bytes(sizes.hash),
  count: u53,
  recordedAt: timeField,
  signature: bytes(sizes.signature),
})

const hashLog = taggedHash('lockstep/log')
const hashEntry = taggedHash('lockstep/log-entry')

/** 152 bytes. */
export const size: number = entry.size

export function encode(value: LogEntry): Uint8Array<ArrayBuffer> {
  return entry.encode(value)
}

export function parse(input: Uint8Array): Parsed<LogEntry> {
  return entry.parse(input)
}

/** What the first entry of a log stands on. */
export function logId({ network, bank, log }: LogOwner): Uint8Array {
  return hashLog(bank, u64(BigInt(log)), utf8(network))
}

/** What the entry after it links to, and what its signature is over: everything but the signature itself. */
export function hash(value: LogEntry, owner: LogOwner): Uint8Array {
  return hashEntry(logId(owner), encode(value).subarray(0, size - sizes.signature))
}

/** The entry with the bank's signature. */
export function sign(unsigned: Omit<LogEntry, 'signature'>, key: KeyPair, owner: LogOwner): LogEntry {
  const digest = hash({ ...unsigned, signature: new Uint8Array(sizes.signature) }, owner)
  return { ...unsigned, signature: Schnorr.sign(key, digest) }
}

/** Whether the owner of the log signed this entry. Says nothing of the entries before it. */
export function verify(value: LogEntry, owner: LogOwner): boolean {
  return Schnorr.verify({ publicKey: owner.bank, digest: hash(value, owner), signature: value.signature })
}
