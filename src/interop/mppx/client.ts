import { Method } from 'mppx'
import type { Fetch, PayingWallet } from '../../client/index.ts'
import { createLine, createPayer } from '../line.ts'
import { credentialOf, mpp } from './dialect.ts'
import { type LockstepMethod, methodOf } from './method.ts'

/** Lockstep as a payment method of an `mppx` client, and what that has to fetch with. */
export type ClientMethod = Method.Client<LockstepMethod, undefined> & { readonly fetch: typeof globalThis.fetch }

/**
 * Lockstep as a payment method of an `mppx` client. The wallet makes each payment where its request is sent: it names that request,
 * stays within the budget, and is sent again as it was where its answer is lost. So the client has to fetch through the method.
 *
 * ```ts
 * const lockstep = clientMethod(w)
 * const mppx = Mppx.create({ methods: [lockstep], fetch: lockstep.fetch, polyfill: false })
 * ```
 */
export function clientMethod(
  wallet: Pick<PayingWallet, 'fetch' | 'connect'>,
  { fetch = globalThis.fetch }: { readonly fetch?: Fetch } = {},
): ClientMethod {
  const payer = createPayer(wallet, mpp, fetch)
  const method = Method.toClient(methodOf(), {
    async createCredential({ challenge }) {
      payer.assertFetching('Mppx.create({ methods: [lockstep], fetch: lockstep.fetch })')
      return credentialOf(challenge, {})
    },
  })
  return { ...method, fetch: payer.fetch }
}

/**
 * What a wallet fetches with to pay vendors that speak MPP: one request a payment, once its challenge is known.
 *
 * ```ts
 * const w = await wallet({ bank: 'https://bank.example', fetch: mppFetch() })
 * ```
 */
export function mppFetch(network: Fetch = globalThis.fetch): Fetch {
  return createLine(mpp, network).fetch
}
