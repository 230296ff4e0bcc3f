import { toHex } from '../../../src/crypto/bytes.ts'
import * as Checkpoint from '../../../src/wire/Checkpoint.ts'
import type { Ground } from '../engine/world.ts'

/** What was signed with each nonce that honest clients have shown: R and channel in hex, and the message. */
export interface NonceWatch {
  /** A payment leaves: its commitment is the nonce of a receipt on `transaction`. Of `schnorr` alone. */
  receipt(channel: string, shown: { readonly commitment: Uint8Array; readonly transaction: Uint8Array }): void
  checkpoint(bytes: Uint8Array): void
}

/** G4: two messages under one nonce would give the channel's key to whoever has both signatures, or both locks. */
export function watchNonces({ violate }: Pick<Ground, 'violate'>): NonceWatch {
  const signed = new Map<string, string>()
  const see = (channel: string, nonce: Uint8Array, message: string): void => {
    const name = `${channel} ${toHex(nonce)}`
    const before = signed.get(name)
    if (before !== undefined && before !== message) violate('G4', 'a client signed two messages with one nonce')
    signed.set(name, message)
  }
  return {
    receipt: (channel, { commitment, transaction }) => see(channel, commitment, toHex(transaction)),
    checkpoint(bytes) {
      const parsed = Checkpoint.parse(bytes)
      if (!parsed.ok) return
      const { signature, reference } = parsed.value
      see(toHex(reference), signature.subarray(0, 32), toHex(bytes.subarray(0, bytes.length - signature.length)))
    },
  }
}
