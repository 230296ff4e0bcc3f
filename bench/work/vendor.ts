import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { concat, toHex } from '../../src/crypto/bytes.ts'
import { assessVersion, parsePaymentHeaders, paymentHeaders } from '../../src/http/headers.ts'
import { Client, Vendor } from '../../src/protocol/index.ts'
import { sqliteVendorStore, Till } from '../../src/vendor/index.ts'
import * as Frame from '../../src/wire/Frame.ts'
import {
  asset,
  backendName,
  type Channel,
  entropy,
  must,
  network,
  now,
  openChannel,
  pay,
  price,
  read,
} from '../channel.ts'
import { each, type Work } from '../measure.ts'

/** Payments that arrive together, and so share a commit where they are stored. */
export const paymentsACommit = 100

/**
 * One accepted coin payment, as a frame: version, size, fields, channel, then the verdict in the order of PROTOCOL 3.5, then
 * its price reserved and charged. Neither a store nor an answer.
 */
export function payment(): Work {
  return {
    backend: backendName,
    prepare(count) {
      const { vendors, frames } = record(count, recordPayments)
      return each(frames, (bytes) => {
        const unsupported = assessVersion(bytes)
        if (unsupported !== undefined) throw new Error(unsupported.detail)
        accept(vendors, { bytes, value: read(Frame.parsePayment(bytes)) })
      })
    },
  }
}

/** The same from the headers of an HTTP request: base64url as well. */
export function paymentOverHttp(): Work {
  return {
    backend: backendName,
    prepare(count) {
      const { vendors, frames } = record(count, recordPayments)
      const requests = frames.map((frame) => new Headers(paymentHeaders({ frame })))
      return each(requests, (headers) => {
        const messages = parsePaymentHeaders(headers)
        if (!messages?.ok) throw new Error('a payment was not read')
        accept(vendors, messages.value.payment)
      })
    },
  }
}

/** The same as frames, through the till into its SQLite store: done when durable. */
export function paymentStored(): Work {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-bench-'))
  const store = sqliteVendorStore(join(folder, 'vendor.db'))
  return {
    backend: backendName,
    async prepare(count) {
      const channel = openChannel()
      const till = new Till({ store, frameKey: channel.frameKey, acceptance: acceptanceOf(channel), now: () => now })
      must(await till.find(referenceOf(channel), channel.attachment))
      const frames = recordPayments(channel, count)
      return {
        count,
        async run() {
          for (let start = 0; start < count; start += paymentsACommit) {
            await Promise.all(frames.slice(start, start + paymentsACommit).map((bytes) => acceptStored(till, bytes)))
          }
        },
      }
    },
    async dispose() {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** One accepted tick: version, size, fields, channel, MAC, life, coin. */
export function tick(): Work {
  return {
    backend: backendName,
    prepare(count) {
      const { vendors, frames } = record(count, recordTicks)
      return each(frames, (bytes) => {
        const unsupported = assessVersion(bytes)
        if (unsupported !== undefined) throw new Error(unsupported.detail)
        const value = read(Frame.parseTick(bytes))
        must(Vendor.acceptTick(find(vendors, value.reference), { bytes, value }, now))
      })
    },
  }
}

/** By reference in hexadecimal, as the till holds them. */
type Vendors = ReadonlyMap<string, Vendor.VendorChannel>

/** Frames one channel's client sends. May show the vendor some of its own before. */
type Recorder = (channel: Channel, count: number, vendor: Vendor.VendorChannel) => readonly Uint8Array[]

/** One segment of coins pays no more than this, whose checkpoint is another matter. */
const framesAChannel = 1000

/** So many frames, of as many channels as they need, in turn. */
function record(
  count: number,
  recorder: Recorder,
): { readonly vendors: Vendors; readonly frames: readonly Uint8Array[] } {
  const vendors = new Map<string, Vendor.VendorChannel>()
  const recorded: (readonly Uint8Array[])[] = []
  for (let left = count; left > 0; left -= framesAChannel) {
    const channel = openChannel()
    const vendor = Vendor.create(channel.attachment, channel.frameKey)
    vendors.set(toHex(referenceOf(channel)), vendor)
    recorded.push(recorder(channel, Math.min(left, framesAChannel), vendor))
  }
  const turns = Array.from({ length: Math.min(count, framesAChannel) }, (_, turn) => turn)
  return { vendors, frames: turns.flatMap((turn) => recorded.flatMap((frames) => frames[turn] ?? [])) }
}

function recordPayments({ client }: Channel, count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, () => arrived(pay(client).frame))
}

function recordTicks({ client }: Channel, count: number, vendor: Vendor.VendorChannel): readonly Uint8Array[] {
  const { payment } = must(Client.pay(client, { price, digest: entropy(32), now }))
  accept(new Map([[toHex(vendor.channelId.subarray(0, 16)), vendor]]), {
    bytes: payment.frame,
    value: read(Frame.parsePayment(payment.frame)),
  })
  return Array.from({ length: count }, () => {
    const { frame } = must(Client.tick(client, { index: payment.index, units: 1, now }))
    return arrived(frame)
  })
}

function accept(vendors: Vendors, received: Vendor.Received<Frame.Payment>): void {
  const channel = find(vendors, received.value.reference)
  const { accepted } = must(Vendor.acceptPayment(channel, received, undefined, now))
  charge(channel, accepted.index)
}

async function acceptStored(till: Till, bytes: Uint8Array): Promise<void> {
  const value = read(Frame.parsePayment(bytes))
  const admission = await till.admit({ payment: { bytes, value }, checkpoint: undefined, attachment: undefined })
  if (!admission.ok) throw new Error(admission.detail)
  const { held, accepted } = admission
  charge(held.channel, accepted.index)
  await till.write(held, { accepted, status: 'charged', charged: price })
}

function charge(channel: Vendor.VendorChannel, index: number): void {
  const { reservation } = must(Vendor.reserve(channel, index, price))
  Vendor.charge(channel, reservation, price)
  Vendor.settle(channel, reservation)
}

function find(vendors: Vendors, reference: Uint8Array): Vendor.VendorChannel {
  const channel = vendors.get(toHex(reference))
  if (channel === undefined) throw new Error('a channel was not found')
  return channel
}

function referenceOf({ client }: Channel): Uint8Array {
  return client.channelId.subarray(0, 16)
}

function acceptanceOf({ attachment: { agreed } }: Channel): Vendor.Acceptance {
  const { bank, vendor, vendorFrameKey, lockScheme } = agreed
  return { banks: [bank], vendor, vendorFrameKey, network, asset, lockSchemes: [lockScheme], lifeMin: 0n, graceMin: 0 }
}

/** Bytes as a socket gives them: in memory of their own. */
function arrived(bytes: Uint8Array): Uint8Array {
  return concat(bytes)
}
