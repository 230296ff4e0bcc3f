import type { RecordedLeaf } from '../../../src/bank/records.ts'
import { verifyRecord } from '../../../src/chain/evidence.ts'
import * as RecordProof from '../../../src/chain/RecordProof.ts'
import { equal, fromHex, toHex } from '../../../src/crypto/bytes.ts'
import { openFromFirst } from '../../../src/protocol/index.ts'
import { readCores } from '../../../src/vendor/held.ts'
import * as Record from '../../../src/wire/Record.ts'
import * as Terms from '../../../src/wire/Terms.ts'
import { identityOf, network } from '../parties/cast.ts'
import { runAll, type World } from '../world.ts'
import { type Channel, isHonest } from './truth.ts'

/** What the bank's books say of a channel in the end. */
interface Ended {
  readonly id: string
  readonly status: string
  readonly settled: bigint
  readonly receipt: Uint8Array
}

/** What holds once all deadlines have passed. `claimable`: channels that their vendors had time to claim. */
export async function checkEnd(world: World, claimable: ReadonlySet<string>): Promise<void> {
  const rows = world.bank.disk.look('SELECT channel_id, status, settled, receipt FROM channels')
  const ended = rows.map((row) => ({
    id: toHex(row.channel_id as Uint8Array),
    status: row.status as string,
    settled: (row.settled as bigint | null) ?? 0n,
    receipt: row.receipt as Uint8Array,
  }))
  for (const one of ended) checkPaid(world, one, claimable.has(one.id.toUpperCase()) || claimable.has(one.id))
  checkRefunds(world)
  checkReceipts(world, ended)
  await checkRecord(world, ended)
}

/** G11: a vendor that reaches the bank in time is paid what it charged, and nothing stays in a channel. */
function checkPaid({ ground, truth }: World, { id, status, settled }: Ended, isClaimable: boolean): void {
  ground.count(`close: ${status}${status === 'closed' && settled === 0n ? ' for nothing' : ''}`)
  if (status === 'open') ground.violate('G11', 'a channel is open after its deadline: its client waits for its money')
  const channel = truth.channels.get(id)
  if (channel === undefined || channel.vendor.plan.isByzantine || channel.isRolledBack || !isClaimable) return
  const { spent } = channel.books
  if (spent > 0n && settled !== spent)
    ground.violate('G11', `${channel.vendor.name} charged ${spent} and got ${settled}`)
}

/** G11: what came in for a client and was not settled, it has. */
function checkRefunds({ ground, bank, clients, deposits }: World): void {
  for (const { name } of clients) {
    const account = identityOf(name).key.publicKey
    const sum = (sql: string): bigint => bank.disk.look(sql, { account })[0]!.total as bigint
    const came = sum(
      `SELECT coalesce(sum(amount), 0) AS total FROM transfers WHERE kind = 'deposit' AND to_owner = :account`,
    )
    const settled = sum('SELECT coalesce(sum(settled), 0) AS total FROM channels WHERE account = :account')
    const back = sum(
      `SELECT coalesce(sum(amount), 0) AS total FROM transfers WHERE kind = 'restitution' AND to_owner = :account`,
    )
    const out = sum(
      `SELECT coalesce(sum(amount), 0) AS total FROM transfers WHERE kind = 'withdraw' AND from_owner = :account`,
    )
    const has = sum(
      `SELECT coalesce(sum(balance), 0) AS total FROM balances WHERE owner = :account AND place IN ('account', 'locked')`,
    )
    if (has !== came - settled + back - out) {
      ground.violate('G11', `${name} has ${has}, of ${came} that came in, ${settled} settled, ${back} returned`)
    }
    const { acknowledged, attempted } = deposits.get(name)!
    if (came < acknowledged || came > attempted) {
      ground.violate('G10', `${came} of deposits are booked; ${acknowledged} of ${attempted} were acknowledged`)
    }
  }
}

/** G7: with `schnorr` every receipt of a channel opens from the bank's, and is the one that its client made. */
function checkReceipts(world: World, ended: readonly Ended[]): void {
  const { ground, truth, vendors } = world
  for (const { id, status, receipt } of ended) {
    const channel = truth.channels.get(id)
    if (
      channel === undefined ||
      status !== 'closed' ||
      !isHonest(channel) ||
      channel.isRestored ||
      channel.isRolledBack
    )
      continue
    const { contiguous } = channel.books
    if (channel.client.plan.lockScheme !== 'schnorr' || contiguous === 0 || contiguous > receiptsMax) continue
    const vendor = vendors.find(({ name }) => name === channel.vendor.name)!
    checkOpening(ground, channel, { vendor, receipt })
    return
  }
}

/** Opening costs a signature each: one short channel a world is looked at. */
const receiptsMax = 50

function checkOpening(
  ground: World['ground'],
  channel: Channel,
  { vendor, receipt }: { readonly vendor: World['vendors'][number]; readonly receipt: Uint8Array },
): void {
  const channelId = fromHex(channel.id)
  const file = channel.client.disk.files.get(channel.id)!
  const terms = Terms.parse(file.proposed.terms)
  const [row] = vendor.disk.look('SELECT commitment FROM channels WHERE channel_id = :channelId', { channelId })
  const cores = vendor.disk
    .look('SELECT core FROM payments WHERE channel_id = :channelId AND number <= :last ORDER BY number', {
      channelId,
      last: channel.books.contiguous,
    })
    .map(({ core }) => core as Uint8Array)
  if (!terms.ok || cores.length !== channel.books.contiguous) return
  const chain = {
    terms: terms.value,
    channelId,
    commitment: row!.commitment as Uint8Array,
    cores: readCores(terms.value.lockScheme, cores),
  }
  const opened = openFromFirst(chain, receipt)
  const made = [...file.payments.values()].toSorted((left, right) => left.index - right.index)
  const isAll =
    opened.ok && made.slice(0, cores.length).every((one, at) => equal(one.receipt, opened.receipts[at + 1]!))
  if (!isAll) ground.violate('G7', `receipts of ${cores.length} payments do not open from the bank’s`)
  ground.count('proof: opened from the first')
}

/** G12: what is on the chain proves what was settled. */
async function checkRecord(world: World, ended: readonly Ended[]): Promise<void> {
  const { ground, bank, scheduler } = world
  const closed = ended.find(({ status }) => status === 'closed')
  if (closed === undefined) return
  const look = `SELECT (SELECT count(*) FROM records) AS records, (SELECT count(*) FROM records WHERE batch IS NOT NULL) AS placed`
  const [counted] = bank.disk.look(look)
  if (counted!.records !== counted!.placed) ground.violate('G12', 'a record was left out of every batch')
  let found: RecordedLeaf | undefined
  await scheduler.run(bank.process, () => {
    void bank.bank.proof(fromHex(closed.id)).then((leaf) => {
      found = leaf
    })
  })
  await runAll(world)
  if (found === undefined) return ground.violate('G12', 'a settled channel has no proof')
  const proof = RecordProof.parse(RecordProof.encode(found.proof))
  const record = Record.parse(found.record)
  if (!proof.ok || !record.ok) return ground.violate('G12', 'a proof cannot be read')
  const trust = { bank: identityOf('bank').key.publicKey, network }
  const verdict = await verifyRecord({ leaf: Record.leaf(found.record), proof: proof.value, trust })
  if (!verdict.ok) ground.violate('G12', verdict.detail)
  if (record.value.settled !== closed.settled) ground.violate('G12', 'a record is of another sum than was settled')
  ground.count('proof: record')
}
