import { fromHex } from '../../crypto/bytes.ts'
import { type ClosingOptions, CollectError, claimAtBank } from '../../vendor/index.ts'
import type { VendorConfig } from '../config/index.ts'
import { type AdminAction, AdminRefused } from './admin.ts'

/** What the operator of a vendor can have it do. */
export function vendorActions(
  { banks }: Pick<VendorConfig, 'banks'>,
  closing: ClosingOptions,
): Readonly<Record<string, AdminAction>> {
  return {
    close: async ({ channel }) => {
      if (typeof channel !== 'string' || !/^[0-9a-f]{32}(?:[0-9a-f]{32})?$/.test(channel)) {
        throw new AdminRefused('a channel is named by its reference of 32 hex digits, or its id of 64')
      }
      try {
        return await claimAtBank(banks, closing, fromHex(channel).subarray(0, 16))
      } catch (error) {
        if (error instanceof CollectError) throw new AdminRefused(error.message, { cause: error })
        throw error
      }
    },
  }
}
