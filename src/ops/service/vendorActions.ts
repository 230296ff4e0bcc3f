import { equal, fromHex, toHex } from '../../crypto/bytes.ts'
import { type ClosingOptions, CollectError, collect } from '../../vendor/index.ts'
import type { VendorConfig } from '../config/index.ts'
import { type AdminAction, AdminRefused } from './admin.ts'

/** What the operator of a vendor can have it do. */
export function vendorActions(config: VendorConfig, closing: ClosingOptions): Readonly<Record<string, AdminAction>> {
  return {
    close: async ({ channel }) => {
      if (typeof channel !== 'string' || !/^[0-9a-f]{32}(?:[0-9a-f]{32})?$/.test(channel)) {
        throw new AdminRefused('a channel is named by its reference of 32 hex digits, or its id of 64')
      }
      try {
        return await claimChannel(config, closing, fromHex(channel).subarray(0, 16))
      } catch (error) {
        if (error instanceof CollectError) throw new AdminRefused(error.message, { cause: error })
        throw error
      }
    },
  }
}

/** Claims what was charged on a channel, now. Asking again is safe: the bank pays once. */
export async function claimChannel(
  { banks }: VendorConfig,
  closing: ClosingOptions,
  reference: Uint8Array,
): Promise<{ readonly channel: string; readonly settled: bigint; readonly refund: bigint; readonly basis: string }> {
  const found = await closing.till.find(reference, undefined)
  if (!found.ok) throw new AdminRefused(found.detail)
  const { channel } = found.held
  const bank = banks.find(({ key }) => equal(key, channel.terms.bank))
  if (bank === undefined) {
    throw new AdminRefused(`the channel is at bank ${toHex(channel.terms.bank)}: name it in vendor.banks, with its url`)
  }
  const { settled, refund, basis } = await collect(closing, found.held, bank.url)
  return { channel: toHex(channel.channelId), settled, refund, basis }
}
