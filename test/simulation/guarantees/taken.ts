import { equal, toHex } from '../../../src/crypto/bytes.ts'
import type { Batch } from '../../../src/vendor/store/contract.ts'
import * as Terms from '../../../src/wire/Terms.ts'
import { graceSeconds } from '../parties/bank.ts'
import { asset, identityOf, network } from '../parties/cast.ts'
import type { VendorParty } from '../parties/vendor.ts'
import type { Truth } from './truth.ts'

/** G2: a channel that a vendor takes is one that it can be paid from. Design 3.1: a valid attachment. */
export function createTakenCheck({ ground }: Pick<Truth, 'ground'>): (vendor: VendorParty, batch: Batch) => void {
  const known = new Set<string>()
  return (vendor, { channels }) => {
    if (vendor.plan.isByzantine) return
    for (const { channelId, terms } of channels) {
      const name = toHex(channelId)
      // A channel is written whole the first time.
      if (terms === undefined || known.has(name)) continue
      known.add(name)
      const wrong = wrongIn(terms, vendor)
      if (wrong !== undefined) ground.violate('G2', `${vendor.name} took a channel of ${wrong}`)
    }
  }
}

function wrongIn(encoded: Uint8Array, { name }: VendorParty): string | undefined {
  const terms = Terms.parse(encoded)
  if (!terms.ok) return 'terms that cannot be read'
  const { bank, vendor, vendorFrameKey, graceSeconds: grace, expiresAt, openedAt, ...named } = terms.value
  const { key, frameKey } = identityOf(name)
  if (!equal(bank, identityOf('bank').key.publicKey)) return 'another bank'
  if (!equal(vendor, key.publicKey) || !equal(vendorFrameKey, frameKey.publicKey)) return 'another vendor'
  if (named.asset !== asset || named.network !== network) return 'another asset or network'
  if (grace < graceSeconds) return `a grace of ${grace} s`
  // It was shown after it was opened: it cannot live longer than that.
  return expiresAt - openedAt < lifeMin ? `a life of ${expiresAt - openedAt} s` : undefined
}

/** What every vendor of the cast demands. */
const lifeMin = 1800n
