import { concat, utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import type { LockSchemeName } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, Client, type Refusal, Vendor } from '../../src/protocol/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import { amount, type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Frame from '../../src/wire/Frame.ts'
import type { Parsed } from '../../src/wire/parsed.ts'
import * as Transcript from '../../src/wire/Transcript.ts'

/** Deterministic bytes from a label: keys and salts of the tests. */
export function bytesOf(label: string, size = 32): Uint8Array {
  return sha256(utf8(label)).slice(0, size)
}

export const now: UnixSeconds = unixSeconds(1_800_000_000n)
export const bankKey: Schnorr.KeyPair = Schnorr.keyPair(bytesOf('bank'))
export const vendorKey: Schnorr.KeyPair = Schnorr.keyPair(bytesOf('vendor'))
export const frameKey: Schnorr.KeyPair = Schnorr.keyPair(bytesOf('vendor frame'))
export const account: Schnorr.KeyPair = Schnorr.keyPair(bytesOf('account'))

export interface WorldOptions {
  readonly label?: string
  readonly lockScheme?: LockSchemeName
  readonly funds?: bigint
  readonly unitPrice?: bigint
  readonly segmentLength?: number
}

export interface World {
  readonly client: Client.ClientChannel
  readonly vendor: Vendor.VendorChannel
  readonly opened: { readonly receipt: Uint8Array; readonly commitment: Uint8Array; readonly grant: Uint8Array }
  readonly secrets: Client.Entropy
  readonly terms: Uint8Array
  readonly bank: Bank.BankChannel
  readonly cores: Uint8Array[]
}

/** The machines of bank, vendor and client around one open channel. */
export function createWorld(options: WorldOptions = {}): World {
  const {
    label = 'channel',
    lockScheme = 'schnorr',
    funds = 1_000_000n,
    unitPrice = 10n,
    segmentLength = 1024,
  } = options
  const secrets: Client.Entropy = {
    channelKey: bytesOf(`${label} key`),
    channelSeed: bytesOf(`${label} seed`),
    coinSalt: bytesOf(`${label} salt`, 16),
    commandId: bytesOf(`${label} command`, 16),
  }
  const { terms, open } = Client.propose(
    account,
    {
      lockScheme,
      funds: amount(funds),
      unitPrice: amount(unitPrice),
      segmentLength,
      openedAt: now,
      expiresAt: unixSeconds(now + 3600n),
      graceSeconds: 600,
      network: 'lockstep:test',
      asset: 'USD/6',
      bank: bankKey.publicKey,
      vendor: vendorKey.publicKey,
      vendorFrameKey: frameKey.publicKey,
      clientIdentity: Client.commitIdentity(bytesOf('client salt'), utf8('a client')),
      vendorIdentity: Client.commitIdentity(bytesOf('vendor salt'), utf8('a vendor')),
      validUntil: unixSeconds(now + 60n),
    },
    secrets,
  )
  void open
  const parsed = Attachment.parse(concat(Uint8Array.of(0x14), terms, new Uint8Array(96)))
  if (!parsed.ok) throw new Error(parsed.detail)
  const opened = Bank.grant(bankKey, terms, parsed.value.agreed)
  const client = must(Client.create(secrets, terms, opened)).channel
  const attachment = Attachment.parse(Attachment.encode(client.attachment))
  if (!attachment.ok) throw new Error(attachment.detail)
  const vendor = Vendor.create(attachment.value, frameKey.secret)
  const bank = { channelId: client.channelId, terms: client.terms, ...opened }
  return { client, vendor, opened, secrets, terms, bank, cores: [] }
}

/** The value of what must not be refused. */
export function must<T>(result: Refusal | (T & { readonly ok: true })): T {
  if (!result.ok) throw new Error(`${result.reason}: ${result.detail}`)
  return result
}

/** What was read from bytes that must be right. */
export function read<T>(result: Parsed<T>): T {
  if (!result.ok) throw new Error(result.detail)
  return result.value
}

export function payClient(world: World, price: bigint, label = 'goods'): Client.Paid {
  return must(Client.pay(world.client, { price, digest: bytesOf(label), now })).payment
}

/** What the vendor says to a payment as its client sent it. */
export function deliver(world: World, payment: Client.Paid): Vendor.PaymentVerdict {
  return deliverBytes(world, payment.frame, payment.checkpoint)
}

export function deliverBytes(world: World, frame: Uint8Array, checkpoint?: Uint8Array): Vendor.PaymentVerdict {
  const parsed = Frame.parsePayment(frame)
  if (!parsed.ok) return parsed
  const verdict = Vendor.acceptPayment(
    world.vendor,
    { bytes: frame, value: parsed.value },
    parseCheckpoint(checkpoint),
    now,
  )
  if (verdict.ok) world.cores[verdict.accepted.index - 1] = verdict.accepted.core
  return verdict
}

export function deliverTick(world: World, tick: Uint8Array): Refusal | { readonly ok: true } {
  const parsed = Frame.parseTick(tick)
  return parsed.ok ? Vendor.acceptTick(world.vendor, { bytes: tick, value: parsed.value }, now) : parsed
}

export function deliverCheckpoint(world: World, checkpoint: Uint8Array): Refusal | { readonly ok: true } {
  return Vendor.acceptCheckpoint(world.vendor, parseCheckpoint(checkpoint)!, now)
}

/** Handler served, charged in full. */
export function serve(world: World, index: number, price: bigint): void {
  const { reservation } = must(Vendor.reserve(world.vendor, index, price))
  Vendor.charge(world.vendor, reservation, price)
  Vendor.settle(world.vendor, reservation)
}

export function coresOf(world: World): Transcript.Core[] {
  return world.cores.map((core) => {
    const parsed = Transcript.coreLayout(world.vendor.scheme.lockSize).parse(core)
    if (!parsed.ok) throw new Error(parsed.detail)
    return parsed.value
  })
}

function parseCheckpoint(checkpoint: Uint8Array | undefined): Checkpoint.SignedCheckpoint | undefined {
  if (checkpoint === undefined) return undefined
  const parsed = Checkpoint.parse(checkpoint)
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.value
}
