import { Challenge, Credential, Receipt } from 'mppx'
import type { Dialect } from '../line.ts'
import type { LockstepMethod, Members, Requested } from './method.ts'

export type LockstepChallenge = Challenge.Challenge<Requested, LockstepMethod['intent'], LockstepMethod['name']>

/** MPP over HTTP: challenges, credentials and receipts in its three headers. */
export const mpp: Dialect<LockstepChallenge> = {
  asked({ status, headers }) {
    const said = headers.get('WWW-Authenticate')
    if (status !== 402 || said === null || !/(?:^|,)\s*Payment\s/i.test(said)) return undefined
    return read(() => Challenge.deserializeList(said).find(isLockstep))
  },
  ticket(headers) {
    for (const name of credentialHeaders) {
      const payment = Credential.extractPaymentScheme(headers.get(name) ?? '')
      const credential = payment === null ? undefined : read(() => Credential.deserialize<unknown>(payment))
      if (credential !== undefined && isLockstep(credential.challenge) && isEmpty(credential.payload)) {
        return credential.challenge
      }
    }
    return undefined
  },
  isGood: ({ expires }) => expires === undefined || Date.parse(expires) > Date.now() + marginMs,
  terms: ({ request: { offer, amount, currency } }) => ({ offer, price: { amount, asset: currency, per: 'request' } }),
  payment: (challenge, members) => [Challenge.credentialHeader(challenge), credentialOf(challenge, members)],
  answer({ headers }) {
    const value = headers.get('Payment-Receipt')
    const receipt = value === null ? undefined : read(() => Receipt.deserialize(value))
    const { statement } = Object(receipt) as { readonly statement?: unknown }
    return typeof statement === 'string' ? { statement } : {}
  },
}

/** A credential, with its payment or without. */
export function credentialOf(challenge: LockstepChallenge, members: Partial<Members>): string {
  return Credential.serialize({ challenge, payload: members })
}

const credentialHeaders = ['Authorization', 'Payment-Authorization']

/** What a credential may take to arrive. */
const marginMs = 2_000

function isLockstep(challenge: Challenge.Challenge): challenge is LockstepChallenge {
  const { method, intent, request } = challenge
  return method === 'lockstep' && intent === 'session' && typeof request.amount === 'string'
}

function isEmpty(payload: unknown): boolean {
  return typeof payload === 'object' && payload !== null && Object.keys(payload).length === 0
}

/** What a vendor says that is not MPP asks for nothing. */
function read<T>(reading: () => T): T | undefined {
  try {
    return reading()
  } catch {
    // Another scheme's header, or none that can be read: the caller gets the response as it is.
    return undefined
  }
}
