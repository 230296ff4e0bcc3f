import { verifyRecord } from '../../chain/index.ts'
import { backend } from '../../crypto/backend.ts'
import { concat, toHex, u64, utf8 } from '../../crypto/bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import { Client as Party } from '../../protocol/index.ts'
import { Client, ecdsa, messages } from '../../published/index.ts'
import { bankPoint, type Identity, identityOf, publishedFiles } from '../archive/published.ts'
import { post } from './octets.ts'
import { bankPaths, openPublishedBank, type PublishedBank, type PublishedRecord } from './publishedBank.ts'
import { openPublishedVendor, type PublishedVendor, vendorPaths } from './publishedVendor.ts'
import type { Stage } from './stage.ts'
import type { DemoOptions, DemoResult, DemoRun } from './types.ts'
import { measure, openWireMeter } from './wireMeter.ts'

/** Base units: 0.001 USD a payment. */
const price = 1000n

/**
 * A client buys a file with the published scheme, its last message repaired: payment `i` buys part `i`. The vendor opens every
 * receipt, the bank pays it `amount_n`, refunds the rest and records `(Tx_0, Tx_n)`. Bank and vendor are servers of their own.
 *
 * Meeting the vendor, asking the bank for a channel and for `Tx_0` are not in the paper, but it takes them: they count.
 */
export async function runPublished(options: DemoOptions, stage: Stage, bankKey: Schnorr.KeyPair): Promise<DemoRun> {
  const { content, payments } = options
  using meter = openWireMeter()
  await using bank = await openPublishedBank({ ...stage, key: bankKey })
  await using vendor = await openPublishedVendor({
    identity: Party.commitIdentity(stage.random(32), utf8('the vendor of the demo')),
    content,
    payments,
    price,
    bankUrl: bank.url,
    bankKey: bankPoint(bankKey.publicKey),
  })
  const measured = measure(() => meter.bytes([bank.url, vendor.url]))
  const setup = await measured(() => setUp({ stage, bank, vendor, bankKey: bankKey.publicKey }))
  const opened = setup.value
  const transaction = await measured(() => buy(stage, vendor, opened))
  const bought = transaction.value
  const release = await measured(() => vendor.release(opened.client.opening.client))
  const released = release.value
  const { settled, refunded } = await vendor.settle(opened.client.opening.client, released.first)
  const record = await measured(() => bank.record())
  const recorded = record.value
  const bytesPaying = transaction.bytes - bought.content.length

  const receipts = released.receipts.filter((receipt) => receipt !== undefined)
  if (receipts.length !== payments + 1) throw new Error(`${receipts.length} of ${payments + 1} receipts opened`)
  return {
    result: {
      profile: 'published',
      lockScheme: null,
      backend: backend.name,
      channelId: null,
      payments: bought.messages.length,
      ticks: null,
      paid: opened.client.paid.toString(),
      charged: settled.toString(),
      refunded: refunded.toString(),
      retry: null,
      receiptsOpened: receipts.length,
      receiptsVerified: countVerified(receipts, { ...opened, ...bought, bankKey: bankKey.publicKey }),
      contentSha256: toHex(sha256(bought.content)),
      chain: await chainOf(recorded, { bank: bankKey.publicKey, network: stage.network }),
      ms: { setup: setup.ms, transaction: transaction.ms, release: release.ms, record: record.ms },
      bytes: {
        setup: setup.bytes,
        transaction: bytesPaying,
        release: release.bytes,
        perPayment: Math.round(bytesPaying / bought.messages.length),
      },
    },
    files: publishedFiles({
      bank: bankKey.publicKey,
      client: opened.identity,
      f0: opened.f0,
      opening: opened.opening,
      payments: bought.messages,
      receipts,
      recordSalt: recorded.salt,
      record: recorded.record,
      proof: recorded.proof,
    }),
    recorded: {
      first: recorded.record.subarray(0, messages.sizes.transaction),
      last: recorded.record.subarray(messages.sizes.transaction),
    },
  }
}

/** A client that may pay, and what it took to get there. */
interface Joined {
  readonly client: Client.Client
  readonly identity: Identity
  readonly f0: Uint8Array
  /** The bank's message. */
  readonly opening: Uint8Array
  /** What the vendor says a file takes. */
  readonly payments: number
  readonly price: bigint
}

interface Cast {
  readonly stage: Stage
  readonly bank: PublishedBank
  readonly vendor: PublishedVendor
  readonly bankKey: Uint8Array
}

/** Keys, accounts of good standing, a deposit; the vendor is met, and the bank opens a channel of half as much again as the file costs. */
async function setUp({ stage, bank, vendor, bankKey }: Cast): Promise<Joined> {
  const key = ecdsa.createKeyPair(stage.random)
  const identity = { key: key.publicKey, salt: stage.random(32) }
  const introduction = concat(identity.key, identity.salt)
  const offer = await post(vendor.url + vendorPaths.meet, introduction)
  const view = new DataView(offer.buffer, offer.byteOffset)
  const [vendorIdentity, payments, unit] = [offer.slice(0, 32), view.getUint32(32), view.getBigUint64(36)]
  const total = (3n * unit * BigInt(payments)) / 2n

  const clientIdentity = identityOf(identity)
  for (const party of [clientIdentity, vendorIdentity]) bank.register(party)
  bank.deposit(clientIdentity, total)
  const request = concat(identity.key, clientIdentity, vendorIdentity, u64(total), u64(stage.now()))
  const message = await post(bank.url + bankPaths.open, request)
  const opening = messages.parseOpening(message)
  if (opening === undefined) throw new Error('the bank gives no opening')
  const joined = Client.joinChannel({ key, bankKey: bankPoint(bankKey), opening }, stage.random)
  if (!joined.ok) throw new Error(`the client refuses the opening: ${joined.reason}`)
  return {
    client: joined.client,
    identity,
    f0: joined.client.f,
    opening: message,
    payments,
    price: unit,
  }
}

interface Bought {
  /** As the client received it. */
  readonly content: Uint8Array
  /** As the client sent them. */
  readonly messages: readonly Uint8Array[]
}

/** One payment after the other, each answered by a part of the file. */
async function buy(stage: Stage, vendor: PublishedVendor, { client, payments, price }: Joined): Promise<Bought> {
  const [parts, sent]: [Uint8Array[], Uint8Array[]] = [[], []]
  for (let index = 1; index <= payments; index++) {
    const message = payFor(client, { price, at: stage.now() }, { isLast: index === payments, random: stage.random })
    parts.push(await post(vendor.url + vendorPaths.pay, message))
    sent.push(message)
    stage.progress('payments', index, payments)
  }
  return { content: new Uint8Array(Buffer.concat(parts)), messages: sent }
}

function payFor(
  client: Client.Client,
  purchase: Client.Purchase,
  { isLast, random }: { readonly isLast: boolean; readonly random: ecdsa.Entropy },
): Uint8Array {
  const paid = isLast
    ? Client.payLast(client, { ...purchase, reading: 'repaired' }, random)
    : Client.pay(client, purchase, random)
  if (!paid.ok) throw new Error(`the client cannot pay: ${paid.reason}`)
  const { payment } = paid
  return 'receipt' in payment ? messages.encodeLast(payment) : messages.encodePayment(payment)
}

/** By anybody with both public keys, apart from the vendor's release. */
function countVerified(
  receipts: readonly Uint8Array[],
  signed: Pick<Joined, 'client' | 'identity'> & Pick<Bought, 'messages'> & { readonly bankKey: Uint8Array },
): number {
  const { transaction: first } = signed.client.opening
  const verified = receipts.filter((signature, index) => {
    if (index === 0) {
      return ecdsa.verify({ publicKey: bankPoint(signed.bankKey), message: messages.openingMessage(first), signature })
    }
    const sent = signed.messages[index - 1]!
    const transaction = (messages.parsePayment(sent) ?? messages.parseLast(sent))?.transaction
    if (transaction === undefined) return false
    return ecdsa.verify({ publicKey: signed.identity.key, message: messages.receiptMessage(transaction), signature })
  })
  return verified.length
}

async function chainOf(
  { recorded, leaf, proof }: PublishedRecord,
  trust: { readonly bank: Uint8Array; readonly network: string },
): Promise<DemoResult['chain']> {
  const { kind, recordTx } = recorded
  const registry = recorded.kind === 'evm' ? recorded.registry : undefined
  const verdict = await verifyRecord({ leaf, proof, trust: { ...trust, registry } })
  return {
    kind,
    chainId: recorded.kind === 'evm' ? recorded.chainId : null,
    registry: registry ?? null,
    recordTx,
    leaf: toHex(leaf),
    proofVerified: verdict.ok && verdict.recordTx === recordTx,
  }
}
