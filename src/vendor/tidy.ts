import { type UnixSeconds, unixSeconds } from '../wire/amount.ts'
import { archive } from './archive.ts'
import type { VendorDatabase } from './store/contract.ts'

/** Channels packed or forgotten in one run, and as many times a hundred answers, at most. */
const channelsMax = 1000

/** Packs what closed channels leave, and forgets them and the answers for retries once they are older than they are kept. */
export async function tidy(
  deps: { readonly store: VendorDatabase; readonly now: () => UnixSeconds },
  kept: { readonly retentionDays: number; readonly answerSeconds: number },
): Promise<{ readonly packed: number; readonly forgotten: number; readonly answers: number }> {
  const { store, now } = deps
  const before = (age: bigint): UnixSeconds => unixSeconds(now() > age ? now() - age : 0n)
  const packed = await store.unpacked(channelsMax)
  for (const reference of packed) await archive(store, reference)
  const forgotten = await store.prune(before(BigInt(kept.retentionDays) * 86_400n), channelsMax)
  const answers = await store.forgetAnswers(before(BigInt(kept.answerSeconds)), channelsMax * 100)
  return { packed: packed.length, forgotten, answers }
}
