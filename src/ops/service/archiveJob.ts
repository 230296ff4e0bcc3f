import { archive } from '../../vendor/index.ts'
import type { VendorDatabase } from '../../vendor/store/contract.ts'
import { type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import type { Logger } from '../log/logger.ts'

/** Channels packed or forgotten in one run, at most. */
const channelsMax = 1000

/** Packs what closed channels leave, and forgets those whose deadline was longer ago than they are kept. */
export function createArchiveJob(
  deps: { readonly store: VendorDatabase; readonly now: () => UnixSeconds; readonly logger: Logger },
  retentionDays: number,
): () => Promise<void> {
  const { store, now, logger } = deps
  return async () => {
    const packed = await store.unpacked(channelsMax)
    for (const reference of packed) await archive(store, reference)
    const age = BigInt(retentionDays) * 86_400n
    const forgotten = now() > age ? await store.prune(unixSeconds(now() - age), channelsMax) : 0
    if (packed.length + forgotten > 0) logger.info('archived', { packed: packed.length, forgotten })
  }
}
