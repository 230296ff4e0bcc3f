import { archive } from '../../vendor/index.ts'
import type { VendorDatabase } from '../../vendor/store/contract.ts'
import { type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import type { Logger } from '../log/logger.ts'

/** Channels packed or forgotten in one run, and as many times a hundred answers, at most. */
const channelsMax = 1000

/** Packs what closed channels leave, and forgets them and the answers for retries once they are older than they are kept. */
export function createArchiveJob(
  deps: { readonly store: VendorDatabase; readonly now: () => UnixSeconds; readonly logger: Logger },
  { retentionDays, answerSeconds }: { readonly retentionDays: number; readonly answerSeconds: number },
): () => Promise<void> {
  const { store, now, logger } = deps
  const before = (age: bigint): UnixSeconds => unixSeconds(now() > age ? now() - age : 0n)
  return async () => {
    const packed = await store.unpacked(channelsMax)
    for (const reference of packed) await archive(store, reference)
    const [keptSince, answersSince] = [before(BigInt(retentionDays) * 86_400n), before(BigInt(answerSeconds))]
    const forgotten = await store.prune(keptSince, channelsMax)
    const answers = await store.forgetAnswers(answersSince, channelsMax * 100)
    if (packed.length + forgotten + answers > 0) logger.info('archived', { packed: packed.length, forgotten, answers })
  }
}
