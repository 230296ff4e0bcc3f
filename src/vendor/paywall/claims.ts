import { fromHex, toHex } from '../../crypto/bytes.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import { createCloseJob } from '../closeJob.ts'
import { asError } from '../errors.ts'
import type { VendorDatabase } from '../store/contract.ts'
import { tidy } from '../tidy.ts'
import type { PaywallLogger } from './types.ts'

interface Claimed {
  readonly channel: string
  readonly settled: bigint
}

export interface ClaimsOptions {
  readonly store: VendorDatabase
  readonly now: () => UnixSeconds
  readonly logger: PaywallLogger
  readonly claim: (reference: Uint8Array) => Promise<Claimed>
  /** Asks the banks what time it is. */
  readonly hear: () => Promise<void>
  /** What is kept, and for how long. */
  readonly kept: Parameters<typeof tidy>[1]
}

export interface Claims {
  /** Claims a channel that its client has released, now and in the background. */
  hurry(channel: string): void
  /** Claims every channel. Throws the first failure, once all were tried. */
  all(): Promise<readonly Claimed[]>
  stop(): Promise<void>
}

/** Claims what was charged: before channels end, and once their clients have released them. Packs what those leave. */
export function startClaims(options: ClaimsOptions, marginSeconds: number): Claims {
  const { store, now, logger, claim, hear, kept } = options
  const onClaimed = ({ channel, settled }: Claimed): void => logger.info(`claimed ${settled} on channel ${channel}`)
  const onFailed = (error: unknown, { channel }: { readonly channel: string }): void =>
    logger.error(`channel ${channel} was not claimed, and is tried again: ${asError(error).message}`)
  const run = createCloseJob(
    { due: (until, limit) => store.due(until, limit), claim, now, onClaimed, onFailed },
    marginSeconds,
  )
  /** One after the other: two claims of one channel would only wait for each other. */
  let running: Promise<unknown> = Promise.resolve()
  const after = (job: () => Promise<unknown>): void => {
    running = running.then(job).catch((error: unknown) => logger.error(`claims failed: ${asError(error).message}`))
  }
  const timers = [
    // Where no bank answers, time goes on as it did: openings wait for it anyway, and payments do not.
    setInterval(() => void hear().catch(() => undefined), 60_000),
    setInterval(() => after(run), 30_000),
    setInterval(() => after(() => tidy({ store, now }, kept)), 3_600_000),
  ]
  for (const timer of timers) timer.unref()
  return {
    hurry(channel) {
      after(async () => {
        try {
          onClaimed(await claim(fromHex(channel).subarray(0, 16)))
        } catch (error) {
          onFailed(error, { channel })
        }
      })
    },
    async all() {
      await running
      const claimed: Claimed[] = []
      const failures: unknown[] = []
      for (const channelId of await store.unsettled()) {
        try {
          const done = await claim(channelId.subarray(0, 16))
          onClaimed(done)
          claimed.push(done)
        } catch (error) {
          onFailed(error, { channel: toHex(channelId) })
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
      return claimed
    },
    async stop() {
      for (const timer of timers) clearInterval(timer)
      await running
    },
  }
}
