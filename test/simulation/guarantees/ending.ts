import type { RecordedLeaf } from '../../../src/bank/records.ts'
import { verifyRecord } from '../../../src/chain/evidence.ts'
import * as RecordProof from '../../../src/chain/RecordProof.ts'
import { equal, fromHex, toHex } from '../../../src/crypto/bytes.ts'
import { openFromFirst, openFromLast } from '../../../src/protocol/index.ts'
import type { Row } from '../../../src/sql/program.ts'
import { readCores } from '../../../src/vendor/held.ts'
import * as Checkpoint from '../../../src/wire/Checkpoint.ts'
import * as Closing from '../../../src/wire/Closing.ts'
import * as Record from '../../../src/wire/Record.ts'
import * as Terms from '../../../src/wire/Terms.ts'
import * as Transcript from '../../../src/wire/Transcript.ts'
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
  checkOutcomes(world, ended)
  checkDoubts(world)
  checkReceipts(world, ended)
  checkByzantine(world)
  checkCheckpoints(world)
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

/** G3, G11: a client knows what became of its channels, and lost no more than the vendor's last word says. */
function checkOutcomes({ ground, clients, truth }: World, ended: readonly Ended[]): void {
  for (const { name, plan, disk } of clients) {
    if (plan.isByzantine) continue
    const outcomes = new Map(
      disk.disk
        .look('SELECT channel_id, settled, returned FROM outcomes')
        .map((row) => [
          toHex(row.channel_id as Uint8Array),
          { settled: row.settled as bigint, returned: row.returned as bigint },
        ]),
    )
    for (const { id, settled } of ended) {
      const channel = truth.channels.get(id)
      // A journal that was put back to before it was opened does not know it.
      if (channel?.client.name !== name || !disk.files.has(id)) continue
      const outcome = outcomes.get(id)
      if (outcome?.settled !== settled) {
        ground.violate(
          'G11',
          `${name} believes that ${outcome?.settled} of a channel went to its vendor; it was ${settled}`,
        )
        continue
      }
      const closing = disk.files.get(id)?.state?.closing
      const last = closing && Closing.parse(closing)
      if (last?.ok === true && settled - outcome.returned > last.value.spent) {
        ground.violate(
          'G3',
          `${name} lost ${settled - outcome.returned}; its vendor's last word was ${last.value.spent}`,
        )
      }
    }
  }
}

/** G5: what was served and not charged is in doubt, or another run of it came to an end since. What may run again left nothing behind. */
function checkDoubts({ ground, truth }: World): void {
  for (const { vendor, books, runs, isRolledBack } of truth.channels.values()) {
    if (vendor.plan.isByzantine || isRolledBack) continue
    for (const [index, all] of runs) {
      const { status } = books.payments.get(index) ?? {}
      const last = all.at(-1)
      const isListed = status === 'running' || status === 'charged' || last?.state === 'failed'
      if (!isListed && last?.isIdempotent !== true)
        ground.violate('G5', `payment ${index} was served, and is ${status ?? 'not stored'}`)
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

/**
 * What an honest vendor has of a client without scruples: a release opens every receipt (G7), and a checkpoint over another
 * transcript was noticed (G8).
 */
function checkByzantine({ ground, truth }: World): void {
  for (const channel of truth.channels.values()) {
    const { client, vendor, books } = channel
    if (!client.plan.isByzantine || vendor.plan.isByzantine || books.contiguous > receiptsMax) continue
    const stored = storedOf(channel)
    if (stored === undefined) continue
    const { chain, encoded, release, checkpoints } = stored
    // A store that was put back is told of a release for payments that it has no more.
    if (release !== undefined && !channel.isRolledBack && !openFromLast(chain, release.receipt).ok) {
      ground.violate('G7', `${vendor.name} took a release that opens nothing`)
    }
    const transcripts = [Transcript.first(chain.channelId, chain.commitment)]
    for (const core of encoded) transcripts.push(Transcript.next(transcripts.at(-1)!, core))
    const isWrong = ({ index, transcript }: Checkpoint.Checkpoint): boolean =>
      index <= books.contiguous && !equal(transcript, transcripts[index]!)
    if (books.suspended === undefined && checkpoints.some(isWrong)) {
      ground.violate('G8', `${vendor.name} does not notice a checkpoint over another transcript`)
    }
  }
}

/** G8: a vendor keeps the checkpoint of every segment that paid: with it a bad lock is proven. */
function checkCheckpoints({ ground, vendors }: World): void {
  for (const { name, disk, plan } of vendors) {
    if (plan.isByzantine) continue
    const lost = disk.look(
      `SELECT number FROM payments WHERE segment > 0 AND NOT EXISTS (SELECT 1 FROM segments
         WHERE segments.channel_id = payments.channel_id AND segments.number = payments.segment)`,
    )
    if (lost.length > 0) ground.violate('G8', `${name} has ${lost.length} payments of segments that it does not have`)
  }
}

/** What a vendor's disk has of a channel. */
function storedOf({ id, client, vendor, books }: Channel):
  | {
      readonly chain: Parameters<typeof openFromLast>[0]
      readonly encoded: readonly Uint8Array[]
      readonly release: Closing.Release | undefined
      readonly checkpoints: readonly Checkpoint.Checkpoint[]
    }
  | undefined {
  const channelId = fromHex(id)
  const look = (sql: string): readonly Row[] => vendor.disk.look(sql, { channelId })
  const [row] = look('SELECT commitment, release FROM channels WHERE channel_id = :channelId')
  const file = client.disk.files.get(id)
  const terms = file && Terms.parse(file.proposed.terms)
  if (row === undefined || terms?.ok !== true) return undefined
  const encoded = look('SELECT core FROM payments WHERE channel_id = :channelId ORDER BY number')
    .map(({ core }) => core as Uint8Array)
    .slice(0, books.contiguous)
  // What is packed is not looked at.
  if (encoded.length !== books.contiguous) return undefined
  const checkpoints = look('SELECT checkpoint FROM segments WHERE channel_id = :channelId AND number > 0')
    .map(({ checkpoint }) => Checkpoint.parse(checkpoint as Uint8Array))
    .flatMap((parsed) => (parsed.ok ? [parsed.value] : []))
  const release = row.release === null ? undefined : Closing.parseRelease(row.release as Uint8Array)
  const chain = {
    terms: terms.value,
    channelId,
    commitment: row.commitment as Uint8Array,
    cores: readCores(terms.value.lockScheme, encoded),
  }
  return { chain, encoded, release: release?.ok ? release.value : undefined, checkpoints }
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
