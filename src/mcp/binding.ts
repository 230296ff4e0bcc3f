/**
 * Payments over the Model Context Protocol: the HTTP binding of docs/reference/http.md, carried in JSON-RPC. A call of a tool is a
 * `POST` of its arguments to `/tools/NAME`, whose payment travels in `_meta`; everything else that a vendor answers is asked for
 * with the method `lockstep/request`.
 */

import type { JSONRPCMessage, JSONRPCRequest, RequestId } from '@modelcontextprotocol/sdk/types.js'
import { toHex } from '../crypto/bytes.ts'
import type { HeaderSource } from '../http/headers.ts'
import { fromMembers, toMembers } from '../http/members.ts'
import { problemType } from '../http/problems.ts'

/** JSON-RPC codes of payments, those that MPP uses: what a tool costs is to be paid; what was paid is refused. */
export const codes = {
  paymentRequired: -32042,
  paymentRefused: -32043,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
} as const

export const requestMethod = 'lockstep/request'
export const callMethod = 'tools/call'

/** What of the HTTP binding's headers is in `_meta` stands behind this. */
const prefix = 'lockstep/'

/** In the `_meta` of a metered tool's result: what it is charged, as a decimal string. */
export const chargeKey = 'lockstep/charge'

/** In the `_meta` of a tool that is listed: what a call of it costs, as `{amount, asset, metered?}`. */
export const priceKey = 'lockstep/price'

export type Meta = Readonly<Record<string, unknown>>

export interface Call {
  readonly id: RequestId
  readonly name: string
  readonly arguments: unknown
  readonly meta: Meta
  readonly params: Readonly<Record<string, unknown>>
}

/** The address that stands for a vendor's tools: payments name it, nothing is ever sent there. */
export function addressOf(vendor: string): string {
  return `https://${vendor.slice(0, 32)}.mcp.invalid`
}

export function toolPath(name: string): string {
  return `/tools/${encodeURIComponent(name)}`
}

/** The call of a tool; `undefined` for any other message. */
export function readCall(message: JSONRPCMessage): Call | undefined {
  if (!isRequest(message) || message.method !== callMethod) return undefined
  const params = record(message.params)
  const { name } = params
  if (typeof name !== 'string') return undefined
  return { id: message.id, name, arguments: params.arguments ?? {}, meta: record(params._meta), params }
}

export function isRequest(message: JSONRPCMessage): message is JSONRPCRequest {
  return 'method' in message && 'id' in message
}

/** What of `_meta` a vendor reads as headers. */
export function headersIn(meta: Meta): Record<string, string> {
  return fromMembers(meta, prefix)
}

/** The protocol's headers as `_meta`. */
export function metaOf(headers: HeaderSource): Record<string, string> {
  return toMembers(headers, prefix)
}

export function isProblem(headers: HeaderSource): boolean {
  return headers.get('Content-Type')?.startsWith(problemType) === true
}

/** One text for one value, whoever wrote it: RFC 8785. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  // By UTF-16 code units, which is how strings compare.
  members.sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join()}}`
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
}

/** `undefined` for what is no base64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}

export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** The vendor that an offer names, as hex. */
export function vendorOf({ vendor }: { readonly vendor: Uint8Array }): string {
  return toHex(vendor)
}
