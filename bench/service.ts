import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import type * as Offer from '../src/http/Offer.ts'
import { type PaidRoute, paidRoutes, type RunningServer, type StreamRoute, serve, Till } from '../src/vendor/index.ts'
import { amount } from '../src/wire/amount.ts'
import * as Checkpoint from '../src/wire/Checkpoint.ts'
import * as Frame from '../src/wire/Frame.ts'
import { asset, type Channel, createParties, must, network, now, type Parties, price, read } from './channel.ts'
import type { Figures } from './measure.ts'
import { type OpenedStore, openStore, type StoreKind } from './stores.ts'
import { charge } from './work/vendor.ts'

/** A payment as it arrives: its frame, and the checkpoint before it where one is due. */
export interface Message {
  readonly frame: Uint8Array
  readonly checkpoint: Uint8Array | undefined
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
export async function openVendor(kind: StoreKind, parties: Parties = createParties()): Promise<BenchVendor> {
  const opened = await openStore(kind)
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

export async function acceptAndCharge(till: Till, message: Message): Promise<void> {
  const bytes = message.frame
  const payment = { bytes, value: read(Frame.parsePayment(bytes)) }
  const checkpoint = message.checkpoint && read(Checkpoint.parse(message.checkpoint))
  const admission = await till.admit({ payment, checkpoint, attachment: undefined })
  if (!admission.ok) throw new Error(admission.detail)
  const { held, accepted } = admission
  charge(held.channel, accepted.index)
  await till.write(held, { accepted, status: 'charged', charged: price })
}

export const publicUrl = 'http://vendor.invalid'
/** What a unit of a stream is: as long as a token. */
const unit = new Uint8Array(8)

const units: StreamRoute = {
  path: '/units',
  price,
  *source() {
    for (;;) yield unit
  },
}

/** The same vendor behind its sockets: a stream without an end at `/units`, and these routes. `/free` costs nothing. */
export function serveVendor(
  { till, parties }: BenchVendor,
  { routes = [], url }: { readonly routes?: readonly PaidRoute[]; readonly url?: string } = {},
): Promise<RunningServer> {
  const offer = offerOf(parties, routes)
  const onError = (error: unknown): void => {
    throw error
  }
  return serve({
    till,
    streams: [units],
    onError,
    ...(url !== undefined && { publicUrl: url }),
    handlers: (known) => [
      async (request) => {
        const free = routes.find(({ path }) => new URL(request.url).pathname === `/free${path}`)
        return free?.handler(request, { payer: '', index: 0, params: {} } as never)
      },
      paidRoutes({ till, publicUrl: known, routes, onError, offer }),
    ],
  })
}

function offerOf({ bank, vendor, frame }: Parties, routes: readonly PaidRoute[]): Offer.Offer {
  const perRequest = routes.map(({ method, path }) => ({ method, path, price: amount(price), per: 'request' as const }))
  return {
    version: 1,
    network,
    asset,
    banks: [{ key: bank.publicKey, url: 'http://bank.invalid' }],
    vendor: vendor.publicKey,
    vendorFrameKey: frame.publicKey,
    vendorIdentity: new Uint8Array(32),
    unitPrice: amount(price),
    segmentLength: 1024,
    lockSchemes: ['schnorr'],
    lifeMin: 600,
    graceMin: 600,
    routes: [...perRequest, { method: 'GET', path: units.path, price: amount(price), per: 'unit' }],
  }
}
