import { backend } from '../../crypto/backend.ts'
import { toHex } from '../../crypto/bytes.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import type { Offer } from '../../http/index.ts'
import { type BankTime, createBankTime } from '../../vendor/bankTime.ts'
import {
  type ClosingOptions,
  hearBanks,
  management,
  openVendorDatabase,
  paidRoutes,
  serve,
  Till,
  vendorIdentity,
} from '../../vendor/index.ts'
import type { StoredPayment, VendorDatabase } from '../../vendor/store/contract.ts'
import { amount } from '../../wire/amount.ts'
import { type LoadedConfig, readKeyPair, sectionOf, type VendorConfig } from '../config/index.ts'
import { errorDetails } from '../log/logger.ts'
import { serviceFamilies, type Unclaimed, vendorFamilies } from '../metrics/catalogue.ts'
import { countPayments, createVendorCounters, meterCommits, meterHandler, meterTill } from '../metrics/metered.ts'
import { openExposition } from '../metrics/prometheus.ts'
import { bump } from '../metrics/tally.ts'
import { serveAdmin } from './admin.ts'
import { type Goods, goodsOf } from './configuredRoutes.ts'
import { createJobCounters, startJobs } from './jobs.ts'
import { serveOps } from './opsServer.ts'
import { createReadiness, lastWriteCheck } from './readiness.ts'
import { Opened, type RunningService, type ServiceDeps } from './service.ts'
import { vendorActions } from './vendorActions.ts'
import { vendorJobs } from './vendorJobs.ts'
import { waitForStore } from './waitForStore.ts'

/** Runs a vendor as its config says, until it is stopped. Throws one line for what is wrong with the config or the machine. */
export async function startVendor(loaded: LoadedConfig, deps: ServiceDeps): Promise<RunningService> {
  const { logger } = deps
  const config = sectionOf(loaded, 'vendor')
  const settlement = readKeyPair(config.keyFile)
  const frame = readKeyPair(config.frameKeyFile)
  const goods = await goodsOf(config, loaded.path)
  const counters = createVendorCounters()
  const jobCounters = createJobCounters()
  const unclaimed: Unclaimed = { value: new Map(), channels: 0, deadline: undefined, inDoubt: 0 }
  const opened = new Opened(logger)
  const time = createBankTime()
  let store: VendorDatabase | undefined
  const readiness = createReadiness({
    store: async () => {
      if (store === undefined) throw new Error('is not open yet')
      await store.due(time.now(), 1)
    },
    writes: lastWriteCheck(counters.commits, () => performance.now()),
  })
  try {
    const families = [
      ...serviceFamilies({ version: deps.version, backend: backend.name }, { jobs: jobCounters, readiness }),
      ...vendorFamilies(counters, unclaimed, () => Date.now() / 1000),
    ]
    const exposition = await openExposition(families)
    if (exposition === undefined) logger.warn('no metrics: install prom-client to have them')
    const ops = await serveOps({ readiness, exposition }, config.ops)
    opened.add('health and metrics', () => ops.close())

    const { database, doubtful } = await waitForStore(() => openReachable(config.store), deps, config)
    opened.add('store', () => database.close())
    store = meterCommits(database, counters.commits, {
      nowMs: () => performance.now(),
      onDone: countPayments(counters, config.asset),
    })
    const onPutRight = (ahead: bigint): void => logger.warn('clock put right', { seconds: String(ahead) })
    // A bank that is away is asked again by a job.
    await hearBanks(time, config.banks, onPutRight).catch((error: unknown) =>
      logger.warn('no bank answers', errorDetails(error)),
    )
    const identity = vendorIdentity(config.identity, settlement, await database.restoredAt())
    const till = meterTill(createTill(config, { store, settlement, frame, identity, now: time.now }), counters)
    opened.add('till', () => till.stop())
    const closing: ClosingOptions = { till, store, vendor: settlement }
    const onError = (error: unknown): void => logger.error('request failed', errorDetails(error, { withStack: true }))
    const offer = offerOf(config, { settlement, frame, identity, goods })
    const server = await serve({
      till,
      host: config.host,
      port: config.port,
      ...(config.publicUrl !== undefined && { publicUrl: config.publicUrl }),
      handlers: (publicUrl) =>
        [paidRoutes({ till, offer, publicUrl, routes: goods.routes, onError }), management(closing)].map((handler) =>
          meterHandler(handler, counters),
        ),
      streams: goods.streams,
      closeTimeoutMs: config.shutdownSeconds * 1000,
      onError,
      onProblem: (reason) => bump(counters.problems, reason),
    })
    // It stops taking requests, ends streams, and resolves when all of them are durable.
    opened.add('server', () => server.close())
    const jobs = startJobs(
      { logger, counters: jobCounters, nowMs: Date.now, chance: Math.random },
      vendorJobs(config, { closing, time, store: database, doubtful, unclaimed, claims: counters.claims, logger }),
    )
    opened.add('jobs', () => jobs.stop())
    const admin = await serveAdmin(config.adminSocket, vendorActions(config, closing))
    opened.add('admin socket', () => admin.close())
    logger.info('ready', {
      role: 'vendor',
      url: server.url,
      publicUrl: config.publicUrl,
      ops: ops.url,
      vendor: toHex(settlement.publicKey),
      network: config.network,
    })
    return {
      url: server.url,
      opsUrl: ops.url,
      stop: async () => {
        readiness.drain()
        await opened.close()
      },
    }
  } catch (error) {
    await opened.close()
    throw error
  }
}

/** A store that answers, and what it knows of the last stop: payments whose handler ran then. */
async function openReachable(
  store: string,
): Promise<{ readonly database: VendorDatabase; readonly doubtful: readonly StoredPayment[] }> {
  const database = await openVendorDatabase(store)
  try {
    return { database, doubtful: await database.running() }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Who holds the vendor's channels: in the service, and in a command that closes one while no service runs. */
export function createTill(
  config: VendorConfig,
  {
    store,
    settlement,
    frame,
    identity,
    now,
  }: {
    readonly store: VendorDatabase
    readonly settlement: Schnorr.KeyPair
    readonly frame: Schnorr.KeyPair
    readonly identity: Uint8Array
    readonly now: BankTime['now']
  },
): Till {
  const { banks, network, asset, lockSchemes, lifeMinSeconds, graceMinSeconds, node } = config
  return new Till({
    store,
    frameKey: frame.secret,
    now,
    identity,
    ...(node !== undefined && { lease: { store, node } }),
    acceptance: {
      banks: banks.map(({ key }) => key),
      vendor: settlement.publicKey,
      vendorFrameKey: frame.publicKey,
      network,
      asset,
      lockSchemes,
      lifeMin: BigInt(lifeMinSeconds),
      graceMin: graceMinSeconds,
    },
  })
}

function offerOf(
  config: VendorConfig,
  {
    settlement,
    frame,
    identity,
    goods,
  }: {
    readonly settlement: Schnorr.KeyPair
    readonly frame: Schnorr.KeyPair
    readonly identity: Uint8Array
    readonly goods: Goods
  },
): Offer.Offer {
  const { banks, network, asset, unitPrice, segmentLength, lockSchemes, lifeMinSeconds, graceMinSeconds } = config
  return {
    version: 1,
    network,
    asset,
    banks,
    vendor: settlement.publicKey,
    vendorFrameKey: frame.publicKey,
    vendorIdentity: identity,
    unitPrice: amount(unitPrice),
    segmentLength,
    lockSchemes,
    lifeMin: lifeMinSeconds,
    graceMin: graceMinSeconds,
    routes: [
      ...goods.routes.map(({ method, path, price }) => ({
        method,
        path,
        price: amount(price),
        per: 'request' as const,
      })),
      ...goods.streams.map(({ path, price }) => ({ method: 'GET', path, price: amount(price), per: 'unit' as const })),
    ],
  }
}
