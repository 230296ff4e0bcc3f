/** Paid requests with something changed on the way. */

import { parseBase64url, toBase64url } from '../../src/wire/base64url.ts'

type Headers = Record<string, string>

export function readHeader(value: string): Uint8Array {
  const bytes = parseBase64url(value, 4096)
  if (!bytes.ok) throw new Error(bytes.detail)
  return bytes.value
}

export function changeHeader(name: string, change: (value: string) => string): (headers: Headers) => Headers {
  return (headers) => ({ ...headers, [name]: change(headers[name]!) })
}

export function changeFrame(name: string, change: (bytes: Uint8Array) => Uint8Array): (headers: Headers) => Headers {
  return changeHeader(name, (value) => toBase64url(change(readHeader(value))))
}

export function without(name: string): (headers: Headers) => Headers {
  return (headers) => Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name))
}
