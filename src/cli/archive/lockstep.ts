/**
 * The saved directory of a Lockstep channel. Eight files, all binary messages of the wire format or rows of them, and the
 * proof of the record as text; nothing in them says that they are right, so every byte is checked against what was signed.
 *
 * | file | holds |
 * | --- | --- |
 * | `terms.bin` | the terms, 344 bytes |
 * | `grant.bin` | `c_0` 32 `‖ γ` 64 |
 * | `transcript.bin` | `core_1 … core_n`, 188 or 220 bytes each |
 * | `checkpoints.bin` | in the order of their segments, 171 bytes each; the last is that of the release |
 * | `receipts.bin` | `σ_0 … σ_n`, 64 bytes each |
 * | `closing.bin` | the vendor's closing, 141 bytes |
 * | `record.bin` | what was recorded, 269 bytes |
 * | `proof.json` | that it was: `RecordProof` |
 */

import { RecordProof } from '../../chain/index.ts'
import { concat, utf8 } from '../../crypto/bytes.ts'
import { type ArchiveVerdict, type Files, namesFault, type Trust } from './archive.ts'
import { readChannel } from './channel.ts'
import { readHistory } from './history.ts'
import { receiptsFault } from './receipts.ts'
import { closingFault, verifyRecorded } from './settlement.ts'
import { soundVerdict } from './summary.ts'

/** A channel that ran to its end. Every part as it was sent, signed or recorded. */
export interface LockstepArchive {
  readonly terms: Uint8Array
  /** c_0. */
  readonly commitment: Uint8Array
  /** γ. */
  readonly grant: Uint8Array
  /** core_1 … core_n. */
  readonly cores: readonly Uint8Array[]
  /** Those that opened a segment in use, and that of the release. */
  readonly checkpoints: readonly Uint8Array[]
  /** σ_0 … σ_n. */
  readonly receipts: readonly Uint8Array[]
  readonly closing: Uint8Array
  readonly record: Uint8Array
  readonly proof: RecordProof.RecordProof
}

/** What `writeArchive` writes. */
export function encodeArchive(archive: LockstepArchive): Files {
  return new Map([
    ['terms.bin', archive.terms],
    ['grant.bin', concat(archive.commitment, archive.grant)],
    ['transcript.bin', joined(archive.cores)],
    ['checkpoints.bin', joined(archive.checkpoints)],
    ['receipts.bin', joined(archive.receipts)],
    ['closing.bin', archive.closing],
    ['record.bin', archive.record],
    ['proof.json', utf8(RecordProof.encode(archive.proof))],
  ])
}

/** Whether these are the files of a Lockstep channel, or what is left of them. */
export function isLockstepArchive(files: Files): boolean {
  return names.some((name) => files.has(name))
}

/**
 * Checks everything there is, cheap and general things first: sizes, terms, `γ`, checkpoints, the transcript with its coins and
 * amounts, the closing, the receipts and locks, the record and its proof. Names the first thing that is wrong.
 */
export async function verifyArchive(files: Files, trust: Trust = {}): Promise<ArchiveVerdict> {
  const wrong = namesFault(files, names)
  if (wrong !== undefined) return wrong
  const channel = readChannel(files, trust)
  if (!channel.ok) return channel
  const history = readHistory(channel)
  if (!history.ok) return history
  const unsigned = closingFault(channel, history) ?? receiptsFault(history, channel.receipts)
  if (unsigned !== undefined) return unsigned
  const record = await verifyRecorded(channel, history, trust)
  return record.ok ? soundVerdict(channel, history, record) : record
}

const names = [
  'terms.bin',
  'grant.bin',
  'transcript.bin',
  'checkpoints.bin',
  'receipts.bin',
  'closing.bin',
  'record.bin',
  'proof.json',
]

/** Many of them: more than a call takes arguments. */
function joined(rows: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(rows))
}
