import { toHex } from '../../crypto/bytes.ts'
import type { BankTime } from '../../vendor/bankTime.ts'
import { type ClosingOptions, CollectError, claimAtBank, createCloseJob, hearBanks } from '../../vendor/index.ts'
import type { StoredPayment, VendorDatabase } from '../../vendor/store/contract.ts'
import { amountIn, countIn } from '../audit/rows.ts'
import { openVendorReader } from '../audit/stores.ts'
import type { VendorConfig } from '../config/index.ts'
import { errorDetails, type Logger } from '../log/logger.ts'
import type { Unclaimed } from '../metrics/catalogue.ts'
import { bump, type Tally } from '../metrics/tally.ts'
import { createArchiveJob } from './archiveJob.ts'
import type { Job } from './jobs.ts'

/** What a vendor does by itself: it claims before deadlines, and looks what there is to claim. */
export function vendorJobs(
  config: VendorConfig,
  deps: {
    readonly closing: ClosingOptions
    readonly time: BankTime
    readonly store: VendorDatabase
    /** Payments whose handler was running when the vendor stopped. */
    readonly doubtful: readonly StoredPayment[]
    readonly unclaimed: Unclaimed
    readonly claims: Tally
    readonly logger: Logger
  },
): readonly Job[] {
  const { closing, time, store, doubtful, unclaimed, claims, logger } = deps
  const inDoubt = new Set(doubtful.map(nameOf))
  const close: Job = {
    name: 'close',
    everySeconds: config.jobs.closeEverySeconds,
    run: createCloseJob(
      {
        due: (until, limit) => store.due(until, limit),
        claim: (reference) => claimAtBank(config.banks, closing, reference),
        now: time.now,
        onClaimed(claimed) {
          bump(claims, 'settled')
          logger.info('claimed', claimed)
        },
        onFailed(error, details) {
          const isUnknown = error instanceof CollectError && error.isUnknown
          bump(claims, isUnknown ? 'unknown' : 'failed')
          const event = isUnknown ? 'not known to be claimed' : 'not claimed'
          logger.error(event, { ...details, ...errorDetails(error) })
        },
      },
      config.jobs.closeMarginSeconds,
    ),
  }
  const tidy: Job = {
    name: 'archive',
    everySeconds: config.jobs.archiveEverySeconds,
    run: createArchiveJob({ store, now: time.now, logger }, config),
  }
  const clock: Job = {
    name: 'clock',
    everySeconds: config.jobs.clockEverySeconds,
    run: () => hearBanks(time, config.banks, (ahead) => logger.warn('clock put right', { seconds: String(ahead) })),
  }
  const watch: Job = { name: 'watch', everySeconds: 15, run: watchOnce }
  async function watchOnce(): Promise<void> {
    await lookAtUnclaimed(config, unclaimed)
    unclaimed.inDoubt =
      inDoubt.size === 0 ? 0 : (await store.running()).filter((payment) => inDoubt.has(nameOf(payment))).length
  }
  return [close, watch, tidy, clock]
}

function nameOf({ channelId, index }: StoredPayment): string {
  return `${toHex(channelId)} ${index}`
}

async function lookAtUnclaimed({ store, asset }: VendorConfig, unclaimed: Unclaimed): Promise<void> {
  const reader = await openVendorReader(store)
  try {
    const [row = {}] = await reader.all(
      `SELECT count(*) AS channels, coalesce(sum(spent), 0) AS spent, min(CASE WHEN deadline > 0 THEN deadline END) AS deadline FROM channels
        WHERE phase <> 'closed' AND spent > 0`,
    )
    unclaimed.value.set(asset, amountIn(row, 'spent'))
    unclaimed.channels = countIn(row, 'channels')
    unclaimed.deadline = row.deadline === null ? undefined : countIn(row, 'deadline')
  } finally {
    await reader.close()
  }
}
