import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { Till } from '../../src/vendor/index.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Frame from '../../src/wire/Frame.ts'
import {
  asset,
  backendName,
  type Channel,
  createParties,
  must,
  network,
  now,
  openChannel,
  type Parties,
  pay,
  price,
  read,
} from '../channel.ts'
import { type Figures, times, type Work } from '../measure.ts'
import { type OpenedStore, openStore, type StoreKind } from '../stores.ts'
import { charge } from './vendor.ts'

/** A payment as it arrives: its frame, and the checkpoint before it where one is due. */
export interface Message {
  readonly frame: Uint8Array
  readonly checkpoint: Uint8Array | undefined
}

/** Prerecorded payments over one channel, in turns of the loop as a socket brings them. One operation is one durable charge. */
export async function oneChannel(kind: StoreKind): Promise<Work<readonly Message[]>> {
  const vendor = await openVendor(kind)
  return {
    backend: backendName,
    async prepare(count) {
      const channel = await vendor.attach(openChannel({ parties: vendor.parties }))
      return times(count, () => pay(channel.client))
    },
    run: (messages) => vendor.take(messages),
    dispose: vendor.close,
  }
}

const channelsMax = 10_000

/** The same over 10,000 channels, one payment of each in turn. */
export async function manyChannels(kind: StoreKind): Promise<Work<readonly Message[]>> {
  const vendor = await openVendor(kind)
  let channels: readonly Channel[] = []
  return {
    backend: backendName,
    async prepare(count) {
      if (channels.length === 0) {
        const { parties } = vendor
        channels = times(Math.min(count, channelsMax), () => openChannel({ parties, segmentLength: 64 }))
        for (const channel of channels) await vendor.attach(channel)
      }
      return times(count, (at) => pay(channels[at % channels.length]!.client))
    },
    run: (messages) => vendor.take(messages),
    dispose: vendor.close,
  }
}

export interface BenchVendor {
  readonly parties: Parties
  readonly till: Till
  readonly opened: OpenedStore
  attach(channel: Channel): Promise<Channel>
  /** Accepts and charges; resolves when both are durable. */
  accept(message: Message): Promise<void>
  take(messages: readonly Message[]): Promise<Figures>
  close(): Promise<void>
}

/** A vendor without its sockets. */
export async function openVendor(kind: StoreKind): Promise<BenchVendor> {
  const opened = await openStore(kind)
  const parties = createParties()
  const till = createTill(opened, parties)
  const accept = (message: Message): Promise<void> => acceptAndCharge(till, message)
  return {
    parties,
    till,
    opened,
    accept,
    async attach(channel) {
      must(await till.find(channel.client.channelId.subarray(0, 16), channel.attachment))
      return channel
    },
    async take(messages) {
      const before = await opened.bytesWritten()
      await takeAll(messages, accept)
      const after = await opened.bytesWritten()
      if (before === undefined || after === undefined) return {}
      return { bytesWritten: (after - before) / messages.length }
    },
    async close() {
      await till.stop()
      await opened.close()
    },
  }
}

export function createTill({ database }: Pick<OpenedStore, 'database'>, { bank, vendor, frame }: Parties): Till {
  return new Till({
    store: database,
    frameKey: frame.secret,
    attachmentRate: Number.POSITIVE_INFINITY,
    now: () => now,
    acceptance: {
      banks: [bank.publicKey],
      vendor: vendor.publicKey,
      vendorFrameKey: frame.publicKey,
      network,
      asset,
      lockSchemes: ['schnorr'],
      lifeMin: 0n,
      graceMin: 0,
    },
  })
}

/** Messages that one turn of the loop brings. */
const messagesATurn = 64
/** Payments that wait for their commit: those who made them wait for its answer then. */
const waitingMax = 4096

async function takeAll(messages: readonly Message[], accept: (message: Message) => Promise<void>): Promise<void> {
  const answers = new Set<Promise<void>>()
  for (const [at, message] of messages.entries()) {
    const answer = accept(message).finally(() => answers.delete(answer))
    answers.add(answer)
    while (answers.size >= waitingMax) await Promise.race(answers)
    if (at % messagesATurn === messagesATurn - 1) await turnOfTheLoop()
  }
  await Promise.all(answers)
}

async function acceptAndCharge(till: Till, message: Message): Promise<void> {
  const bytes = message.frame
  const payment = { bytes, value: read(Frame.parsePayment(bytes)) }
  const checkpoint = message.checkpoint && read(Checkpoint.parse(message.checkpoint))
  const admission = await till.admit({ payment, checkpoint, attachment: undefined })
  if (!admission.ok) throw new Error(admission.detail)
  const { held, accepted } = admission
  charge(held.channel, accepted.index)
  await till.write(held, { accepted, status: 'charged', charged: price })
}
