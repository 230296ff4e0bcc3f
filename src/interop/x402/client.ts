import type { SchemeNetworkClient } from '@x402/core/types'
import type { Fetch, PayingWallet } from '../../client/index.ts'
import { createLine, createPayer } from '../line.ts'
import { x402 } from './dialect.ts'
import { findDefaultAsset, scheme } from './scheme.ts'

/** Lockstep as a scheme of an x402 client, and what that has to fetch with. */
export type ClientScheme = SchemeNetworkClient & { readonly fetch: typeof globalThis.fetch }

/**
 * Lockstep as a scheme of an x402 client. The wallet makes each payment where its request is sent: it names that request, stays
 * within the budget, and is sent again as it was where its answer is lost. So the client has to fetch through the scheme.
 *
 * ```ts
 * const lockstep = clientScheme(w)
 * const fetch = wrapFetchWithPayment(lockstep.fetch, new x402Client().register(network, lockstep))
 * ```
 */
export function clientScheme(
  wallet: Pick<PayingWallet, 'fetch' | 'connect'>,
  { fetch = globalThis.fetch }: { readonly fetch?: Fetch } = {},
): ClientScheme {
  const payer = createPayer(wallet, x402, fetch)
  return {
    scheme,
    findDefaultAsset,
    async createPaymentPayload(x402Version) {
      payer.assertFetching('wrapFetchWithPayment(lockstep.fetch, client)')
      return { x402Version, payload: {} }
    },
    fetch: payer.fetch,
  }
}

/**
 * What a wallet fetches with to pay vendors that speak x402: one request a payment, once its requirements are known.
 *
 * ```ts
 * const w = await wallet({ bank: 'https://bank.example', fetch: x402Fetch() })
 * ```
 */
export function x402Fetch(fetch: Fetch = globalThis.fetch): Fetch {
  return createLine(x402, fetch).fetch
}
