import { concat } from '../crypto/bytes.ts'
import { type Amount, parseAmount } from '../wire/amount.ts'
import type { Mac } from '../wire/Frame.ts'
import { kinds } from '../wire/kinds.ts'
import { malformed, type Parsed, parsed } from '../wire/parsed.ts'
import * as Statement from '../wire/Statement.ts'
import type { Problem } from './problems.ts'
import { isProblemReason } from './remedies.ts'

/** WebSocket subprotocol of paid streams: Design 3.10. Every message is binary and starts with its kind. */
export const subprotocol = 'lockstep.1'

/** What a client agrees to pay for a unit, beside the subprotocol: pages can give a WebSocket no headers. */
export function agreedTo(price: bigint): string {
  return `${agreedPrefix}${price}`
}

/** What a client says among its subprotocols that it agrees to; `undefined` where it says nothing that can be read. */
export function agreedIn(protocols: readonly string[]): Amount | undefined {
  const said = protocols.find((name) => name.startsWith(agreedPrefix))
  const price = said === undefined ? undefined : parseAmount(said.slice(agreedPrefix.length))
  return price?.ok === true ? price.value : undefined
}

const agreedPrefix = 'lockstep.price.'

/** The longest message a client sends that is not input: the attachment. */
export const paymentMessageMax = 1024

/** What a vendor sends on a stream. */
export type VendorMessage =
  | { readonly kind: 'statement'; readonly statement: Statement.Statement }
  | { readonly kind: 'delivery'; readonly payload: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'problem'; readonly problem: Pick<Problem, 'reason' | 'detail'> }

export function encodeDelivery(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(Uint8Array.of(kinds.delivery), payload)
}

export function encodeEnd(): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(kinds.end)
}

export function encodeProblem(problem: Problem): Uint8Array<ArrayBuffer> {
  return concat(Uint8Array.of(kinds.problem), new TextEncoder().encode(JSON.stringify(problem)))
}

export function parseVendorMessage(message: Uint8Array, mac: Mac): Parsed<VendorMessage> {
  const [kind = 0] = message
  switch (kind) {
    case kinds.statement: {
      const statement = Statement.parse(message, mac)
      return statement.ok ? parsed({ kind: 'statement', statement: statement.value }) : statement
    }
    case kinds.delivery:
      return parsed({ kind: 'delivery', payload: message.subarray(1) })
    case kinds.end:
      return message.length === 1 ? parsed({ kind: 'end' }) : malformed('end: one byte')
    case kinds.problem:
      return parseProblem(message.subarray(1))
    default:
      return malformed(`no message of a vendor starts with 0x${kind.toString(16)}`)
  }
}

function parseProblem(body: Uint8Array): Parsed<VendorMessage> {
  if (body.length > 4096) return malformed('problem: more than 4,096 bytes')
  try {
    const { reason, detail } = JSON.parse(new TextDecoder().decode(body)) as { reason?: unknown; detail?: unknown }
    if (typeof reason !== 'string' || !isProblemReason(reason)) return malformed('problem: no such reason')
    return parsed({ kind: 'problem', problem: { reason, detail: String(detail) } })
  } catch {
    // Not JSON: said in our own words, since the vendor's are unreadable.
    return malformed('problem: not JSON')
  }
}
