import * as Bank from './Bank.ts'
import * as Client from './Client.ts'
import { createKeyPair, type Entropy } from './ecdsa.ts'
import {
  encodeLast,
  encodeOpening,
  encodePayment,
  encodeRecord,
  parseLast,
  parseOpening,
  parsePayment,
  type Reading,
  type Transaction,
} from './messages.ts'
import { nothingSent, type Operations, type Sent } from './operations.ts'
import * as Vendor from './Vendor.ts'

export interface RunInput {
  /** n, at least 1. */
  readonly payments: number
  readonly reading: Reading
  readonly entropy: Entropy
  /** A monotonic clock in milliseconds. */
  readonly now: () => number
  /** `ts_0`, Unix seconds; payment `i` is made at `ts_0 + i`. */
  readonly startedAt: bigint
  /** What each payment adds. */
  readonly price?: bigint
}

/** Time, and the bytes of the messages that crossed between two parties in it. */
export interface Phase {
  readonly ms: number
  readonly bytes: number
}

export interface Run {
  readonly reading: Reading
  readonly payments: number
  /** How many of `σ_0 … σ_{n-1}` opened and verified. */
  readonly opened: number
  readonly setup: Phase
  readonly transaction: Phase
  readonly release: Phase
  readonly sent: { readonly bank: Sent; readonly client: Sent; readonly vendor: Sent }
  readonly operations: { readonly bank: Operations; readonly client: Operations; readonly vendor: Operations }
  readonly bankKey: Uint8Array
  readonly clientKey: Uint8Array
  /** `Tx_0 … Tx_n`. */
  readonly transactions: readonly Transaction[]
  /** `f_1 … f_n`. */
  readonly chain: readonly Uint8Array[]
  /** `σ_0 … σ_n` as the vendor holds them after the release; `undefined` where nothing opened. */
  readonly receipts: readonly (Uint8Array | undefined)[]
  /** `ℓk_1 … ℓk_n` as sent: in the literal reading the last is `σ_n`. */
  readonly locks: readonly Uint8Array[]
  /** `(Tx_0, Tx_n)`, as the blockchain would keep it. */
  readonly record: Uint8Array
}

/**
 * The whole scheme once: setup, `payments` payments, release, record; every message is encoded by its sender and parsed
 * by its receiver. Setup is the keys of bank and client, `σ_0` and its verification; transaction is both sides' work
 * on payments 1..n; release is the vendor's. The record is neither timed nor counted, as in the paper.
 *
 * ```ts
 * const { opened } = run({ payments: 10, reading: 'repaired', entropy, now: () => performance.now(), startedAt: 0n })
 * ```
 */
export function run(input: RunInput): Run {
  const { payments: n, reading, now, price = 1n } = input
  if (!Number.isSafeInteger(n) || n < 1) throw new RangeError(`payments is a whole number from 1; got ${n}`)
  const sent = { bank: nothingSent(), client: nothingSent(), vendor: nothingSent() }

  const startedMs = now()
  const { bank, client, vendor } = setUp(input, price * BigInt(n), sent.bank)
  const setUpMs = now()
  for (let i = 1; i < n; i++) sendPayment(client, vendor, { ...input, price, index: i }, sent.client)
  sendLast(client, vendor, { ...input, price, index: n }, sent.client)
  const paidMs = now()
  const first = client.opening.transaction
  const released = Vendor.release(vendor, { bankKey: bank.key.publicKey, first })
  const releasedMs = now()

  const last = vendor.last
  assert(last !== undefined && released.lastVerified, 'the last receipt verifies')
  const recorded = Bank.record(bank, { first, last: last.transaction, receipt: last.receipt })
  assert(recorded.ok, 'the bank records a verified last receipt')
  return {
    reading,
    payments: n,
    opened: released.opened,
    setup: { ms: setUpMs - startedMs, bytes: sent.bank.bytes },
    transaction: { ms: paidMs - setUpMs, bytes: sent.client.bytes + sent.vendor.bytes },
    release: { ms: releasedMs - paidMs, bytes: 0 },
    sent,
    operations: { bank: bank.operations, client: client.operations, vendor: vendor.operations },
    bankKey: bank.key.publicKey,
    clientKey: client.key.publicKey,
    transactions: [first, ...vendor.payments.map(({ transaction }) => transaction), last.transaction],
    chain: [...vendor.payments.map(({ f }) => f), last.f],
    receipts: released.receipts,
    locks: [...vendor.payments.map(({ lock }) => lock), last.lock ?? last.receipt],
    record: encodeRecord(recorded.record),
  }
}

interface Step extends RunInput {
  readonly price: bigint
  /** i */
  readonly index: number
}

function setUp(
  { entropy, startedAt }: RunInput,
  total: bigint,
  sent: Sent,
): { readonly bank: Bank.Bank; readonly client: Client.Client; readonly vendor: Vendor.Vendor } {
  const bank = Bank.createBank(entropy)
  const key = createKeyPair(entropy)
  const [client, vendor] = [entropy(32), entropy(32)]
  Bank.register(bank, client, Bank.scoreThreshold + 1)
  Bank.register(bank, vendor, Bank.scoreThreshold + 1)
  const opened = Bank.open(bank, { clientKey: key.publicKey, client, vendor, total, at: startedAt }, entropy)
  assert(opened.ok, 'the bank opens a channel between two sides of good standing')
  const message = encodeOpening(opened.opening)
  count(sent, message, { sig: 1, tx: 1 })
  const opening = parseOpening(message)
  assert(opening !== undefined, 'an encoded opening parses')
  const joined = Client.joinChannel({ key, bankKey: bank.key.publicKey, opening }, entropy)
  assert(joined.ok, 'the client accepts its own opening')
  return {
    bank,
    client: joined.client,
    vendor: Vendor.createVendor({ identity: vendor, clientKey: key.publicKey }),
  }
}

function sendPayment(client: Client.Client, vendor: Vendor.Vendor, step: Step, sent: Sent): void {
  const paid = Client.pay(client, purchase(step), step.entropy)
  assert(paid.ok, 'the client can pay what the channel holds')
  const message = encodePayment(paid.payment)
  count(sent, message, { f: 1, h: 1, tx: 1 })
  const payment = parsePayment(message)
  assert(payment !== undefined && Vendor.receive(vendor, payment).ok, 'the vendor accepts an honest payment')
}

function sendLast(client: Client.Client, vendor: Vendor.Vendor, step: Step, sent: Sent): void {
  const paid = Client.payLast(client, { ...purchase(step), reading: step.reading }, step.entropy)
  assert(paid.ok, 'the client can pay what the channel holds')
  const message = encodeLast(paid.payment)
  count(sent, message, { sig: 1, f: 1, h: step.reading === 'repaired' ? 1 : 0, tx: 1 })
  const last = parseLast(message)
  assert(last !== undefined && Vendor.receiveLast(vendor, last).ok, 'the vendor accepts an honest last payment')
}

function purchase({ price, startedAt, index }: Step): Client.Purchase {
  return { price, at: startedAt + BigInt(index) }
}

function count(sent: Sent, message: Uint8Array, elements: Partial<Sent>): void {
  sent.sig += elements.sig ?? 0
  sent.f += elements.f ?? 0
  sent.h += elements.h ?? 0
  sent.tx += elements.tx ?? 0
  sent.bytes += message.length
}

function assert(condition: boolean, law: string): asserts condition {
  if (!condition) throw new Error(`broken: ${law}`)
}
