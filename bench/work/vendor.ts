import { concat, toHex } from '../../src/crypto/bytes.ts'
import { assessVersion, parsePaymentHeaders, paymentHeaders } from '../../src/http/headers.ts'
import { Client, Vendor } from '../../src/protocol/index.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { backendName, type Channel, entropy, must, now, openChannel, pay, price, read } from '../channel.ts'
import { each, times, type Work } from '../measure.ts'

/**
 * One accepted coin payment, as a frame: version, size, fields, channel, then the verdict in the order of Design 3.5, then
 * its price reserved and charged. Neither a store nor an answer.
 */
export function payment(): Work<readonly Uint8Array[]> {
  const vendors: Vendors = new Map()
  return {
    backend: backendName,
    prepare: (count) => record(vendors, count, recordPayments),
    run: each((bytes) => {
      const unsupported = assessVersion(bytes)
      if (unsupported !== undefined) throw new Error(unsupported.detail)
      accept(vendors, { bytes, value: read(Frame.parsePayment(bytes)) })
    }),
  }
}

/** The same from the headers of an HTTP request: base64url as well. */
export function paymentOverHttp(): Work<readonly Headers[]> {
  const vendors: Vendors = new Map()
  return {
    backend: backendName,
    prepare: (count) => record(vendors, count, recordPayments).map((frame) => new Headers(paymentHeaders({ frame }))),
    run: each((headers) => {
      const messages = parsePaymentHeaders(headers)
      if (!messages?.ok) throw new Error('a payment was not read')
      accept(vendors, messages.value.payment)
    }),
  }
}

/** One accepted tick: version, size, fields, channel, MAC, life, coin. */
export function tick(): Work<readonly Uint8Array[]> {
  const vendors: Vendors = new Map()
  return {
    backend: backendName,
    prepare: (count) => record(vendors, count, recordTicks),
    run: each((bytes) => {
      const unsupported = assessVersion(bytes)
      if (unsupported !== undefined) throw new Error(unsupported.detail)
      const value = read(Frame.parseTick(bytes))
      must(Vendor.acceptTick(find(vendors, value.reference), { bytes, value }, now))
    }),
  }
}

/** Frames of payments of one coin each. */
export function recordPayments({ client }: Channel, count: number): readonly Uint8Array[] {
  return times(count, () => arrived(pay(client).frame))
}

/** The price of an accepted payment reserved, charged and settled. */
export function charge(channel: Vendor.VendorChannel, index: number): void {
  const { reservation } = must(Vendor.reserve(channel, index, price))
  Vendor.charge(channel, reservation, price)
  Vendor.settle(channel, reservation)
}

/** By reference in hexadecimal, as the till holds them: all channels since the process began. */
type Vendors = Map<string, Vendor.VendorChannel>

/** One segment of coins pays no more than this, whose checkpoint is another matter. */
const framesAChannel = 1000

/** So many frames, of as many new channels as they need, in turn. */
function record(
  vendors: Vendors,
  count: number,
  recorder: (channel: Channel, count: number, vendors: Vendors) => readonly Uint8Array[],
): readonly Uint8Array[] {
  const channels = times(Math.ceil(count / framesAChannel), (at) => {
    const channel = openChannel()
    const vendor = Vendor.create(channel.attachment, channel.frameKey)
    vendors.set(toHex(vendor.channelId.subarray(0, 16)), vendor)
    return recorder(channel, Math.min(framesAChannel, count - at * framesAChannel), vendors)
  })
  return times(Math.min(count, framesAChannel), (turn) => channels.flatMap((frames) => frames[turn] ?? [])).flat()
}

function recordTicks({ client }: Channel, count: number, vendors: Vendors): readonly Uint8Array[] {
  const { payment } = must(Client.pay(client, { price, digest: entropy(32), now }))
  accept(vendors, { bytes: payment.frame, value: read(Frame.parsePayment(payment.frame)) })
  return times(count, () => arrived(must(Client.tick(client, { index: payment.index, units: 1, now })).frame))
}

function accept(vendors: Vendors, received: Vendor.Received<Frame.Payment>): void {
  const channel = find(vendors, received.value.reference)
  const { accepted } = must(Vendor.acceptPayment(channel, received, undefined, now))
  charge(channel, accepted.index)
}

function find(vendors: Vendors, reference: Uint8Array): Vendor.VendorChannel {
  const channel = vendors.get(toHex(reference))
  if (channel === undefined) throw new Error('a channel was not found')
  return channel
}

/** Bytes as a socket gives them: in memory of their own. */
function arrived(bytes: Uint8Array): Uint8Array {
  return concat(bytes)
}
