import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  decodePaymentSignatureHeader,
  encodePaymentSignatureHeader,
} from '@x402/core/http'
import type { PaymentRequirements } from '@x402/core/types'
import type { Dialect } from '../line.ts'
import { network, type RequirementsExtra, scheme } from './scheme.ts'

export type LockstepRequirements = PaymentRequirements & { readonly extra: Partial<RequirementsExtra> }

/** x402 over HTTP, version 2: requirements, payments and settlements in its three headers. */
export const x402: Dialect<LockstepRequirements> = {
  asked({ status, headers }) {
    const value = headers.get('PAYMENT-REQUIRED')
    return status === 402 && value !== null
      ? read(() => decodePaymentRequiredHeader(value).accepts.find(isLockstep))
      : undefined
  },
  ticket(headers) {
    const value = headers.get(header)
    const sent = value === null ? undefined : read(() => decodePaymentSignatureHeader(value))
    const isTicket = sent !== undefined && isLockstep(sent.accepted) && Object.keys(Object(sent.payload)).length === 0
    return isTicket ? (sent.accepted as LockstepRequirements) : undefined
  },
  isGood: () => true,
  terms: ({ amount, asset, extra: { offer } }) => ({ offer, price: { amount, asset, per: 'request' } }),
  payment({ extra: { offer: _offer, refused: _refused, ...extra }, ...accepted }, members) {
    // The server knows its own offer.
    return [
      header,
      encodePaymentSignatureHeader({ x402Version: 2, accepted: { ...accepted, extra }, payload: members }),
    ]
  },
  answer(response) {
    const value = response.headers.get('PAYMENT-RESPONSE')
    const { extra = {} } = (value === null ? undefined : read(() => decodePaymentResponseHeader(value))) ?? {}
    const { problem, statement = extra.statement } = x402.asked(response)?.extra.refused ?? {}
    return { ...(typeof statement === 'string' && { statement }), problem }
  },
}

const header = 'PAYMENT-SIGNATURE'

function isLockstep(requirements: PaymentRequirements): requirements is LockstepRequirements {
  const { extra, amount } = requirements
  const isTheirs = requirements.scheme === scheme && requirements.network === network
  return isTheirs && typeof amount === 'string' && typeof Object(extra).offer === 'object'
}

/** What a vendor says that is not x402 asks for nothing. */
function read<T>(reading: () => T): T | undefined {
  try {
    return reading()
  } catch {
    // Another header of this name, or one that cannot be read: the caller gets the response as it is.
    return undefined
  }
}
