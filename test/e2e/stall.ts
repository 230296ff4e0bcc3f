/** A vendor's process, in this one or in one of its own. */

import type * as Offer from '../../src/http/Offer.ts'
import {
  type ClosingOptions,
  management,
  type PaidRoute,
  paidRoutes,
  type ServeOptions,
  type StreamRoute,
  serve,
  sqliteVendorStore,
  Till,
  type TillOptions,
  type VendorStore,
} from '../../src/vendor/index.ts'
import { amount, type UnixSeconds } from '../../src/wire/amount.ts'
import { bankKey, bytesOf, frameKey, now, vendorKey } from '../protocol/world.ts'

const asset = 'USD/6'
const network = 'lockstep:test'
/** Of the channels that its offer proposes. */
export const unitPrice = 10n

export interface StallOptions {
  /** Of its store. */
  readonly path: string
  readonly routes?: readonly PaidRoute[]
  readonly streams?: readonly StreamRoute[]
  readonly port?: number
  readonly publicUrl?: string
  readonly bankUrl?: string
  readonly now?: () => UnixSeconds
  /** O_V of its offer, and of channels opened since its store was restored. */
  readonly identity?: Uint8Array
  /** What the vendor gets in place of its store. */
  readonly wrapStore?: (store: VendorStore) => VendorStore
  readonly till?: Partial<TillOptions>
  readonly releaseWaitMs?: number
  readonly serve?: Partial<ServeOptions>
}

export interface StartedStall extends ClosingOptions {
  readonly url: string
  readonly path: string
  /** What its operator was told of. */
  readonly errors: unknown[]
  /** Lets what runs end. */
  close(): Promise<void>
}

export async function startStall(options: StallOptions): Promise<StartedStall> {
  const { path, routes = [], streams = [], port = 0, bankUrl = 'http://bank.invalid', publicUrl: known } = options
  const { wrapStore = (store) => store, identity = bytesOf('vendor identity') } = options
  const file = sqliteVendorStore(path)
  const store = wrapStore(file)
  const till = new Till({
    store,
    frameKey: frameKey.secret,
    now: options.now ?? (() => now),
    acceptance: {
      banks: [bankKey.publicKey],
      vendor: vendorKey.publicKey,
      vendorFrameKey: frameKey.publicKey,
      network,
      asset,
      lockSchemes: ['schnorr', 'ecdsa-xor'],
      lifeMin: 600n,
      graceMin: 600,
    },
    ...(options.identity && { identity }),
    ...options.till,
  })
  const errors: unknown[] = []
  const onError = (error: unknown): void => void errors.push(error)
  const { releaseWaitMs } = options
  const closing = { till, store, vendor: vendorKey, ...(releaseWaitMs !== undefined && { releaseWaitMs }) }
  const offer = offerOf(bankUrl, { routes, streams, identity })
  const running = await serve({
    till,
    port,
    streams,
    onError,
    handlers: (publicUrl) => [paidRoutes({ till, publicUrl, routes, onError, offer }), management(closing)],
    ...(known && { publicUrl: known }),
    ...options.serve,
  })
  let closed: Promise<void> | undefined
  return {
    ...closing,
    url: running.url,
    path,
    errors,
    close() {
      closed ??= running.close().then(async () => {
        await file.close()
        // Until whoever holds a connection has heard of it.
        await new Promise((resolve) => setTimeout(resolve, 20))
      })
      return closed
    },
  }
}

function offerOf(
  bankUrl: string,
  sold: {
    readonly routes: readonly PaidRoute[]
    readonly streams: readonly StreamRoute[]
    readonly identity: Uint8Array
  },
): Offer.Offer {
  return {
    version: 1,
    network,
    asset,
    banks: [{ key: bankKey.publicKey, url: bankUrl }],
    vendor: vendorKey.publicKey,
    vendorFrameKey: frameKey.publicKey,
    vendorIdentity: sold.identity,
    unitPrice: amount(unitPrice),
    segmentLength: 1024,
    lockSchemes: ['schnorr', 'ecdsa-xor'],
    lifeMin: 600,
    graceMin: 600,
    routes: [
      ...sold.routes.map(({ method, path, price }) => ({
        method,
        path,
        price: amount(price),
        per: 'request' as const,
      })),
      ...sold.streams.map(({ path, price }) => ({ method: 'GET', path, price: amount(price), per: 'unit' as const })),
    ],
  }
}
