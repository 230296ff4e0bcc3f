/**
 * The saved directory of a channel of the published scheme: its messages as they were sent, and what opened. Nothing in it says
 * that it is right, so every byte is checked against what was signed, hashed or recorded.
 *
 * | file | holds |
 * | --- | --- |
 * | `parties.bin` | bank's key 32 (x-coordinate) `‖` client's key 33 `‖` salt 32 `‖ f_0` 32 |
 * | `opening.bin` | `{F, Tx_0, O_C, O_V, σ_0}`, 216 bytes |
 * | `payments.bin` | `{f_i, Tx_i, ℓk_i}`, 176 bytes each; the last with `σ_n`, 240 |
 * | `signatures.bin` | `σ_0 … σ_n`, 64 bytes each |
 * | `recorded.bin` | salt 32 `‖ Tx_0 ‖ Tx_n`: its tagged hash is the leaf |
 * | `recorded.json` | that the leaf was recorded: `RecordProof` |
 *
 * The scheme itself ties the client's key to nothing: whoever signs everything again with another key has a directory as good.
 * Here `O_C`, which the bank signs and the chain keeps, commits to the key.
 */

import { RecordProof, TreeHead, verifyRecord } from '../../chain/index.ts'
import { concat, equal, toHex, utf8 } from '../../crypto/bytes.ts'
import { sha256, taggedHash } from '../../crypto/hash.ts'
import { Client as Party } from '../../protocol/index.ts'
import { ecdsa, LockableSignature, messages } from '../../published/index.ts'
import {
  type ArchiveFault,
  type ArchiveSound,
  type ArchiveVerdict,
  type Files,
  fault,
  misplaced,
  namesFault,
  type RecordFound,
  type Trust,
} from './archive.ts'

/** A channel that ran to its end, each part as it was sent, opened or recorded. */
export interface PublishedArchive {
  /** 32 bytes; `σ_0` verifies under the point of this x-coordinate with even y, tree heads under the same. */
  readonly bank: Uint8Array
  readonly client: Identity
  /** What the client's chain began with: `f_1 = H(f_0)`. */
  readonly f0: Uint8Array
  readonly opening: Uint8Array
  /** The messages of payments 1..n. */
  readonly payments: readonly Uint8Array[]
  /** `σ_0 … σ_n`. */
  readonly receipts: readonly Uint8Array[]
  readonly recordSalt: Uint8Array
  /** `Tx_0 ‖ Tx_n`. */
  readonly record: Uint8Array
  readonly proof: RecordProof.RecordProof
}

/** What `O_C` commits to. */
export interface Identity {
  /** 33 bytes, a compressed point. */
  readonly key: Uint8Array
  /** 32 bytes. */
  readonly salt: Uint8Array
}

const hashRecord = taggedHash('lockstep/record-published')

/** `O_C`. */
export function identityOf({ key, salt }: Identity): Uint8Array {
  return Party.commitIdentity(salt, key)
}

/** What is recorded of `Tx_0 ‖ Tx_n`. */
export function leafOf(salt: Uint8Array, record: Uint8Array): Uint8Array {
  return hashRecord(salt, record)
}

/** The point that `σ_0` verifies under. */
export function bankPoint(bank: Uint8Array): Uint8Array {
  return concat(evenY, bank)
}

/** What `writeArchive` writes. */
export function publishedFiles(archive: PublishedArchive): Files {
  const { bank, client, f0 } = archive
  return new Map([
    ['parties.bin', concat(bank, client.key, client.salt, f0)],
    ['opening.bin', archive.opening],
    ['payments.bin', joined(archive.payments)],
    ['signatures.bin', joined(archive.receipts)],
    ['recorded.bin', concat(archive.recordSalt, archive.record)],
    ['recorded.json', utf8(RecordProof.encode(archive.proof))],
  ])
}

/** Whether these are the files of a channel of the published scheme, or what is left of them. */
export function isPublishedArchive(files: Files): boolean {
  return names.some((name) => files.has(name))
}

/** Names the first thing that is wrong: sizes, the opening, payments in order, receipts and locks, the record, its proof. */
export async function verifyPublished(files: Files, trust: Trust = {}): Promise<ArchiveVerdict> {
  const wrong = namesFault(files, names) ?? sizesFault(files)
  if (wrong !== undefined) return wrong
  const channel = readFiles(files)
  const faulty =
    openingFault(channel, trust) ?? paymentsFault(channel) ?? receiptsFault(channel) ?? recordFault(channel)
  if (faulty !== undefined) return faulty
  const record = await verifyRecorded(channel, trust)
  return record.ok ? soundVerdict(channel, record) : record
}

const evenY = Uint8Array.of(0x02)
const names = ['parties.bin', 'opening.bin', 'payments.bin', 'signatures.bin', 'recorded.bin', 'recorded.json']
const partiesSize = 32 + 33 + 32 + 32
const { sizes } = messages

/** Many of them: more than a call takes arguments. */
function joined(rows: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(rows))
}

/** The files, parsed; nothing in them is believed. */
interface Channel {
  readonly bank: Uint8Array
  readonly client: Identity
  readonly f0: Uint8Array
  readonly opening: messages.Opening
  /** `{f_i, Tx_i, ℓk_i}`, i = 1..n. */
  readonly payments: readonly messages.Payment[]
  /** `σ_n`, as the last payment carries it. */
  readonly lastReceipt: Uint8Array
  /** `σ_0 … σ_n`. */
  readonly receipts: readonly Uint8Array[]
  /** `Tx_0 ‖ Tx_n`. */
  readonly record: Uint8Array
  readonly leaf: Uint8Array
  readonly proof: ReturnType<typeof RecordProof.parse>
}

function sizesFault(files: Files): ArchiveFault | undefined {
  const sizeOf = (name: string): number => files.get(name)!.length
  const paid = sizeOf('payments.bin')
  const payments = (paid - sizes.repairedLast) / sizes.payment + 1
  if (!Number.isInteger(payments) || payments < 1) {
    const expected = `${sizes.payment} for each payment but the last, ${sizes.repairedLast} for that`
    return fault('payments.bin', 'FileSize', `${paid} bytes, where there must be ${expected}`)
  }
  const expected = [
    ['parties.bin', partiesSize],
    ['opening.bin', sizes.opening],
    ['signatures.bin', ecdsa.signatureSize * (payments + 1)],
    ['recorded.bin', 32 + sizes.record],
  ] as const
  for (const [name, size] of expected) {
    if (sizeOf(name) !== size) return fault(name, 'FileSize', `${sizeOf(name)} bytes, where there must be ${size}`)
  }
  return undefined
}

/** Of files that have their sizes. */
function readFiles(files: Files): Channel {
  // Copied: what is read from a disk is a Buffer, whose slices are no copies.
  const bytes = (name: string): Uint8Array => new Uint8Array(files.get(name)!)
  const [parties, paid, signatures, recorded] = [
    bytes('parties.bin'),
    bytes('payments.bin'),
    bytes('signatures.bin'),
    bytes('recorded.bin'),
  ]
  const lastAt = paid.length - sizes.repairedLast
  const { receipt, lock, ...last } = messages.parseLast(paid.subarray(lastAt))!
  const payments = Array.from({ length: lastAt / sizes.payment }, (_, row) => {
    return messages.parsePayment(paid.subarray(row * sizes.payment, (row + 1) * sizes.payment))!
  })
  const [salt, record] = [recorded.slice(0, 32), recorded.slice(32)]
  return {
    bank: parties.slice(0, 32),
    client: { key: parties.slice(32, 65), salt: parties.slice(65, 97) },
    f0: parties.slice(97),
    opening: messages.parseOpening(bytes('opening.bin'))!,
    payments: [...payments, { ...last, lock: lock! }],
    lastReceipt: receipt,
    receipts: Array.from({ length: payments.length + 2 }, (_, index) => receiptAt(signatures, index)),
    record,
    leaf: leafOf(salt, record),
    // One character a byte, so that every byte counts; the text itself is ASCII.
    proof: RecordProof.parse(Buffer.from(bytes('recorded.json')).toString('latin1')),
  }
}

function receiptAt(signatures: Uint8Array, index: number): Uint8Array {
  return signatures.slice(index * ecdsa.signatureSize, (index + 1) * ecdsa.signatureSize)
}

/** The bank that is trusted opened a channel over `F` for this client's key. */
function openingFault({ bank, client, opening, proof }: Channel, trust: Trust): ArchiveFault | undefined {
  if (trust.bank !== undefined && !equal(bank, trust.bank)) {
    return fault('parties.bin', 'Untrusted', `the bank is ${toHex(bank)}, not ${toHex(trust.bank)}`)
  }
  const { total, transaction, receipt } = opening
  if (!equal(opening.client, transaction.client) || !equal(opening.vendor, transaction.vendor)) {
    return fault('opening.bin', 'ChannelMismatch', 'Tx_0 names other parties than the message around it')
  }
  if (total !== transaction.amount) {
    return fault('opening.bin', 'AmountInvalid', `F is ${total}, and Tx_0 opens ${transaction.amount}`)
  }
  const message = messages.openingMessage(transaction)
  if (!ecdsa.verify({ publicKey: bankPoint(bank), message, signature: receipt })) {
    const says = `σ_0 is no signature of the bank ${toHex(bank)} on Tx_0`
    // Where it did not sign the tree head either, it is the key that is another one.
    const isBank = !proof.ok || TreeHead.verify(proof.value.head, bank)
    return fault(isBank ? 'opening.bin' : 'parties.bin', 'SignatureInvalid', says)
  }
  if (equal(identityOf(client), transaction.client)) return undefined
  const named = `the client ${toHex(transaction.client)}, which ${toHex(client.key)} with this salt does not hash to`
  return fault('parties.bin', 'ChannelMismatch', `the bank opened for ${named}`)
}

/** One chain `f_i`, one pair of parties, amounts and times that do not fall, and no more than `F`. */
function paymentsFault({ opening, f0, payments }: Channel): ArchiveFault | undefined {
  let [f, paid, at] = [f0, 0n, 0n]
  for (const [row, { f: next, transaction }] of payments.entries()) {
    const here = `payment ${row + 1} (byte ${row * sizes.payment})`
    f = sha256(f)
    if (!equal(next, f)) {
      const after = payments[row + 1]?.f
      if (row === 0 && after !== undefined && equal(after, sha256(next))) {
        return fault('parties.bin', 'OrderInvalid', `H(f_0) is ${toHex(f)}; payments.bin goes on from ${toHex(next)}`)
      }
      return fault('payments.bin', 'OrderInvalid', `${here}: f is ${toHex(next)}; H of the one before is ${toHex(f)}`)
    }
    if (!equal(transaction.client, opening.client) || !equal(transaction.vendor, opening.vendor)) {
      return fault('payments.bin', 'ChannelMismatch', `${here} names other parties than Tx_0`)
    }
    if (transaction.amount < paid || transaction.amount > opening.total) {
      const bounds = `${paid} was paid before, and ${opening.total} is all there is`
      return fault('payments.bin', 'AmountInvalid', `${here} reaches ${transaction.amount}; ${bounds}`)
    }
    if (transaction.at < at) {
      return fault('payments.bin', 'OrderInvalid', `${here} was made at ${transaction.at}, the one before at ${at}`)
    }
    paid = transaction.amount
    at = transaction.at
  }
  return undefined
}

/** `σ_0` and `σ_n` are those that were sent; each verifies, and is locked under the next. */
function receiptsFault(channel: Channel): ArchiveFault | undefined {
  const { opening, payments, receipts, lastReceipt, client } = channel
  const wrong = (index: number, reason: 'CommitmentMismatch' | 'SignatureInvalid', says: string): ArchiveFault =>
    fault('signatures.bin', reason, `σ_${index} (byte ${index * ecdsa.signatureSize}) ${says}`)
  if (!equal(receipts[0]!, opening.receipt)) return wrong(0, 'CommitmentMismatch', 'is not the one in opening.bin')
  const last = payments.length
  const signs = (index: number, signature: Uint8Array): boolean => {
    const message = messages.receiptMessage(payments[index - 1]!.transaction)
    return ecdsa.verify({ publicKey: client.key, message, signature })
  }
  if (!equal(receipts[last]!, lastReceipt)) {
    if (!signs(last, receipts[last]!)) return wrong(last, 'CommitmentMismatch', 'is not the one in payments.bin')
    return fault('payments.bin', 'CommitmentMismatch', `σ_${last} in the last payment is not the one in signatures.bin`)
  }
  for (const [row, { lock }] of payments.entries()) {
    const index = row + 1
    const [signature, lockingSignature] = [receipts[row]!, receipts[index]!]
    const isLocked = equal(LockableSignature.seal({ signature, lockingSignature }), lock)
    const isSigned = signs(index, lockingSignature)
    if (isSigned && isLocked) continue
    const here = `payment ${index} (byte ${row * sizes.payment})`
    const unsigned = `is no signature of the client ${toHex(client.key)} on Tx_${index}`
    if (isSigned) {
      return fault('payments.bin', 'LockMismatch', `${here}: lk_${index} is not σ_${row} locked under σ_${index}`)
    }
    // The lock says that the receipt is the one that was made: then it is the transaction that is another.
    if (isLocked) return fault('payments.bin', 'SignatureInvalid', `${here}: σ_${index} ${unsigned}`)
    return wrong(index, 'SignatureInvalid', unsigned)
  }
  return undefined
}

function recordFault({ opening, payments, record }: Channel): ArchiveFault | undefined {
  const expected = messages.encodeRecord({ first: opening.transaction, last: payments.at(-1)!.transaction })
  if (equal(record, expected)) return undefined
  return fault(
    'recorded.bin',
    'RecordMismatch',
    `(Tx_0, Tx_n) is ${toHex(record)}; the channel's is ${toHex(expected)}`,
  )
}

async function verifyRecorded(
  { bank, leaf, proof }: Channel,
  { registry }: Trust,
): Promise<(RecordFound & { readonly ok: true }) | ArchiveFault> {
  if (!proof.ok) return fault('recorded.json', 'Malformed', proof.detail)
  // The scheme has no terms that name a network: it is the one that the bank signed for.
  const { network } = proof.value.head.head
  const verdict = await verifyRecord({ leaf, proof: proof.value, trust: { bank, network, registry } })
  if (verdict.ok) return verdict
  const { reason, detail } = verdict
  if (reason === 'Registry') return fault('recorded.json', 'Untrusted', detail)
  if (reason !== 'Inclusion') return fault('recorded.json', 'ProofInvalid', detail)
  const file = misplaced(proof.value, { record: 'recorded.bin', proof: 'recorded.json' })
  return fault(file, 'ProofInvalid', `the leaf of recorded.bin, ${toHex(leaf)}, is ${detail}`)
}

function soundVerdict({ bank, opening, payments, leaf }: Channel, record: RecordFound): ArchiveSound {
  const { chain, batch, recordTx } = record
  const { total, transaction } = opening
  const paid = payments.at(-1)!.transaction.amount
  const n = payments.length
  const place = chain.kind === 'evm' ? `registry ${chain.registry} on eip155:${chain.chainId}` : "the bank's own log"
  return {
    ok: true,
    profile: 'published',
    bank,
    record,
    summary: [
      `opening   ${total} base units at ${transaction.at}`,
      `paid      ${paid} in ${n} payment${n === 1 ? '' : 's'}; ${total - paid} was left`,
      `receipts  all ${n + 1} verified, each opened by the next`,
      `recorded  ${place}, batch ${batch.number}`,
      `          ${recordTx}`,
    ],
    facts: {
      lockScheme: null,
      channelId: null,
      bank: toHex(bank),
      payments: n,
      receiptsVerified: n + 1,
      funds: total.toString(),
      paid: paid.toString(),
      refunded: (total - paid).toString(),
      chain: {
        kind: chain.kind,
        chainId: chain.kind === 'evm' ? chain.chainId : null,
        registry: chain.kind === 'evm' ? chain.registry : null,
        recordTx,
        batch: batch.number,
        leaf: toHex(leaf),
      },
    },
  }
}
