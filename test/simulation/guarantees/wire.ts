import { equal, toHex } from '../../../src/crypto/bytes.ts'
import { bankPaths } from '../../../src/http/bank.ts'
import { headerNames } from '../../../src/http/headers.ts'
import { managementPaths, parseReleased } from '../../../src/http/management.ts'
import { parseBase64url } from '../../../src/wire/base64url.ts'
import * as Checkpoint from '../../../src/wire/Checkpoint.ts'
import * as Closing from '../../../src/wire/Closing.ts'
import * as Frame from '../../../src/wire/Frame.ts'
import { kinds } from '../../../src/wire/kinds.ts'
import * as Statement from '../../../src/wire/Statement.ts'
import * as Transaction from '../../../src/wire/Transaction.ts'
import { type Answer, describe, type Message } from '../engine/network.ts'
import type { ClientParty } from '../parties/client.ts'
import type { JournalFile } from '../parties/journal.ts'
import { type Channel, findChannel, macsOf, referenceOf, type Truth } from './truth.ts'

/** A request as it leaves an honest party: what it says is on that party's disk. G8, G10. */
export function checkRequest(truth: Truth, message: Message): void {
  const client = truth.clients.get(message.from)
  if (client !== undefined && !client.plan.isByzantine) checkClient(truth, client, message)
  const vendor = truth.vendors.get(message.from)
  if (vendor === undefined || vendor.plan.isByzantine || message.path !== bankPaths.close) return
  const channel = findChannel(truth, toHex(message.body.subarray(1, 33)))
  const isStored = channel?.books.claim !== undefined && equal(channel.books.claim, message.body)
  if (!isStored) truth.ground.violate('G10', `${vendor.name} claims what it has not stored`)
}

/** An answer as it leaves an honest party: what it acknowledges is on that party's disk. G10. */
export function checkAnswer(truth: Truth, message: Message, answer: Answer): void {
  const vendor = truth.vendors.get(message.to)
  if (vendor !== undefined && !vendor.plan.isByzantine) checkVendor(truth, message, answer)
  if (message.to === 'bank' && answer.status === 200) checkBank(truth, message)
}

/** A frame of a stream as it leaves an honest party. */
export function checkStreamFrame(
  truth: Truth,
  { from, message }: { readonly from: string; readonly message: Uint8Array },
): void {
  const client = truth.clients.get(from)
  if (client === undefined) {
    const channel = [...truth.channels.values()].find((one) => {
      const macs = one.vendor.name === from ? macsOf(one) : undefined
      return macs !== undefined && message.length === Statement.size && Statement.parse(message, macs.statement).ok
    })
    if (channel !== undefined) checkStatement(truth, channel, message)
    return
  }
  if (message[0] === kinds.payment) checkPayment(truth, client, message)
  if (message[0] === kinds.checkpoint) truth.nonces.checkpoint(message)
  if (message[0] !== kinds.tick) return
  const tick = Frame.parseTick(message)
  const file = fileOf(client, message)
  if (!tick.ok || file?.state === undefined) return
  const { number, step } = file.state.segment
  const isStored = tick.value.segment < number || (tick.value.segment === number && tick.value.step <= step)
  if (!isStored) truth.ground.violate('G10', `${from} reveals a coin that its journal does not count`)
}

/** A payment leaves its client: G8 is about those. */
function checkPayment(truth: Truth, client: ClientParty, frame: Uint8Array): void {
  const parsed = Frame.parsePayment(frame)
  const stored = parsed.ok ? fileOf(client, frame)?.payments.get(parsed.value.index) : undefined
  if (stored === undefined || !equal(stored.frame, frame)) {
    truth.ground.violate('G8', `${client.name} sends a payment that its journal does not have`)
    return
  }
  const channel = referenceIn(frame)
  findChannel(truth, channel)?.sent.add(stored.index)
  if (client.plan.lockScheme !== 'schnorr' || parsed?.ok !== true) return
  const transaction = stored.core.subarray(0, Transaction.transactionLayout.size)
  truth.nonces.receipt(channel, { commitment: parsed.value.commitment, transaction })
}

function fileOf({ disk }: ClientParty, frame: Uint8Array): JournalFile | undefined {
  const reference = referenceIn(frame)
  return [...disk.files].find(([id]) => id.startsWith(reference))?.[1]
}

/** The channel that a frame is of, in hex. */
function referenceIn(frame: Uint8Array): string {
  return toHex(frame.subarray(1, 17))
}

function checkClient(truth: Truth, client: ClientParty, { path, headers, body }: Message): void {
  const { ground } = truth
  const carried = headers.find(([name]) => name === headerNames.payment.toLowerCase())
  const frame = carried && parseBase64url(carried[1], 1024)
  if (frame?.ok === true) checkPayment(truth, client, frame.value)
  const along = headers.find(([name]) => name === headerNames.checkpoint.toLowerCase())
  const checkpoint = along && parseBase64url(along[1], Checkpoint.size)
  const signed = checkpoint?.ok === true ? Checkpoint.parse(checkpoint.value) : undefined
  if (signed?.ok === true && checkpoint?.ok === true) {
    truth.nonces.checkpoint(checkpoint.value)
    const { reference, segment } = signed.value
    const state = [...client.disk.files].find(([id]) => id.startsWith(toHex(reference)))?.[1].state
    const isStored = state !== undefined && segment <= state.segment.number
    if (!isStored) ground.violate('G8', `${client.name} sends checkpoint ${segment}, which its journal does not have`)
  }
  if (path === managementPaths.release) {
    const file = client.disk.files.get(toHex(body.subarray(1, 33)))
    const release = file?.state?.release
    // Once its bank has ended the channel, a release gives nothing away.
    const isStored = file?.isEnded === true || (release !== undefined && equal(release, body))
    if (!isStored) ground.violate('G8', `${client.name} sends a release that its journal does not have`)
  }
  if (path === bankPaths.open) {
    const isStored = [...client.disk.files.values()].some(({ proposed }) => equal(proposed.open, body))
    if (!isStored) ground.violate('G10', `${client.name} opens a channel that its journal does not have`)
  }
}

function checkVendor(truth: Truth, message: Message, { status, headers, body }: Answer): void {
  const reference = referenceOf(message)
  const channel = reference === undefined ? undefined : findChannel(truth, reference)
  if (channel === undefined) return
  const carried = headers.find(([name]) => name === headerNames.statement.toLowerCase())
  const bytes = carried && parseBase64url(carried[1], Statement.size)
  if (bytes?.ok === true) checkStatement(truth, channel, bytes.value)
  if (message.path === managementPaths.release) checkReleased(truth, channel, message, { status, headers, body })
  if (status !== 200 || message.path !== managementPaths.ask) return
  if (body.length === Statement.size) checkStatement(truth, channel, body)
  if (body.length !== Closing.size) return
  const { closing } = channel.books
  if (closing === undefined || !equal(closing, body)) {
    truth.ground.violate('G10', `${channel.vendor.name} states a closing that it has not stored`)
  }
}

/** G7: the release of an honest client opens every receipt of the prefix. */
function checkReleased({ ground }: Truth, channel: Channel, { from }: Message, answer: Answer): void {
  if (from !== channel.client.name || channel.client.plan.isByzantine || channel.isRolledBack) return
  const said = describe(answer)
  // A node that does not know yet that it lost its lease may say so: then the bank keeps the release.
  if (said === 'ReleaseInvalid' && channel.vendor.plan.nodes === 1) {
    ground.violate('G7', `${channel.vendor.name} refuses the release of ${from}`)
  }
  if (said !== '200') return
  const released = parseReleased(new TextDecoder().decode(answer.body))
  const opened = released.ok ? released.value.receiptsOpened : 0
  const due = channel.books.contiguous + 1
  if (opened !== due) ground.violate('G7', `${channel.vendor.name} opened ${opened} of ${due} receipts`)
  ground.count(`proof: opened from the last, ${channel.client.plan.lockScheme}`)
}

function checkStatement({ ground }: Truth, channel: Channel, bytes: Uint8Array): void {
  const macs = macsOf(channel)
  const parsed = macs && Statement.parse(bytes, macs.statement)
  if (parsed?.ok !== true) return
  const { index, charged, contiguous, segment } = parsed.value
  const { books, vendor } = channel
  if (contiguous > books.contiguous) {
    ground.violate('G10', `${vendor.name} acknowledges ${contiguous} payments; ${books.contiguous} are stored`)
  }
  if (segment > books.segment) {
    ground.violate('G10', `${vendor.name} acknowledges segment ${segment}; ${books.segment} is stored`)
  }
  const stored = books.payments.get(index)
  if (index > 0 && (stored === undefined || stored.charged < charged)) {
    ground.violate('G10', `${vendor.name} says payment ${index} was charged ${charged}; ${stored?.charged} is stored`)
  }
}

function checkBank({ ground, bank }: Truth, { path, body }: Message): void {
  const { disk } = bank()
  if (path === bankPaths.open) {
    const rows = disk.look('SELECT answer FROM commands WHERE account = :account AND id = :id', openedBy(body))
    if (rows.length === 0) ground.violate('G10', 'the bank acknowledges an opening that it has not stored')
  }
  if (path === bankPaths.close) {
    const [row] = disk.look(`SELECT close FROM channels WHERE channel_id = :id`, { id: body.subarray(1, 33) })
    const isStored = row !== undefined && row.close !== null && equal(row.close as Uint8Array, body)
    if (!isStored) ground.violate('G10', 'the bank acknowledges a close that it has not stored')
  }
}

/** Account and id of an opening: Design 3.8. */
function openedBy(open: Uint8Array): { readonly account: Uint8Array; readonly id: Uint8Array } {
  return { account: open.subarray(1, 33), id: open.subarray(33, 49) }
}
