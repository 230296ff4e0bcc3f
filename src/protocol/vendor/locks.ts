import * as LockPrefix from '../../crypto/LockPrefix.ts'
import * as Transaction from '../../wire/Transaction.ts'
import type { Core } from '../../wire/Transcript.ts'
import { assert } from '../assert.ts'
import { committed } from '../receipts.ts'
import { suspend, type VendorChannel } from './Channel.ts'

/** The first payment of the prefix whose lock is to be verified: none where all are, where one is wrong, or where the scheme cannot. */
export function lockDue({ scheme, window, locks, wrongLock }: VendorChannel): number | undefined {
  if (!scheme.checkable || wrongLock !== undefined) return undefined
  const due = (locks?.index ?? 0) + 1
  return due <= window.contiguous ? due : undefined
}

/**
 * Verifies the lock that is due and the commitment with it, and tells whether they hold. Money is not touched whatever comes of
 * it: a wrong one is evidence, see `holdWrongLock`.
 */
export function verifyLock(channel: VendorChannel, core: Core): boolean {
  const due = lockDue(channel)
  const { terms, channelId, attachment } = channel
  const transaction = Transaction.transactionLayout.parse(core.transaction)
  assert(transaction.ok && transaction.value.index === due, 'locks are verified in order')
  const head = { terms, channelId, commitment: attachment.commitment }
  const before = channel.locks ?? LockPrefix.start(committed(head, undefined))
  const after = before && LockPrefix.step(before, { ...committed(head, core), lock: core.lock })
  if (after === undefined) channel.wrongLock = due
  else channel.locks = after
  holdWrongLock(channel)
  return after !== undefined
}

/**
 * Suspends the channel once a checkpoint signs the wrong lock: then the bank accepts the proof of it. Until then payments pay as
 * before, 1,024 at most: who stops at once has the money as well, and no proof.
 */
export function holdWrongLock(channel: VendorChannel): void {
  const { segments, wrongLock } = channel
  if (wrongLock === undefined) return
  // The first segment kept is that of the last checkpoint which the prefix has reached, and which was held to its transcript.
  if (segments[0]!.index >= wrongLock) suspend(channel, `lock ${wrongLock} does not hold, and a checkpoint signs it`)
}
