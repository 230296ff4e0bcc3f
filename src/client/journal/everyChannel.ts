import type { Journal, StoredChannel } from './contract.ts'

/** Every channel that the journal knows, whatever became of it. */
export async function everyChannel(
  journal: Journal,
): Promise<readonly Omit<StoredChannel, 'channelKey' | 'channelSeed'>[]> {
  return [...(await journal.channels()), ...(await journal.retired()), ...(await journal.ended())]
}
