/** A request that may be sent several times: its body is read once. */
export interface Repeatable {
  readonly method: string
  readonly url: URL
  /** As `fetch` takes it, with all of the caller's own. */
  readonly init: RequestInit
  readonly signal: AbortSignal
}

/** Reads what `fetch` would be called with. */
export async function repeatable(input: string | URL | Request, init: RequestInit | undefined): Promise<Repeatable> {
  const request = new Request(input, init)
  const { method, headers, signal, credentials, cache, redirect, integrity, keepalive } = request
  const body = new Uint8Array(await request.arrayBuffer())
  const url = new URL(request.url)
  // The caller's own members first: runtimes have some of theirs, as a dispatcher.
  const whole = { credentials, cache, redirect, integrity, keepalive, ...init, method, headers, signal }
  return { method, url, signal, init: body.length > 0 ? { ...whole, body } : withoutBody(whole) }
}

function withoutBody({ body: _body, ...init }: RequestInit): RequestInit {
  return init
}
