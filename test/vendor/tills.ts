/** A vendor's till over a store, its clients machines of the protocol: no server, no sockets. */

import { Client, Vendor } from '../../src/protocol/index.ts'
import { type Held, Till, type TillOptions, type VendorStore } from '../../src/vendor/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Frame from '../../src/wire/Frame.ts'
import * as Terms from '../../src/wire/Terms.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { flip } from '../protocol/cheats.ts'
import { bankKey, frameKey, must, now, payClient, read, vendorKey, type World } from '../protocol/world.ts'

export function openTill(store: VendorStore, change: Partial<TillOptions> = {}): Till {
  return new Till({
    store,
    frameKey: frameKey.secret,
    now: () => now,
    acceptance: {
      banks: [bankKey.publicKey],
      vendor: vendorKey.publicKey,
      vendorFrameKey: frameKey.publicKey,
      network: 'lockstep:test',
      asset: 'USD/6',
      lockSchemes: ['schnorr', 'ecdsa-xor'],
      lifeMin: 60n,
      graceMin: 60,
    },
    ...change,
  })
}

export async function heldIn(till: Till, { client }: World): Promise<Held> {
  const attachment = read(Attachment.parse(Attachment.encode(client.attachment)))
  return must(await till.find(Terms.reference(client.channelId), attachment)).held
}

/** A payment as its client sent it, or with another frame: accepted, charged in full, stored and acknowledged. */
export async function sell(
  till: Till,
  world: World,
  payment: Client.Paid,
  frame: Uint8Array = payment.frame,
): Promise<void> {
  const { client } = world
  const price = client.outstanding.get(payment.index)!
  const attachment = read(Attachment.parse(Attachment.encode(client.attachment)))
  const checkpoint = payment.checkpoint && read(Checkpoint.parse(payment.checkpoint))
  const received = { bytes: frame, value: read(Frame.parsePayment(frame)) }
  const { held, accepted } = must(await till.admit({ payment: received, checkpoint, attachment }))
  const { reservation } = must(Vendor.reserve(held.channel, accepted.index, price))
  Vendor.charge(held.channel, reservation, price)
  Vendor.settle(held.channel, reservation)
  await till.write(held, { accepted, status: 'charged', charged: price })
  must(Client.acknowledge(client, Vendor.statement(held.channel, accepted.index, price)))
}

/** Sells so many payments of 10 one after the other; the lock of payment `spoilt` has one bit changed, which the client stands by. */
export async function sellMany(till: Till, world: World, count: number, spoilt?: number): Promise<void> {
  for (let made = 0; made < count; made++) {
    const { transcript } = world.client
    const payment = payClient(world, 10n)
    await sell(till, world, payment, payment.index === spoilt ? spoil(world, payment, transcript) : payment.frame)
  }
}

function spoil({ client }: World, { frame, core }: Client.Paid, transcript: Uint8Array): Uint8Array {
  const payment = read(Frame.parsePayment(frame))
  const lock = flip(payment.lock, 31)
  const made = read(Transcript.coreLayout(lock.length).parse(core))
  client.transcript = Transcript.next(transcript, Transcript.encode({ ...made, lock }))
  return Frame.encodePayment({ ...payment, lock }, client.macs.frame)
}
