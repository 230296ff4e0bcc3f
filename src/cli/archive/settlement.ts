import { RecordProof, verifyRecord } from '../../chain/index.ts'
import { equal, toHex } from '../../crypto/bytes.ts'
import * as Closing from '../../wire/Closing.ts'
import * as Transaction from '../../wire/Transaction.ts'
import { type ArchiveFault, fault, misplaced, type RecordFound, type Trust } from './archive.ts'
import type { Channel } from './channel.ts'
import type { History } from './history.ts'

/** The vendor signed for this very history, and charged no more than was paid in it. */
export function closingFault({ terms, closing }: Channel, history: History): ArchiveFault | undefined {
  if (!Closing.verify(terms.vendor, closing)) {
    return fault('closing.bin', 'SignatureInvalid', `not signed by the vendor ${toHex(terms.vendor)}`)
  }
  const { index, spent, transcript } = closing
  if (!equal(transcript, history.transcript)) {
    const found = `${toHex(transcript)}; it is ${toHex(history.transcript)}`
    return fault('closing.bin', 'TranscriptMismatch', `the vendor closed over t_${index} = ${found}`)
  }
  if (spent <= history.paid) return undefined
  return fault('closing.bin', 'AmountInvalid', `the vendor charged ${spent}, and ${history.paid} was paid`)
}

/**
 * The record is of this channel, with its `Tx_0` and `Tx_n`, and settles exactly what the vendor's closing charges: more would
 * be an overcharge, less another closing. Its basis may be either: `claimed` says that the bank, when it paid, had only the
 * vendor's word for `Tx_n`, which the checkpoint of the release has proven since. Then the proof leads from it to the chain.
 */
export async function verifyRecorded(
  channel: Channel,
  history: History,
  { registry }: Trust,
): Promise<(RecordFound & { readonly ok: true }) | ArchiveFault> {
  const wrong = recordFault(channel, history)
  if (wrong !== undefined) return wrong
  // One character a byte, so that every byte counts; the text itself is ASCII.
  const proof = RecordProof.parse(Buffer.from(channel.proof).toString('latin1'))
  if (!proof.ok) return fault('proof.json', 'Malformed', proof.detail)
  const { bank, network } = channel.terms
  const verdict = await verifyRecord({ leaf: channel.leaf, proof: proof.value, trust: { bank, network, registry } })
  if (verdict.ok) return verdict
  const { reason, detail } = verdict
  if (reason === 'Registry') return fault('proof.json', 'Untrusted', detail)
  if (reason !== 'Inclusion') return fault('proof.json', 'ProofInvalid', detail)
  const file = misplaced(proof.value, { record: 'record.bin', proof: 'proof.json' })
  return fault(file, 'ProofInvalid', `the leaf of record.bin, ${toHex(channel.leaf)}, is ${detail}`)
}

function recordFault({ terms, channelId, record, closing }: Channel, history: History): ArchiveFault | undefined {
  const mismatch = (what: string, found: Uint8Array, expected: Uint8Array): ArchiveFault | undefined => {
    if (equal(found, expected)) return undefined
    return fault('record.bin', 'RecordMismatch', `${what} is ${toHex(found)}; it was ${toHex(expected)}`)
  }
  const moved =
    mismatch('Tx_0', record.opening, Transaction.opening(terms, channelId)) ??
    mismatch(`Tx_n, with n = ${history.cores.length},`, record.last, history.last)
  if (moved !== undefined || record.settled === closing.spent) return moved
  return fault(
    'record.bin',
    'RecordMismatch',
    `${record.settled} was settled; the vendor's closing says ${closing.spent}`,
  )
}
