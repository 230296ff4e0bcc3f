/** What of a message's headers is for the next server only, and what a proxy adds. */

/** RFC 9110, 7.6.1, with what servers before it sent. What `Connection` names goes as well. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Headers that make some services serve another path or method than the one that was paid for. */
const overriding: ReadonlySet<string> = new Set([
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
])

export interface Forwarding {
  /** Where the client is, if that is known. */
  readonly caller: string | undefined
  /** The public address, as the client knows it. */
  readonly publicUrl: URL
  /** What the service behind is told in place of the client's own. */
  readonly authorization: string | undefined
  /** Headers of that name are another proxy's of yours. */
  readonly trustProxy: boolean
}

/** Headers of a request, for the service behind. */
export function requestHeaders(headers: Headers, forwarding: Forwarding): Headers {
  const passed = endToEnd(headers)
  for (const name of [...overriding, 'expect', 'host', 'content-length', 'forwarded']) passed.delete(name)
  const { caller, publicUrl, authorization, trustProxy } = forwarding
  const told = (name: string): string | undefined => (trustProxy ? (headers.get(name) ?? undefined) : undefined)
  const from = [told('X-Forwarded-For'), caller].filter((address) => address !== undefined)
  passed.delete('X-Forwarded-For')
  if (from.length > 0) passed.set('X-Forwarded-For', from.join(', '))
  passed.set('X-Forwarded-Host', told('X-Forwarded-Host') ?? publicUrl.host)
  passed.set('X-Forwarded-Proto', told('X-Forwarded-Proto') ?? publicUrl.protocol.slice(0, -1))
  if (authorization !== undefined) passed.set('Authorization', authorization)
  return passed
}

/** Headers of an answer, for the client: its statements are the vendor's alone. */
export function endToEnd(headers: Headers): Headers {
  const named = headers.get('Connection')?.toLowerCase().split(',') ?? []
  const ended = new Set([...hopByHop, ...named.map((name) => name.trim())])
  const passed = new Headers()
  for (const [name, value] of headers) {
    if (!ended.has(name) && !name.startsWith('lockstep-')) passed.append(name, value)
  }
  return passed
}
