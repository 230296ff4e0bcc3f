/** The files of vectors, each with what it is for. */

import { badOpeningVectors, commandVectors, equivocationVectors } from './bank.ts'
import { lockVectors, transactionVectors, transcriptVectors } from './channel.ts'
import {
  attachmentVectors,
  checkpointVectors,
  closeVectors,
  closingVectors,
  openVectors,
  recordVectors,
} from './evidence.ts'
import { frameVectors, headerVectors, macVectors, statementVectors } from './frames.ts'
import { type Json, json } from './json.ts'
import { coinVectors, tagVectors, termsVectors } from './money.ts'
import { type Story, tell } from './story.ts'

export interface VectorFile {
  readonly description: string
  readonly cases: Json
}

export function vectorFiles(): Readonly<Record<string, VectorFile>> {
  const stories: readonly Story[] = [tell('schnorr'), tell('ecdsa-xor')]
  const file = (description: string, cases: readonly object[]): VectorFile => ({ description, cases: json(cases) })
  return {
    tags: file(
      'Every tag: its SHA-256, which stands twice before what is hashed, and the hash of nothing.',
      tagVectors(),
    ),
    terms: file('Terms, their channel id and reference; terms to refuse.', termsVectors(stories)),
    coins: file('Segment seeds, coins and walks.', coinVectors(stories)),
    transactions: file('Tx_0, Tx_i and core_i with the digests that receipts sign.', transactionVectors(stories)),
    transcript: file(
      'Whole channels: terms, grant, cores, transcript and receipts. The others change some values `of` one, and are refused.',
      transcriptVectors(stories),
    ),
    locks: file('Locks with both receipts and every value between; locks to refuse.', lockVectors(stories)),
    attachment: file('Attachments, their grants and what they bind.', attachmentVectors(stories)),
    checkpoint: file('Checkpoints and the digests they sign.', checkpointVectors(stories)),
    closing: file('Closings of the vendor and releases of the client.', closingVectors(stories)),
    close: file('Claims of the vendor, with every kind of evidence.', closeVectors(stories)),
    open: file('Commands that open a channel, and the bank’s answers.', openVectors(stories)),
    command: file('Commands of accounts, one of each action.', commandVectors(stories)),
    badOpening: file(
      'Proofs that a lock does not open, for the bank that has the terms and c_0; proofs of nothing.',
      badOpeningVectors(stories),
    ),
    equivocation: file('Two receipts for one payment, for the bank that has the terms.', equivocationVectors(stories)),
    record: file('Records of settled channels and their leaves.', recordVectors(stories)),
    mac: file('MAC keys from either side, and MACs in both directions.', macVectors()),
    frames: file('Payments, ticks and asks with their MACs.', frameVectors(stories)),
    statement: file('Statements of the vendor with their MACs.', statementVectors(stories)),
    headers: file('Header values: base64url of the messages; values to refuse.', headerVectors(stories)),
  }
}
