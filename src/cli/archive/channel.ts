import { equal, toHex } from '../../crypto/bytes.ts'
import { type LockScheme, lockSchemes } from '../../crypto/locks.ts'
import * as Attachment from '../../wire/Attachment.ts'
import * as Checkpoint from '../../wire/Checkpoint.ts'
import * as Closing from '../../wire/Closing.ts'
import { sizes } from '../../wire/kinds.ts'
import * as Record from '../../wire/Record.ts'
import * as Terms from '../../wire/Terms.ts'
import * as Transcript from '../../wire/Transcript.ts'
import { type ArchiveFault, type Files, fault, type Trust } from './archive.ts'

/** What an archive says it is: parsed, of one channel and one number of payments, and granted by its bank. */
export interface Channel {
  readonly ok: true
  readonly terms: Terms.Terms
  readonly channelId: Uint8Array
  readonly scheme: LockScheme
  /** c_0. */
  readonly commitment: Uint8Array
  /** core_1 … core_n, not parsed. */
  readonly cores: readonly Uint8Array[]
  /** σ_0 … σ_n, not verified. */
  readonly receipts: readonly Uint8Array[]
  /** Rows of checkpoints, not parsed. At least one. */
  readonly checkpoints: readonly Uint8Array[]
  /** Not verified. */
  readonly closing: Closing.Closing
  readonly record: Record.Record
  readonly leaf: Uint8Array
  readonly proof: Uint8Array
}

/** Reads the files of a channel and checks `γ`, and that it is by the bank that is trusted. */
export function readChannel(files: Files, trust: Trust): Channel | ArchiveFault {
  const bytes = (name: string): Uint8Array => files.get(name)!
  for (const [name, size] of fixedSizes) {
    const found = bytes(name).length
    if (found !== size) return fault(name, 'FileSize', `${found} bytes, where there must be ${size}`)
  }
  const terms = Terms.parse(bytes('terms.bin'))
  if (!terms.ok) return fault('terms.bin', 'Malformed', terms.detail)
  const closing = Closing.parse(bytes('closing.bin'))
  if (!closing.ok) return fault('closing.bin', 'Malformed', closing.detail)
  const record = Record.parse(bytes('record.bin'))
  if (!record.ok) return fault('record.bin', 'Malformed', record.detail)
  const channelId = Terms.channelId(bytes('terms.bin'))
  const foreign = identityFault(channelId, closing.value, record.value)
  if (foreign !== undefined) return foreign
  const scheme = lockSchemes[terms.value.lockScheme]
  const coreSize = Transcript.coreLayout(scheme.lockSize).size
  for (const [name, size] of [...rowSizes, ['transcript.bin', coreSize]] as const) {
    const found = bytes(name).length
    const least = name === 'transcript.bin' ? 0 : size
    if (found % size !== 0 || found < least) {
      return fault(name, 'FileSize', `${found} bytes, where there must be ${size} for each of its entries`)
    }
  }
  const channel: Channel = {
    ok: true,
    terms: terms.value,
    channelId,
    scheme,
    commitment: bytes('grant.bin').slice(0, sizes.commitment),
    cores: rows(bytes('transcript.bin'), coreSize),
    receipts: rows(bytes('receipts.bin'), sizes.receipt),
    checkpoints: rows(bytes('checkpoints.bin'), Checkpoint.size),
    closing: closing.value,
    record: record.value,
    leaf: Record.leaf(bytes('record.bin')),
    proof: bytes('proof.json'),
  }
  return grantFault(channel, files, trust) ?? countFault(channel) ?? channel
}

const fixedSizes = [
  ['terms.bin', Terms.size],
  ['grant.bin', sizes.commitment + sizes.signature],
  ['closing.bin', Closing.size],
  ['record.bin', Record.size],
] as const

const rowSizes = [
  ['checkpoints.bin', Checkpoint.size],
  ['receipts.bin', sizes.receipt],
] as const

function rows(bytes: Uint8Array, size: number): readonly Uint8Array[] {
  return Array.from({ length: bytes.length / size }, (_, row) => bytes.subarray(row * size, (row + 1) * size))
}

/** Three files count the payments. Where they differ, the one that stands alone is named. */
function countFault({ cores, receipts, closing }: Channel): ArchiveFault | undefined {
  const [made, receipted, closed] = [cores.length, receipts.length - 1, closing.index]
  if (made === closed && receipted === closed) return undefined
  const both = (name: string, other: string): string => `, as ${name} and ${other} have them`
  if (receipted === closed) {
    const detail = `${made} payments, not ${closed}${both('receipts.bin', 'closing.bin')}`
    return fault('transcript.bin', 'OrderInvalid', detail)
  }
  if (made === closed) {
    const detail = `${receipts.length} receipts, not ${closed + 1} of the opening and the ${closed} payments`
    return fault('receipts.bin', 'OrderInvalid', `${detail}${both('transcript.bin', 'closing.bin')}`)
  }
  return fault(
    'closing.bin',
    'OrderInvalid',
    `the vendor closed after ${closed} payments; there are ${made} in transcript.bin, ${receipts.length} receipts`,
  )
}

/** Terms are named by their hash alone: where closing and record agree on another name, it is the terms that changed. */
function identityFault(
  channelId: Uint8Array,
  closing: Closing.Closing,
  record: Record.Record,
): ArchiveFault | undefined {
  const [own, closed, recorded] = [channelId, closing.channelId, record.channelId].map(toHex)
  if (closed === recorded && closed !== own) {
    const detail = `the terms are of channel ${own}, closing.bin and record.bin of channel ${closed}`
    return fault('terms.bin', 'ChannelMismatch', detail)
  }
  if (closed !== own) return fault('closing.bin', 'ChannelMismatch', `of channel ${closed}, not of ${own}`)
  if (recorded !== own) return fault('record.bin', 'ChannelMismatch', `of channel ${recorded}, not of ${own}`)
  return undefined
}

function grantFault(channel: Channel, files: Files, { bank }: Trust): ArchiveFault | undefined {
  const { terms, channelId, commitment } = channel
  if (bank !== undefined && !equal(bank, terms.bank)) {
    return fault('terms.bin', 'Untrusted', `the bank of this channel is ${toHex(terms.bank)}, not ${toHex(bank)}`)
  }
  const grant = files.get('grant.bin')!.slice(sizes.commitment)
  if (Attachment.verify({ terms: files.get('terms.bin')!, commitment, grant, agreed: terms })) return undefined
  return fault(
    'grant.bin',
    'SignatureInvalid',
    `the bank ${toHex(terms.bank)} did not sign c_0 = ${toHex(commitment)} for channel ${toHex(channelId)}`,
  )
}
