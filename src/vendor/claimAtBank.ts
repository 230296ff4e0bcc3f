import { equal, toHex } from '../crypto/bytes.ts'
import type { ClosingOptions } from './closing.ts'
import { collect } from './collect.ts'
import { CollectError } from './errors.ts'

interface BankAddress {
  readonly key: Uint8Array
  readonly url: string
}

/** Claims what was charged on a channel, now, at its bank. Asking again is safe: the bank pays once. */
export async function claimAtBank(
  banks: readonly BankAddress[],
  closing: ClosingOptions,
  reference: Uint8Array,
): Promise<{ readonly channel: string; readonly settled: bigint; readonly refund: bigint; readonly basis: string }> {
  const found = await closing.till.find(reference, undefined)
  if (!found.ok) throw new CollectError(found.detail)
  const { channel } = found.held
  const bank = banks.find(({ key }) => equal(key, channel.terms.bank))
  if (bank === undefined) {
    throw new CollectError(`the channel is at bank ${toHex(channel.terms.bank)}: name it among the banks, with its url`)
  }
  const { settled, refund, basis } = await collect(closing, found.held, bank.url)
  return { channel: toHex(channel.channelId), settled, refund, basis }
}
