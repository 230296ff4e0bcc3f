import { backend } from '../crypto/backend.ts'
import { equal, utf8 } from '../crypto/bytes.ts'
import { createMac, hkdf } from '../crypto/mac.ts'
import type { Mac } from './Frame.ts'
import { sizes } from './kinds.ts'

/** The two MACs of a channel, one a direction: Design 3.1 and 3.4. */
export interface ChannelMacs {
  /** Client to vendor: frames. */
  readonly frame: Mac
  /** Vendor to client: statements. */
  readonly statement: Mac
}

/**
 * Derives both MACs from ECDH of one side's secret and the other's public key (32-byte x-coordinates), then HKDF with the
 * channel id as salt and the direction as info. Channel key and frame key give the same result from either side.
 */
export function channelMacs(args: {
  readonly secret: Uint8Array
  readonly publicKey: Uint8Array
  readonly channelId: Uint8Array
}): ChannelMacs {
  const shared = backend.sharedX(args.secret, args.publicKey)
  const derive = (direction: string): Mac =>
    createMac(hkdf({ secret: shared, salt: args.channelId, info: utf8(direction), length: 32 }))
  return { frame: derive('lockstep/mac/client-to-vendor'), statement: derive('lockstep/mac/vendor-to-client') }
}

/** Whether the last 16 bytes are the MAC of what comes before. Constant time. */
export function isSealed(message: Uint8Array, mac: Mac): boolean {
  const end = message.length - sizes.mac
  return end >= 0 && equal(message.subarray(end), mac(message.subarray(0, end)))
}
