import type { FacilitatorClient } from '@x402/core/http'
import type { FindDefaultAsset, Network, SchemeNetworkFacilitator } from '@x402/core/types'
import type { Problem } from '../../http/problems.ts'
import { parseAsset } from '../../wire/amount.ts'

/** What requirements name, and the version of the protocol as their network: what it settles on is in the offer. */
export const scheme = 'lockstep'
export const network: Network = 'lockstep:1'

/** What a payment is paid with: what the protocol's own headers carry, base64url. Empty where it is left to the wallet. */
export type Members = Readonly<Partial<Record<'channel' | 'payment' | 'checkpoint' | 'attachment', string>>>

/** In the `extra` of requirements. */
export interface RequirementsExtra {
  /** As `/.well-known/lockstep` has it, without routes. */
  readonly offer: Readonly<Record<string, unknown>>
  /** Why the payment that came with this request is not taken, and how its channel stands. */
  readonly refused?: { readonly problem: Problem; readonly statement?: string }
}

/** Dollars are what x402 caps a payment by; any other asset a client has to allow by itself. */
export const findDefaultAsset: FindDefaultAsset = (name, of) => {
  const asset = parseAsset(name)
  if (of !== network || !asset.ok || asset.value.code !== 'USD') return undefined
  return { asset: name, decimals: asset.value.decimals, symbol: asset.value.code }
}

/**
 * Lockstep for an `x402Facilitator`: it says that the scheme is there. A payment is judged and charged by the vendor's own scheme, which
 * keeps its channel; what gets here was not, and is not taken.
 */
export const facilitatorScheme: SchemeNetworkFacilitator = {
  scheme,
  caipFamily: 'lockstep:*',
  getExtra: () => undefined,
  getSigners: () => [],
  verify: async () => ({ isValid: false, invalidReason: notHere, invalidMessage }),
  settle: async () => ({
    success: false,
    errorReason: notHere,
    errorMessage: invalidMessage,
    transaction: '',
    network,
  }),
}

/** The same as what a resource server asks first: `new x402ResourceServer(facilitator)`, or one of several. */
export const facilitator: FacilitatorClient = {
  verify: (payload, requirements) => facilitatorScheme.verify(payload, requirements),
  settle: (payload, requirements) => facilitatorScheme.settle(payload, requirements),
  getSupported: async () => ({ kinds: [{ x402Version: 2, scheme, network }], extensions: [], signers: {} }),
}

const notHere = 'lockstep_is_settled_by_its_vendor'
const invalidMessage =
  'only the vendor that keeps a channel can take a payment of it: register serverScheme(pay) at its resource server. Nothing was charged'
