import * as Closing from '../wire/Closing.ts'
import * as Terms from '../wire/Terms.ts'
import { openStored } from './opening.ts'
import type { StoredChannel, VendorDatabase } from './store/contract.ts'

/**
 * Packs the payments of a closed channel into a few rows, with the receipts that its client's release opens. Gives whether
 * there was such a channel. Safe to call again.
 */
export async function archive(store: VendorDatabase, reference: Uint8Array): Promise<boolean> {
  const channel = await store.channel(reference)
  if (channel === undefined || channel.phase !== 'closed') return false
  await store.pack(channel.channelId, await receiptsOf(store, channel))
  return true
}

/** σ_0 … σ_n, none where the client gave no release: they can be opened later from what the bank gave at Close. */
async function receiptsOf(store: VendorDatabase, channel: StoredChannel): Promise<readonly Uint8Array[]> {
  const release = channel.release && Closing.parseRelease(channel.release)
  const terms = Terms.parse(channel.terms)
  if (release?.ok !== true || !terms.ok) return []
  const { channelId, commitment, contiguous } = channel
  const receipts: Uint8Array[] = new Array(contiguous + 1)
  const opening = {
    head: { channelId, terms: terms.value, commitment },
    length: contiguous,
    cores: (last: number, first: number) => store.cores(channelId, last, first),
    // A release is stored once every receipt of it was.
    areLocksVerified: async () => true,
    onReceipt(index: number, receipt: Uint8Array) {
      receipts[index] = receipt
    },
  }
  return (await openStored(opening, release.value.receipt)) === undefined ? receipts : []
}
