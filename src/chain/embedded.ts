import { equal, toHex } from '../crypto/bytes.ts'
import type { KeyPair } from '../crypto/Schnorr.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import type { Batch, Chain, Hex, Recorded } from './Chain.ts'
import { ChainError } from './chainError.ts'
import type { LogEntry, LogOwner } from './LogEntry.ts'
import * as Log from './LogEntry.ts'
import { asItStands, outOfOrder } from './standing.ts'
import { pause, queue } from './waiting.ts'

/** Where a log is kept: bytes by sequence number. Nothing is ever changed or removed. */
export interface LogStore {
  /** Durable once it returns. Throws where the sequence number is taken. */
  append(sequence: number, entry: Uint8Array): Promise<void> | void
  /** All entries from this sequence number on, in order. */
  entries(from: number): Iterable<Uint8Array> | AsyncIterable<Uint8Array>
  last(): Promise<Uint8Array | undefined> | Uint8Array | undefined
}

export interface EmbeddedOptions {
  /** As in the terms of the channels it records. */
  readonly network: string
  /** Number of the log, where a bank has several. */
  readonly log?: number
  /** How often `watch` looks for what another process has appended. */
  readonly pollMs?: number
}

/** The bank's own chain: an append-only log in which each entry is signed and holds the hash of the one before. */
export function openLog(
  deps: { readonly store: LogStore; readonly key: KeyPair; readonly now: () => UnixSeconds },
  { network, log = 0, pollMs = 1000 }: EmbeddedOptions,
): Chain {
  const { store, key, now } = deps
  const owner: LogOwner = { network, bank: key.publicKey, log }
  const inTurn = queue()

  const newest = async (): Promise<LogEntry | undefined> => {
    const encoded = await store.last()
    // An entry is built on this one: it has to be the bank's.
    return encoded === undefined ? undefined : intact(encoded, owner)
  }

  const prove = async (number: number): Promise<Recorded | undefined> => {
    for await (const encoded of store.entries(number)) {
      const entry = intact(encoded, owner)
      return entry.sequence === number ? recorded(entry, owner) : undefined
    }
    return undefined
  }

  const record = async (batch: Batch): Promise<Recorded> => {
    const last = await newest()
    const expected = (last?.sequence ?? 0) + 1
    if (batch.number < expected) return asItStands(batch, await prove(batch.number))
    if (batch.number > expected) throw outOfOrder(batch, expected)
    const unsigned = {
      sequence: batch.number,
      previous: last === undefined ? Log.logId(owner) : Log.hash(last, owner),
      root: batch.root,
      count: batch.count,
      recordedAt: now(),
    }
    const entry = Log.sign(unsigned, key, owner)
    try {
      await store.append(entry.sequence, Log.encode(entry))
    } catch (error) {
      // Another process of the bank was first. It may have been with this very batch.
      const standing = await prove(batch.number)
      if (standing === undefined) throw error
      return asItStands(batch, standing)
    }
    return recorded(entry, owner)
  }

  return {
    identity: { kind: 'embedded', log },
    last: async () => (await newest())?.sequence ?? 0,
    record: (batch) => inTurn(() => record(batch)),
    prove,
    async *watch({ from = 1, signal } = {}) {
      const stopped = (): boolean => signal?.aborted === true
      for (let next = from; !stopped(); await pause(pollMs, signal)) {
        for await (const encoded of store.entries(next)) {
          if (stopped()) return
          const entry = intact(encoded, owner)
          next = entry.sequence + 1
          yield recorded(entry, owner)
        }
      }
    },
  }
}

export type Audit =
  | { readonly ok: true; readonly entries: number }
  | { readonly ok: false; readonly sequence: number; readonly detail: string }

/**
 * Reads a whole log and names the first entry that is not as the bank wrote it. A log that was cut short or written anew
 * from some entry on is consistent in itself: it takes an entry known from before, as every saved proof holds one, to see.
 */
export async function auditLog(
  entries: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  owner: LogOwner,
  known: readonly LogEntry[] = [],
): Promise<Audit> {
  let previous = Log.logId(owner)
  let sequence = 0
  const hashes = new Map(known.map((entry) => [entry.sequence, Log.hash(entry, owner)]))
  for await (const encoded of entries) {
    sequence += 1
    const parsed = Log.parse(encoded)
    if (!parsed.ok) return { ok: false, sequence, detail: parsed.detail }
    const fault = faultOf(parsed.value, { sequence, previous, owner })
    if (fault !== undefined) return { ok: false, sequence, detail: fault }
    previous = Log.hash(parsed.value, owner)
    const expected = hashes.get(sequence)
    if (expected !== undefined && !equal(expected, previous)) {
      return { ok: false, sequence, detail: 'the bank signed another entry under this number before' }
    }
    hashes.delete(sequence)
  }
  const [missing] = hashes.keys()
  if (missing !== undefined) return { ok: false, sequence: missing, detail: 'the entry is no longer there' }
  return { ok: true, entries: sequence }
}

function faultOf(
  entry: LogEntry,
  expected: { readonly sequence: number; readonly previous: Uint8Array; readonly owner: LogOwner },
): string | undefined {
  if (entry.sequence !== expected.sequence) return `numbered ${entry.sequence}`
  if (!equal(entry.previous, expected.previous)) return 'does not follow from the entry before it'
  return Log.verify(entry, expected.owner) ? undefined : 'is not signed by the bank'
}

function intact(encoded: Uint8Array, owner: LogOwner): LogEntry {
  const parsed = Log.parse(encoded)
  if (parsed.ok && Log.verify(parsed.value, owner)) return parsed.value
  const what = parsed.ok ? `entry ${parsed.value.sequence} is not signed by this bank` : parsed.detail
  throw new ChainError(
    'Damaged',
    `The log is damaged: ${what}. Nothing was recorded. Restore the bank's store, or open the log with the bank's own key.`,
  )
}

function recorded(entry: LogEntry, owner: LogOwner): Recorded {
  const { sequence, root, count, recordedAt } = entry
  const recordTx: Hex = `0x${toHex(Log.hash(entry, owner))}`
  return {
    kind: 'embedded',
    batch: { number: sequence, root, count },
    evidence: Log.encode(entry),
    recordTx,
    recordedAt,
  }
}
