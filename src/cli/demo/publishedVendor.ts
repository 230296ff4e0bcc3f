import { concat, toHex, u32, u64 } from '../../crypto/bytes.ts'
import { messages, Vendor } from '../../published/index.ts'
import { identityOf } from '../archive/published.ts'
import { type OctetAnswer, type OctetServer, post, refuse, serveOctets } from './octets.ts'
import { bankPaths } from './publishedBank.ts'

/** Where the vendor listens for what. */
export const vendorPaths = {
  /** Client key 33 `‖` salt 32, which `O_C` commits to; answered by `O_V ‖ payments u32 ‖ price u64`. */
  meet: '/meet',
  /** A payment, or the last one; answered by what it buys. */
  pay: '/pay',
} as const

export interface PublishedVendorOptions {
  /** `O_V`. */
  readonly identity: Uint8Array
  /** What is sold, in as many parts as there are payments. */
  readonly content: Uint8Array
  readonly payments: number
  /** Of each payment. */
  readonly price: bigint
  readonly bankUrl: string
  /** The bank's public key, a compressed point. */
  readonly bankKey: Uint8Array
}

export interface PublishedVendor extends OctetServer {
  /** Opens every receipt, with `Tx_0` from the bank. */
  release(client: Uint8Array): Promise<Released>
  /** Claims `amount_n`; gives what the bank paid, and refunded to the client. */
  settle(client: Uint8Array, first: Uint8Array): Promise<{ readonly settled: bigint; readonly refunded: bigint }>
}

interface Released extends Vendor.Release {
  /** `Tx_0`, as the bank gave it. */
  readonly first: Uint8Array
}

/** The vendor of the published scheme as a server: payment `i` buys part `i` of a file. It keeps everything in memory. */
export async function openPublishedVendor(options: PublishedVendorOptions): Promise<PublishedVendor> {
  /** By hex of `O_C`. */
  const customers = new Map<string, Vendor.Vendor>()
  const server = await serveOctets([
    { path: vendorPaths.meet, bodyMax: meetSize, answer: (body) => meet(customers, options, body) },
    { path: vendorPaths.pay, bodyMax: messages.sizes.repairedLast, answer: (body) => sell(customers, options, body) },
  ])
  return {
    ...server,
    async release(client) {
      const parties = concat(client, options.identity)
      const first = await post(options.bankUrl + bankPaths.opening, parties)
      const transaction = messages.parseTransaction(first)
      if (transaction === undefined) throw new Error('the bank gives no transaction')
      const released = Vendor.release(find(customers, client), { bankKey: options.bankKey, first: transaction })
      return { ...released, first }
    },
    async settle(client, first) {
      const { last } = find(customers, client)
      if (last === undefined) throw new Error('the last payment has not come')
      const claim = concat(first, messages.encodeTransaction(last.transaction), last.receipt)
      const answer = await post(options.bankUrl + bankPaths.settle, claim)
      const view = new DataView(answer.buffer, answer.byteOffset)
      return { settled: view.getBigUint64(0), refunded: view.getBigUint64(8) }
    },
  }
}

/** Part `index` of `count`: all of the same size, the last with what is left over. */
export function partOf(content: Uint8Array, index: number, count: number): Uint8Array {
  const size = Math.floor(content.length / count)
  return content.subarray((index - 1) * size, index === count ? content.length : index * size)
}

const meetSize = 33 + 32

function meet(
  customers: Map<string, Vendor.Vendor>,
  { identity, payments, price }: PublishedVendorOptions,
  body: Uint8Array,
): OctetAnswer {
  if (body.length !== meetSize) return refuse(400, `an introduction has ${meetSize} bytes`)
  const clientKey = body.slice(0, 33)
  const client = toHex(identityOf({ key: clientKey, salt: body.slice(33) }))
  if (!customers.has(client)) customers.set(client, Vendor.createVendor({ identity, clientKey }))
  return { ok: true, body: concat(identity, u32(payments), u64(price)) }
}

function sell(customers: Map<string, Vendor.Vendor>, options: PublishedVendorOptions, body: Uint8Array): OctetAnswer {
  const { payments, price, content } = options
  const last = body.length === messages.sizes.repairedLast ? messages.parseLast(body) : undefined
  const payment = last === undefined ? messages.parsePayment(body) : undefined
  const transaction = (last ?? payment)?.transaction
  if (transaction === undefined) return refuse(400, 'a payment has 176 bytes, the last one 240')
  const vendor = customers.get(toHex(transaction.client))
  if (vendor === undefined) return refuse(404, 'no such client')
  const index = vendor.payments.length + 1
  if ((index === payments) !== (last !== undefined)) return refuse(409, `payment ${payments} is the last one`)
  if (transaction.amount < price * BigInt(index)) return refuse(402, `part ${index} costs ${price} more`)
  const verdict = last === undefined ? Vendor.receive(vendor, payment!) : Vendor.receiveLast(vendor, last)
  return verdict.ok ? { ok: true, body: partOf(content, index, payments) } : refuse(409, verdict.reason)
}

function find(customers: ReadonlyMap<string, Vendor.Vendor>, client: Uint8Array): Vendor.Vendor {
  const vendor = customers.get(toHex(client))
  if (vendor === undefined) throw new Error('no such client')
  return vendor
}
