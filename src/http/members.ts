import { type HeaderSource, headerNames } from './headers.ts'

/** The protocol's headers that travel as members of an object where another protocol has the headers. */
const carried = ['channel', 'payment', 'checkpoint', 'attachment', 'statement', 'price'] as const

/** What headers carry, as members of an object: base64url as it was, each name behind `prefix`. */
export function toMembers(headers: HeaderSource, prefix = ''): Record<string, string> {
  return Object.fromEntries(
    carried.flatMap((name) => {
      const value = headers.get(headerNames[name])
      return value === null ? [] : [[prefix + name, value]]
    }),
  )
}

/** The headers that such members stand for. What no header could be, or what is longer than any message, is left out. */
export function fromMembers(members: Readonly<Record<string, unknown>>, prefix = ''): Record<string, string> {
  return Object.fromEntries(
    carried.flatMap((name) => {
      const value = members[prefix + name]
      return typeof value === 'string' && /^[\w-]{1,1024}$/.test(value) ? [[headerNames[name], value]] : []
    }),
  )
}
