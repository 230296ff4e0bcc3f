import { equal } from '../crypto/bytes.ts'
import * as BadOpening from '../wire/BadOpening.ts'
import * as Checkpoint from '../wire/Checkpoint.ts'
import * as Transcript from '../wire/Transcript.ts'
import { type ClosingOptions, transcriptAt } from './closing.ts'
import type { Held } from './held.ts'

/**
 * The proof that a lock of the channel is wrong, for the bank. None where all hold, and where no checkpoint signs the wrong one. With
 * `ecdsa-xor` it takes the receipt above the lock, which only a release gives: while this process remembers it.
 */
export async function proveWrongLock({ till, store }: ClosingOptions, held: Held): Promise<Uint8Array | undefined> {
  const { channelId, terms, window } = held.channel
  await till.verifyLocks(held)
  const index = held.channel.wrongLock
  const receipt = held.channel.scheme.checkable ? new Uint8Array(0) : held.above?.receipt
  if (index === undefined || receipt === undefined) return undefined
  const before = Math.max(0, index - 2)
  const start = await transcriptAt(till, held, before)
  const cores = await till.cores(held, Math.min(before + BadOpening.coresMax, window.contiguous), before + 1)
  const transcripts = [start]
  for (const core of cores) transcripts.push(Transcript.next(transcripts.at(-1)!, core))
  for (const checkpoint of await store.checkpoints(channelId)) {
    const signed = Checkpoint.parse(checkpoint)
    if (!signed.ok || signed.value.index < index) continue
    const covered = signed.value.index - before
    const transcript = transcripts[covered]
    // One over another transcript suspends the channel as well, and proves nothing of this lock.
    if (transcript === undefined || !equal(transcript, signed.value.transcript)) continue
    return BadOpening.encode({
      channelId,
      lockScheme: terms.lockScheme,
      index,
      previousTranscript: index === 1 ? new Uint8Array(32) : start,
      checkpoint,
      receipt,
      cores: cores.slice(0, covered),
    })
  }
  return undefined
}
