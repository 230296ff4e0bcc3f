import { utf8 } from '../../crypto/bytes.ts'
import type { LockSchemeName } from '../../crypto/locks.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import { Bank, Client, type Refusal, Vendor } from '../../protocol/index.ts'
import * as Attachment from '../../wire/Attachment.ts'
import { amount, type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import * as Checkpoint from '../../wire/Checkpoint.ts'
import * as Closing from '../../wire/Closing.ts'
import * as Frame from '../../wire/Frame.ts'
import * as Open from '../../wire/Open.ts'
import type { Parsed } from '../../wire/parsed.ts'
import * as Statement from '../../wire/Statement.ts'
import * as Transcript from '../../wire/Transcript.ts'

export interface LockstepRunInput {
  /** n, at least 1. */
  readonly payments: number
  readonly lockScheme: LockSchemeName
  readonly entropy: (size: number) => Uint8Array
  /** A monotonic clock in milliseconds. */
  readonly now: () => number
  /** Unix seconds. */
  readonly startedAt: bigint
}

export interface LockstepRun {
  readonly setup: Phase
  readonly transaction: Phase
  readonly release: Phase
  readonly sent: Record<Party, Sent>
  /** How many of `σ_0 … σ_n` opened and verified. */
  readonly opened: number
}

export type Party = 'bank' | 'client' | 'vendor'

/** Messages by their kind, and the bytes of them all. */
export interface Sent {
  readonly messages: Readonly<Record<string, number>>
  readonly bytes: number
}

interface Phase {
  readonly ms: number
  /** Between any two parties, both directions. */
  readonly bytes: number
}

/**
 * Lockstep/1 once, cut into the phases of the paper: every message is encoded by its sender and parsed by its receiver. Setup
 * makes the same keys as the published run does and those that Lockstep/1 has beside them; it opens the channel and shows it to
 * the vendor. Transaction is both sides' work on payments 1..n, each charged and answered, its lock verified where it can be. Release is the closing, its answer,
 * and the opening of all receipts. The record is left out, as there.
 */
export function runLockstep(input: LockstepRunInput): LockstepRun {
  const { payments, now } = input
  const wire = createWire()
  const startedMs = now()
  const channel = setUp(input, wire)
  const [setUpMs, setUpBytes] = [now(), wire.bytes()]
  for (let index = 1; index <= payments; index++) pay(channel, wire)
  const [paidMs, paidBytes] = [now(), wire.bytes()]
  const opened = release(channel, wire)
  const releasedMs = now()
  return {
    setup: { ms: setUpMs - startedMs, bytes: setUpBytes },
    transaction: { ms: paidMs - setUpMs, bytes: paidBytes - setUpBytes },
    release: { ms: releasedMs - paidMs, bytes: wire.bytes() - paidBytes },
    sent: wire.sent,
    opened,
  }
}

interface Channel {
  readonly client: Client.ClientChannel
  readonly vendor: Vendor.VendorChannel
  readonly settlement: Schnorr.KeyPair
  readonly cores: Transcript.Core[]
  readonly goods: Uint8Array
  readonly at: UnixSeconds
}

const price = 1n
const segmentLength = 1024
const network = 'lockstep:paper'
const asset = 'USD/6'
const graceSeconds = 600

function setUp({ payments, lockScheme, entropy, startedAt }: LockstepRunInput, wire: Wire): Channel {
  const at = unixSeconds(startedAt)
  const createKey = (): Schnorr.KeyPair => Schnorr.keyPair(entropy(32))
  const [bankKey, account, settlement, frame] = [createKey(), createKey(), createKey(), createKey()]
  const secrets = {
    channelKey: entropy(32),
    channelSeed: entropy(32),
    coinSalt: entropy(16),
    commandId: entropy(16),
  }
  const funds = amount(price * BigInt(payments) + BigInt(segmentLength))
  const proposal: Client.Proposal = {
    lockScheme,
    funds,
    unitPrice: amount(price),
    segmentLength,
    openedAt: at,
    expiresAt: unixSeconds(startedAt + 3600n),
    graceSeconds,
    network,
    asset,
    bank: bankKey.publicKey,
    vendor: settlement.publicKey,
    vendorFrameKey: frame.publicKey,
    clientIdentity: Client.commitIdentity(entropy(32), utf8('client')),
    vendorIdentity: Client.commitIdentity(entropy(32), utf8('vendor')),
    validUntil: unixSeconds(startedAt + 60n),
  }
  const { terms, open } = Client.propose(account, proposal, secrets)
  const command = read(Open.parse(wire.send('client', 'open', Open.encode(open))))
  const parties = { client: { reputation: 60, balance: funds }, vendor: { reputation: 60 }, channelKeySeen: false }
  const rules = { ...Bank.defaultRules, network, assets: [asset] }
  accepted(Bank.assessOpen({ open: command, bank: bankKey.publicKey, rules, parties, now: at }))
  const granted = Bank.grant(bankKey, command.terms, command.agreed)
  const opened = read(Open.parseOpened(wire.send('bank', 'opened', Open.encodeOpened(granted))))
  const client = accepted(Client.create(secrets, terms, opened)).channel

  const attachment = read(Attachment.parse(wire.send('client', 'attachment', Attachment.encode(client.attachment))))
  const acceptance: Vendor.Acceptance = {
    banks: [bankKey.publicKey],
    vendor: settlement.publicKey,
    vendorFrameKey: frame.publicKey,
    network,
    asset,
    lockSchemes: [lockScheme],
    lifeMin: 600n,
    graceMin: graceSeconds,
  }
  accepted(Vendor.assessAttachment(attachment, acceptance, at))
  const vendor = Vendor.create(attachment, frame.secret)
  return { client, vendor, settlement, cores: [], goods: entropy(32), at }
}

/** One payment: signed, locked and sent; judged, charged and answered; acknowledged. */
function pay({ client, vendor, cores, goods, at }: Channel, wire: Wire): void {
  const { payment } = accepted(Client.pay(client, { price, digest: goods, now: at }))
  const checkpoint = payment.checkpoint && read(Checkpoint.parse(wire.send('client', 'checkpoint', payment.checkpoint)))
  const bytes = wire.send('client', 'payment', payment.frame)
  const received = { bytes, value: read(Frame.parsePayment(bytes)) }
  const verdict = accepted(Vendor.acceptPayment(vendor, received, checkpoint, at)).accepted
  const core = read(Transcript.coreLayout(vendor.scheme.lockSize).parse(verdict.core))
  cores.push(core)
  // A vendor does this behind its verdicts; here it counts as part of the payment.
  if (Vendor.lockDue(vendor) !== undefined && !Vendor.verifyLock(vendor, core))
    throw new Error('an honest lock was refused')
  const { reservation } = accepted(Vendor.reserve(vendor, verdict.index, price))
  Vendor.charge(vendor, reservation, price)
  Vendor.settle(vendor, reservation)
  const answer = Statement.encode(Vendor.statement(vendor, verdict.index, price), vendor.macs.statement)
  const statement = read(Statement.parse(wire.send('vendor', 'statement', answer), client.macs.statement))
  accepted(Client.acknowledge(client, statement))
}

/** Gives how many receipts opened and verified. */
function release({ client, vendor, settlement, cores }: Channel, wire: Wire): number {
  const stated = accepted(Vendor.createClosing(vendor, settlement)).closing
  const closing = read(Closing.parse(wire.send('vendor', 'closing', Closing.encode(stated))))
  const answer = accepted(Client.release(client, closing)).release
  const received = read(Closing.parseRelease(wire.send('client', 'release', answer)))
  return accepted(Vendor.acceptRelease(vendor, received, Vendor.chainOf(vendor, cores))).receipts.length
}

interface Wire {
  readonly sent: Record<Party, { messages: Record<string, number>; bytes: number }>
  bytes(): number
  /** Counts a message and gives what arrives. */
  send(from: Party, kind: string, message: Uint8Array): Uint8Array
}

function createWire(): Wire {
  const sent: Wire['sent'] = {
    bank: { messages: {}, bytes: 0 },
    client: { messages: {}, bytes: 0 },
    vendor: { messages: {}, bytes: 0 },
  }
  return {
    sent,
    bytes: () => sent.bank.bytes + sent.client.bytes + sent.vendor.bytes,
    send(from, kind, message) {
      const { messages } = sent[from]
      messages[kind] = (messages[kind] ?? 0) + 1
      sent[from].bytes += message.length
      return message
    },
  }
}

function accepted<T>(result: Refusal | (T & { readonly ok: true })): T {
  if (!result.ok) throw new Error(`an honest run was refused: ${result.reason}: ${result.detail}`)
  return result
}

function read<T>(result: Parsed<T>): T {
  if (!result.ok) throw new Error(`an honest message does not parse: ${result.detail}`)
  return result.value
}
