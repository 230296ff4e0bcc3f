import { randomBytes } from 'node:crypto'
import {
  type Bank,
  type BankStore,
  createBank,
  type JobName,
  type JobsOptions,
  runJobs,
  serveBank,
} from '../../bank/index.ts'
import { backend } from '../../crypto/backend.ts'
import { toHex } from '../../crypto/bytes.ts'
import { Bank as Decide } from '../../protocol/index.ts'
import { type BankConfig, type LoadedConfig, networkOf, readKeyPair, sectionOf } from '../config/index.ts'
import { errorDetails } from '../log/logger.ts'
import { type BankWatched, bankFamilies, serviceFamilies } from '../metrics/catalogue.ts'
import { createBankCounters, meterBank, meterCommits, meterLog } from '../metrics/metered.ts'
import { openExposition } from '../metrics/prometheus.ts'
import { serveAdmin } from './admin.ts'
import { auditBeside } from './auditProcess.ts'
import { bankActions } from './bankActions.ts'
import { openBankChain } from './bankChain.ts'
import { systemTime } from './clock.ts'
import { countDone, countFailed, createJobCounters, type Job, type JobDeps, startJobs } from './jobs.ts'
import { serveOps } from './opsServer.ts'
import { createReadiness, lastWriteCheck } from './readiness.ts'
import { Opened, type RunningService, type ServiceDeps } from './service.ts'
import { openBankDatabase } from './stores.ts'
import { waitForStore } from './waitForStore.ts'

/** Runs a bank as its config says, until it is stopped. Throws one line for what is wrong with the config or the machine. */
export async function startBank(loaded: LoadedConfig, deps: ServiceDeps): Promise<RunningService> {
  const { logger, self } = deps
  const config = sectionOf(loaded, 'bank')
  const key = readKeyPair(config.keyFile)
  const rules = rulesOf(config)
  const counters = createBankCounters()
  const jobCounters = createJobCounters()
  const watched: BankWatched = { audit: undefined, clockHeld: undefined, withdrawals: 0 }
  const opened = new Opened(logger)
  let store: BankStore | undefined
  const readiness = createReadiness({
    store: async () => {
      if (store === undefined) throw new Error('is not open yet')
      await store.pendingBatch()
    },
    writes: lastWriteCheck(counters.commits, () => performance.now()),
  })
  try {
    const families = [
      ...serviceFamilies({ version: deps.version, backend: backend.name }, { jobs: jobCounters, readiness }),
      ...bankFamilies(counters, watched),
    ]
    const exposition = await openExposition(families)
    if (exposition === undefined) logger.warn('no metrics: install prom-client to have them')
    const ops = await serveOps({ readiness, exposition }, config.ops)
    opened.add('health and metrics', () => ops.close())

    const database = await waitForStore(() => openReachable(config.store), deps, config)
    store = database
    let isOwned = false
    opened.add('store', async () => {
      if (!isOwned) await database.close()
    })
    const log = (event: string, details: Readonly<Record<string, unknown>>): void => logger.info(event, details)
    const chain = await openBankChain({ log: store.log, key, now: systemTime, logger }, config.chain, rules.network)
    const bank = createBank({
      store: meterCommits(store, counters.commits, { nowMs: () => performance.now() }),
      key,
      rules,
      limits: { ...Decide.defaultLimits, openChannelsMax: config.limits.openChannelsMax },
      commandRules: {
        lifeMax: BigInt(config.limits.commandLifeMaxSeconds),
        depositMin: new Map(config.registration.map(({ asset, depositMin }) => [asset, depositMin])),
      },
      chain,
      now: systemTime,
      random: (size) => new Uint8Array(randomBytes(size)),
      log: meterLog(counters, log),
    })
    // The store is the bank's from here on: it lets a batch on its way end, then closes it.
    isOwned = true
    opened.add('bank', () => bank.stop())
    const metered = meterBank(bank, counters)
    const server = await serveBank(metered, {
      host: config.host,
      port: config.port,
      closeTimeoutMs: config.shutdownSeconds * 1000,
      onError: (error) => logger.error('request failed', errorDetails(error, { withStack: true })),
    })
    opened.add('server', () => server.close())
    const ending = new AbortController()
    const jobDeps = { logger, counters: jobCounters, nowMs: Date.now, chance: Math.random }
    const bankJobs = runJobs({
      bank: countJobs(bank, jobDeps),
      signal: ending.signal,
      everyMs: intervalsOf(config),
      onError: (job, error) => countFailed(jobDeps, job, error),
    })
    const ownJobs = startJobs(jobDeps, jobsOf(config, { bank, watched, audit: () => auditBeside(self, loaded.path) }))
    opened.add('jobs', async () => {
      ending.abort()
      await Promise.all([bankJobs, ownJobs.stop()])
    })
    const admin = await serveAdmin(config.adminSocket, bankActions(metered))
    opened.add('admin socket', () => admin.close())
    logger.info('ready', {
      role: 'bank',
      url: server.url,
      ops: ops.url,
      bank: toHex(key.publicKey),
      network: rules.network,
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

/** A store that answers: PostgreSQL is connected by what is asked of it first. */
async function openReachable(store: string): Promise<BankStore> {
  const opened = await openBankDatabase(store)
  try {
    await opened.pendingBatch()
    return opened
  } catch (error) {
    await opened.close()
    throw error
  }
}

/** What the config says of the rules, over what is usual. */
function rulesOf(config: BankConfig): Decide.Rules {
  const {
    fundsMin,
    openedWithinSeconds,
    lifeMinSeconds,
    lifeMaxSeconds,
    graceMinSeconds,
    graceMaxSeconds,
    reputationNew,
  } = config.rules
  return {
    ...Decide.defaultRules,
    assets: config.assets,
    network: networkOf(config),
    fundsMin,
    openedWithin: BigInt(openedWithinSeconds),
    lifeMin: BigInt(lifeMinSeconds),
    lifeMax: BigInt(lifeMaxSeconds),
    graceMin: graceMinSeconds,
    graceMax: graceMaxSeconds,
    reputationNew,
  }
}

function intervalsOf({ jobs }: BankConfig): NonNullable<JobsOptions['everyMs']> {
  return {
    record: jobs.recordEverySeconds * 1000,
    expire: jobs.expireEverySeconds * 1000,
    review: jobs.reviewEverySeconds * 1000,
  }
}

/** What the bank does by itself, counted where it succeeds. */
function countJobs(bank: Bank, deps: JobDeps): JobsOptions['bank'] {
  const counted =
    <T>(job: JobName, work: () => Promise<T>): (() => Promise<T>) =>
    async () => {
      const result = await work()
      countDone(deps, job)
      return result
    }
  return {
    beat: counted('beat', bank.beat),
    expire: counted('expire', bank.expire),
    review: counted('review', bank.review),
    record: counted('record', bank.record),
  }
}

function jobsOf(
  { jobs }: BankConfig,
  deps: { readonly bank: Bank; readonly watched: BankWatched; readonly audit: () => ReturnType<typeof auditBeside> },
): readonly Job[] {
  const { bank, watched, audit } = deps
  const watch: Job = {
    name: 'watch',
    everySeconds: 15,
    async run() {
      watched.clockHeld = (await bank.clock()).held
      watched.withdrawals = (await bank.withdrawals(1000)).length
    },
  }
  const auditing: Job = {
    name: 'audit',
    everySeconds: jobs.auditEverySeconds,
    run: async () => {
      const report = await audit()
      watched.audit = { report, at: Math.floor(Date.now() / 1000) }
      const [first] = report.faults
      if (first !== undefined) throw new Error(`the books are wrong: ${first.check}: ${first.detail}`)
    },
  }
  return jobs.auditEverySeconds === 0 ? [watch] : [watch, auditing]
}
