import { auditLog } from '../../chain/embedded.ts'
import * as LogEntry from '../../chain/LogEntry.ts'
import * as TreeHead from '../../chain/TreeHead.ts'
import { equal, toHex } from '../../crypto/bytes.ts'
import * as MerkleTree from '../../crypto/MerkleTree.ts'
import type { Row } from '../../sql/program.ts'
import * as Attachment from '../../wire/Attachment.ts'
import * as Record from '../../wire/Record.ts'
import * as Terms from '../../wire/Terms.ts'
import * as Transaction from '../../wire/Transaction.ts'
import type { Reader } from './reader.ts'
import { amountIn, bytesIn, countIn, nameIn, ownerIn } from './rows.ts'

/** Whose books they are, where the auditor knows it from elsewhere. */
export interface Owner {
  /** The bank's public key. */
  readonly bank: Uint8Array | undefined
  readonly network: string | undefined
}

/** A law that takes more than SQL: hashes and signatures. Gives the first thing that breaks it. */
export interface ComputedCheck {
  readonly name: string
  find(reader: Reader, owner: Owner): Promise<string | undefined>
}

/** Without signatures over every channel: what an audit looks at that is repeated all day. */
export const quickChecks: readonly ComputedCheck[] = [
  { name: 'every channel is what its terms say', find: (reader, owner) => findChannel(reader, owner, false) },
  { name: 'every record is of its channel, and every leaf of its record', find: findRecord },
  { name: 'every batch has the root of its leaves, signed by the bank', find: findBatch },
  { name: 'the log of the embedded chain is whole, and holds every batch', find: findLog },
]

export const deepChecks: readonly ComputedCheck[] = [
  {
    name: 'every channel is what its terms say, granted by the bank',
    find: (reader, owner) => findChannel(reader, owner, true),
  },
  ...quickChecks.slice(1),
]

async function findChannel(reader: Reader, owner: Owner, withSignatures: boolean): Promise<string | undefined> {
  let { bank, network } = owner
  const sql =
    'SELECT channel_id, channel_key, vendor, asset, funds, deadline, terms, commitment, bank_grant FROM channels'
  for await (const row of reader.each(sql)) {
    const encoded = bytesIn(row, 'terms')
    const parsed = Terms.parse(encoded)
    const channel = `channel ${ownerIn(row, 'channel_id')}`
    if (!parsed.ok) return `${channel}: ${parsed.detail}`
    const terms = parsed.value
    const channelId = Terms.channelId(encoded)
    if (!equal(channelId, bytesIn(row, 'channel_id'))) return `${channel}: its terms are those of ${toHex(channelId)}`
    bank ??= terms.bank
    network ??= terms.network
    if (!equal(terms.bank, bank)) return `${channel}: it is of bank ${toHex(terms.bank)}, not of ${toHex(bank)}`
    if (terms.network !== network) return `${channel}: it is on ${terms.network}, not on ${network}`
    const column = differingColumn(row, terms)
    if (column !== undefined) return `${channel}: its ${column} is not that of its terms`
    if (!withSignatures) continue
    const attachment = {
      terms: encoded,
      agreed: terms,
      commitment: bytesIn(row, 'commitment'),
      grant: bytesIn(row, 'bank_grant'),
    }
    if (!Attachment.verify(attachment)) return `${channel}: its grant is not the bank’s signature`
  }
  return undefined
}

function differingColumn(row: Row, terms: Terms.Terms): string | undefined {
  const { channelKey, vendor, asset, funds, expiresAt, graceSeconds } = terms
  if (!equal(channelKey, bytesIn(row, 'channel_key'))) return 'channel_key'
  if (!equal(vendor, bytesIn(row, 'vendor'))) return 'vendor'
  if (asset !== nameIn(row, 'asset')) return 'asset'
  if (funds !== amountIn(row, 'funds')) return 'funds'
  return expiresAt + BigInt(graceSeconds) === amountIn(row, 'deadline') ? undefined : 'deadline'
}

async function findRecord(reader: Reader): Promise<string | undefined> {
  const sql = `SELECT records.channel_id, record, leaf, settled, basis, terms FROM records
    JOIN channels ON channels.shard = records.shard AND channels.channel_id = records.channel_id`
  for await (const row of reader.each(sql)) {
    const encoded = bytesIn(row, 'record')
    const about = `the record of channel ${ownerIn(row, 'channel_id')}`
    const parsed = Record.parse(encoded)
    if (!parsed.ok) return `${about}: ${parsed.detail}`
    const { channelId, opening, settled, basis } = parsed.value
    if (!equal(Record.leaf(encoded), bytesIn(row, 'leaf'))) return `${about} has another leaf than its own`
    if (!equal(channelId, bytesIn(row, 'channel_id'))) return `${about} is of channel ${toHex(channelId)}`
    if (settled !== amountIn(row, 'settled')) return `${about} says ${settled}; ${amountIn(row, 'settled')} was settled`
    if (basis !== nameIn(row, 'basis')) {
      // A release that came late proves what was claimed; the record on the chain stays as it was.
      const isProvenLate = basis === 'claimed' && nameIn(row, 'basis') === 'proven'
      if (!isProvenLate) return `${about} says ${basis}; the channel says ${nameIn(row, 'basis')}`
    }
    const terms = Terms.parse(bytesIn(row, 'terms'))
    if (terms.ok && !equal(opening, Transaction.opening(terms.value, channelId)))
      return `${about} has another Tx_0 than its terms give`
  }
  return undefined
}

async function findBatch(reader: Reader, owner: Owner): Promise<string | undefined> {
  const bank = owner.bank ?? (await bankIn(reader))
  for (const row of await reader.all('SELECT * FROM batches ORDER BY shard, batch')) {
    const number = countIn(row, 'batch')
    const leaves = await reader.all(
      `SELECT leaf FROM records WHERE shard = ${amountIn(row, 'shard')} AND batch = ${number} ORDER BY position`,
    )
    const root = bytesIn(row, 'root')
    if (leaves.length === 0 || !equal(MerkleTree.build(leaves.map((each) => bytesIn(each, 'leaf'))).root, root)) {
      return `batch ${number}: its leaves do not give its root`
    }
    if (row.recorded_at === null) continue
    const head = TreeHead.parse(bytesIn(row, 'head'))
    if (!head.ok) return `batch ${number}: ${head.detail}`
    const { batch } = head.value
    if (batch.number !== number || !equal(batch.root, root)) return `batch ${number}: its tree head is of another batch`
    const signed = { head: head.value, signature: bytesIn(row, 'head_signature') }
    if (bank !== undefined && !TreeHead.verify(signed, bank))
      return `batch ${number}: its tree head is not signed by the bank`
  }
  return undefined
}

async function findLog(reader: Reader, owner: Owner): Promise<string | undefined> {
  const [first] = await reader.all('SELECT entry FROM chain_log WHERE sequence = 1 LIMIT 1')
  const recorded = await reader.all(
    'SELECT batch, root, head FROM batches WHERE recorded_at IS NOT NULL ORDER BY shard, batch',
  )
  const embedded = recorded.filter((row) => {
    const head = TreeHead.parse(bytesIn(row, 'head'))
    return head.ok && head.value.chain.kind === 'embedded'
  })
  if (first === undefined) {
    return embedded.length === 0 ? undefined : `the log is empty, and ${embedded.length} batches were recorded in it`
  }
  const bank = owner.bank ?? (await bankIn(reader))
  const network = owner.network ?? (await networkIn(reader))
  if (bank === undefined || network === undefined) return 'there is a log, and no channel that says whose'
  const rows = await reader.all('SELECT entry FROM chain_log ORDER BY log, sequence')
  const entries = rows.map((row) => bytesIn(row, 'entry'))
  const audit = await auditLog(entries, { network, bank, log: 0 })
  if (!audit.ok) return `entry ${audit.sequence} of the log: ${audit.detail}`
  for (const row of embedded) {
    const number = countIn(row, 'batch')
    const entry = entries[number - 1]
    const parsed = entry && LogEntry.parse(entry)
    if (parsed?.ok !== true) return `batch ${number} was recorded, and is not in the log`
    if (!equal(parsed.value.root, bytesIn(row, 'root'))) return `batch ${number} has another root in the log`
  }
  return undefined
}

/** Where nobody said whose books they are: the bank that the channels name, which are checked to name one. */
async function bankIn(reader: Reader): Promise<Uint8Array | undefined> {
  return (await someTerms(reader))?.bank
}

async function networkIn(reader: Reader): Promise<string | undefined> {
  return (await someTerms(reader))?.network
}

async function someTerms(reader: Reader): Promise<Terms.Terms | undefined> {
  const [row] = await reader.all('SELECT terms FROM channels LIMIT 1')
  const parsed = row && Terms.parse(bytesIn(row, 'terms'))
  return parsed?.ok === true ? parsed.value : undefined
}
