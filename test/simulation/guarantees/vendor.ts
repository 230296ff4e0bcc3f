import { equal, toHex } from '../../../src/crypto/bytes.ts'
import { requestDigest } from '../../../src/http/requestDigest.ts'
import { Vendor } from '../../../src/protocol/index.ts'
import type { PaidContext } from '../../../src/vendor/routes.ts'
import type { Batch, Committed, HeldBy, Lease, LeaseRequest } from '../../../src/vendor/store/contract.ts'
import * as Closing from '../../../src/wire/Closing.ts'
import type { Outcome } from '../engine/scheduler.ts'
import { type Good, goods, priceOf } from '../parties/goods.ts'
import type { VendorParty } from '../parties/vendor.ts'
import { charged, liveValue, streaming } from './served.ts'
import { checkStreamCharge } from './streams.ts'
import { type Channel, emptyBooks, findChannel, type Run, type Truth } from './truth.ts'

/** What a node of a vendor wrote, and what the store gave for it. */
export function checkWrite(
  truth: Truth,
  vendor: VendorParty,
  written: {
    readonly node: string
    readonly task: string
    readonly args: readonly unknown[]
    readonly result: unknown
  },
): void {
  const { node, task, args, result } = written
  if (task === 'acquire' && (result as Lease | HeldBy).ok) {
    // Whoever served the channel until now does so without being able to charge for it.
    endRuns(truth, vendor, { channel: toHex((args[0] as LeaseRequest).channelId) })
  }
  if (task !== 'commit' || vendor.plan.isByzantine) return
  const { fenced } = result as Committed
  for (const channelId of fenced) {
    truth.ground.count('fault: lost lease')
    endRuns(truth, vendor, { node, channel: toHex(channelId) })
  }
  const isFenced = (id: Uint8Array): boolean => fenced.some((one) => equal(one, id))
  const { channels, payments } = args[0] as Batch
  checkCommit(truth, vendor, { channels: channels.filter(({ channelId }) => !isFenced(channelId)), payments })
}

/** What came to an honest vendor's disk: reads it back and holds it to G2, G4 and G5. */
function checkCommit(truth: Truth, vendor: VendorParty, { channels, payments }: Batch): void {
  for (const { channelId } of channels) {
    const channel = findChannel(truth, toHex(channelId))
    if (channel === undefined) {
      truth.ground.violate('G4', `${vendor.name} took a channel that nobody opened`)
      continue
    }
    const changed = payments.filter((payment) => toHex(payment.channelId) === channel.id).map(({ index }) => index)
    const isOver = channel.books.closing ?? channel.books.claim ?? channel.books.suspended
    const isNew = changed.some((index) => !channel.books.payments.has(index))
    if (isOver !== undefined && isNew) truth.ground.violate('G8', `${vendor.name} accepts on a channel that is over`)
    readChannel(truth, channel)
    readPayments(truth, channel, changed)
    checkBooks(truth, channel)
  }
}

/** A vendor's store was made of an older copy: forgets what was known of it, and reads it anew. */
export function rereadVendor(truth: Truth, vendor: VendorParty): void {
  endRuns(truth, vendor)
  for (const channel of truth.channels.values()) {
    if (channel.vendor !== vendor) continue
    channel.isRolledBack = true
    if (vendor.plan.isByzantine) continue
    channel.books.payments.clear()
    Object.assign(channel.books, { ...emptyBooks(), payments: channel.books.payments })
    readChannel(truth, channel)
    readPayments(truth, channel, undefined)
  }
}

/**
 * Programs of this vendor ended, or lost a channel, in hex: what ran is in doubt, and so is what was not stored yet.
 */
export function endRuns(
  truth: Truth,
  vendor: VendorParty,
  { node, channel: id }: { readonly node?: string; readonly channel?: string } = {},
): void {
  for (const channel of truth.channels.values()) {
    if (channel.vendor !== vendor || (id !== undefined && channel.id !== id)) continue
    const all = [...channel.streams.values(), ...[...channel.runs.values()].flat()]
    for (const run of all) if (node === undefined || run.node === node) run.isLive = false
  }
}

/** A handler begins. Gives what to tell when it ends. */
export function checkHandler(
  truth: Truth,
  vendor: VendorParty,
  handled: { readonly node: string; readonly good: Good; readonly url: string; readonly context: PaidContext },
): (outcome: Outcome) => void {
  const { ground } = truth
  const { node, good, url, context } = handled
  const { payer, index } = context
  const channel = findChannel(truth, payer)
  if (channel === undefined || vendor.plan.isByzantine) return () => undefined
  const { books } = channel
  const price = priceOf(good, vendor.plan)
  const runs = channel.runs.get(index) ?? []
  channel.runs.set(index, runs)
  const isIdempotent = goods[good].idempotent
  const run: Run = { node, price, isIdempotent, state: 'running', isLive: true }

  const stored = books.payments.get(index)
  if (stored?.status !== 'running' && !isIdempotent) {
    ground.violate('G10', `a handler runs for payment ${index}, which is stored as ${stored?.status ?? 'nothing'}`)
  }
  if (runs.length > 0 && !isIdempotent && !channel.isRolledBack)
    ground.violate('G5', `the handler of payment ${index} runs again`)
  if (runs.some(({ isLive }) => isLive)) ground.violate('G5', `payment ${index} is served twice at once`)
  runs.push(run)
  if (!channel.client.plan.isByzantine) checkPurchase(truth, channel, { index, url })
  const served = charged(channel) + liveValue(channel) + streaming(channel)
  if (served > books.paid) {
    ground.violate('G2', `${vendor.name} serves for ${served} and can claim ${books.paid}`)
  }
  return (outcome) => {
    run.state = outcome === 'ok' ? 'served' : 'failed'
    if (outcome === 'ok') ground.count('payments')
  }
}

/** What an honest client's payment is served for is what that client asked for. */
function checkPurchase(truth: Truth, channel: Channel, { index, url }: { index: number; url: string }): void {
  const digest = toHex(requestDigest({ method: 'GET', target: url }))
  const purchase = truth.purchases.get(digest)
  const core = channel.cores.get(index)
  // d_i ends Tx_i, with which a core begins.
  if (purchase?.client !== channel.client.name || core?.slice(104, 168) !== digest) {
    truth.ground.violate('G9', `payment ${index} was served for ${url}, which its client did not ask for with it`)
  }
}

function readChannel({ ground }: Truth, channel: Channel): void {
  const { books, vendor, id } = channel
  const [row] = vendor.disk.look(
    `SELECT paid, spent, contiguous, phase, closing, claim, strikes, suspended,
       (SELECT max(number) FROM segments WHERE segments.channel_id = channels.channel_id) AS segment
     FROM channels WHERE channel_id = :id`,
    { id: Buffer.from(id, 'hex') },
  )
  if (row === undefined) return
  books.paid = row.paid as bigint
  books.spent = row.spent as bigint
  books.contiguous = Number(row.contiguous)
  books.segment = Number(row.segment)
  books.phase = row.phase as string
  books.closing = (row.closing as Uint8Array | null) ?? undefined
  books.claim = (row.claim as Uint8Array | null) ?? undefined
  books.suspended = (row.suspended as string | null) ?? undefined
  const isPatient = (row.strikes as bigint) >= BigInt(Vendor.strikesMax) && books.suspended === undefined
  if (isPatient) ground.violate('G4', `${vendor.name} goes on after ${String(row.strikes)} wrong coins`)
  if (channel.client.plan.isByzantine) return
  if (row.strikes !== 0n) ground.violate('G4', `somebody got a strike for an honest client: ${String(row.strikes)}`)
  if (row.suspended !== null)
    ground.violate('G8', `an honest client’s channel was suspended: ${row.suspended as string}`)
}

function readPayments({ ground }: Truth, channel: Channel, indices: readonly number[] | undefined): void {
  const { books, vendor, id } = channel
  const all = indices === undefined
  const rows = all
    ? vendor.disk.look('SELECT number, status, charged, core FROM payments WHERE channel_id = :id', {
        id: Buffer.from(id, 'hex'),
      })
    : indices.flatMap((number) =>
        vendor.disk.look(
          'SELECT number, status, charged, core FROM payments WHERE channel_id = :id AND number = :number',
          { id: Buffer.from(id, 'hex'), number },
        ),
      )
  for (const row of rows) {
    const index = Number(row.number)
    const core = toHex(row.core as Uint8Array)
    // d_i ends Tx_i, with which a core begins.
    const digest = core.slice(104, 168)
    const now = { status: row.status as string, charged: row.charged as bigint, core, digest }
    const before = books.payments.get(index)
    books.payments.set(index, now)
    const isFinal = before?.status === 'charged' || before?.status === 'released'
    if (isFinal && (before.status !== now.status || before.charged !== now.charged)) {
      ground.violate(
        'G5',
        `payment ${index} was ${before.status} ${before.charged}, and is ${now.status} ${now.charged}`,
      )
    }
    if (channel.streams.has(digest)) checkStreamCharge({ ground }, channel, digest)
    else if (now.status === 'charged' || now.status === 'released') checkCharge({ ground }, channel, index, now)
    if (!channel.client.plan.isByzantine && channel.cores.get(index) !== now.core) {
      ground.violate('G4', `the vendor has a payment ${index} that its client did not make`)
    }
  }
}

/** Charged is what was served, and what its good costs. */
function checkCharge(
  { ground }: Pick<Truth, 'ground'>,
  { runs }: Channel,
  index: number,
  { status, charged }: { readonly status: string; readonly charged: bigint },
): void {
  const ran = runs.get(index) ?? []
  for (const run of ran) run.isLive = false
  const last = ran.at(-1)
  if (status === 'charged' && (last?.state !== 'served' || last.price !== charged)) {
    ground.violate('G5', `payment ${index} was charged ${charged} for a request that was ${last?.state ?? 'never run'}`)
  }
  if (status === 'released' && charged !== 0n) ground.violate('G5', `payment ${index} was released for ${charged}`)
}

function checkBooks({ ground }: Truth, channel: Channel): void {
  const { books, client, vendor, funds, revealed } = channel
  const closing = books.closing && Closing.parse(books.closing)
  if (closing?.ok === true && closing.value.spent !== books.spent) {
    ground.violate('G8', `${vendor.name} has charged ${books.spent}; its closing says ${closing.value.spent}`)
  }
  const next = books.contiguous + 1
  if (books.payments.has(next)) ground.violate('G7', `${vendor.name} has payment ${next} and counts it as missing`)
  if (books.paid > funds) ground.violate('G2', `${books.paid} was accepted; the channel has ${funds}`)
  const known = charged(channel)
  // What a stream delivered is charged to the channel at once, and to its payment when that ends.
  // After a rollback the bank may tell of a closing over payments that are gone.
  const isOff = books.spent < known || books.spent > known + streaming(channel, true)
  if (isOff && !channel.isRolledBack) {
    ground.violate('G5', `payments were charged ${known}, the channel ${books.spent}`)
  }
  if (client.plan.isByzantine) return
  if (books.paid > revealed) ground.violate('G4', `the vendor has ${books.paid}; its client has revealed ${revealed}`)
}
