import { toHex } from '../../crypto/bytes.ts'
import type { ClosingOptions } from '../../vendor/index.ts'
import type { StoredPayment, VendorDatabase } from '../../vendor/store/contract.ts'
import { unixSeconds } from '../../wire/amount.ts'
import { amountIn, countIn } from '../audit/rows.ts'
import { openVendorReader } from '../audit/stores.ts'
import type { VendorConfig } from '../config/index.ts'
import { errorDetails, type Logger } from '../log/logger.ts'
import type { Unclaimed } from '../metrics/catalogue.ts'
import { systemTime } from './clock.ts'
import type { Job } from './jobs.ts'
import { claimChannel } from './vendorActions.ts'

/** What a vendor does by itself: it claims before deadlines, and looks what there is to claim. */
export function vendorJobs(
  config: VendorConfig,
  deps: {
    readonly closing: ClosingOptions
    readonly store: VendorDatabase
    /** Payments whose handler was running when the vendor stopped. */
    readonly doubtful: readonly StoredPayment[]
    readonly unclaimed: Unclaimed
    readonly logger: Logger
  },
): readonly Job[] {
  const { closing, store, doubtful, unclaimed, logger } = deps
  const inDoubt = new Set(doubtful.map(nameOf))
  const close: Job = {
    name: 'close',
    everySeconds: config.jobs.closeEverySeconds,
    async run() {
      const until = unixSeconds(systemTime() + BigInt(config.jobs.closeMarginSeconds))
      let failed = 0
      for (const { reference } of await store.due(until, claimsMax)) {
        try {
          const { channel, settled } = await claimChannel(config, closing, reference)
          logger.info('claimed', { channel, settled })
        } catch (error) {
          // One bad channel fails alone.
          failed += 1
          logger.error('not claimed', { channel: toHex(reference), ...errorDetails(error) })
        }
      }
      if (failed > 0) throw new Error(`${failed} channels were not claimed`)
    },
  }
  const watch: Job = { name: 'watch', everySeconds: 15, run: watchOnce }
  async function watchOnce(): Promise<void> {
    await lookAtUnclaimed(config, unclaimed)
    unclaimed.inDoubt =
      inDoubt.size === 0 ? 0 : (await store.running()).filter((payment) => inDoubt.has(nameOf(payment))).length
  }
  return [close, watch]
}

function nameOf({ channelId, index }: StoredPayment): string {
  return `${toHex(channelId)} ${index}`
}

const claimsMax = 100

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
