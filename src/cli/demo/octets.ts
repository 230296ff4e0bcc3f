/** HTTP with bodies of plain bytes: all that the parties of the published scheme need to talk over real sockets. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface OctetRoute {
  /** POST only. */
  readonly path: string
  /** A body beyond is refused before it is read. */
  readonly bodyMax: number
  answer(body: Uint8Array): OctetAnswer | Promise<OctetAnswer>
}

export type OctetAnswer = { readonly ok: true; readonly body: Uint8Array } | OctetRefusal

export interface OctetRefusal {
  readonly ok: false
  readonly status: 400 | 402 | 404 | 409 | 413
  readonly detail: string
}

export interface OctetServer extends AsyncDisposable {
  readonly url: string
}

/** Serves on a free port of the loopback interface. A refusal is a problem document, RFC 9457. */
export async function serveOctets(routes: readonly OctetRoute[]): Promise<OctetServer> {
  const server = createServer((request, response) => {
    answer(routes, request)
      .then((result) => send(response, result))
      .catch((error: unknown) => response.destroy(asError(error)))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Sends bytes and gives the answer's. Throws where it is a refusal: between honest parties there is none. */
export async function post(url: string, body: Uint8Array): Promise<Uint8Array> {
  const response = await fetch(url, { method: 'POST', body: new Uint8Array(body), headers: { 'content-type': octets } })
  if (!response.ok) throw new OctetError(url, response.status, await response.text())
  return new Uint8Array(await response.arrayBuffer())
}

export function refuse(status: OctetRefusal['status'], detail: string): OctetRefusal {
  return { ok: false, status, detail }
}

/** The other side refused. */
export class OctetError extends Error {
  override readonly name: string = 'OctetError'
  readonly status: number

  constructor(url: string, status: number, problem: string) {
    super(`${new URL(url).pathname} answers ${status}: ${problem}`)
    this.status = status
  }
}

const octets = 'application/octet-stream'

async function answer(routes: readonly OctetRoute[], request: IncomingMessage): Promise<OctetAnswer> {
  const route = routes.find(({ path }) => path === request.url)
  if (route === undefined || request.method !== 'POST') {
    request.resume()
    return refuse(404, `nothing takes a ${request.method ?? 'request'} here`)
  }
  const chunks: Buffer[] = []
  let size = Number(request.headers['content-length'] ?? 0)
  if (size <= route.bodyMax) {
    size = 0
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > route.bodyMax) break
      chunks.push(chunk)
    }
  }
  if (size > route.bodyMax) return refuse(413, `a body here has at most ${route.bodyMax} bytes`)
  return route.answer(new Uint8Array(Buffer.concat(chunks)))
}

function send(response: ServerResponse, result: OctetAnswer): void {
  if (result.ok) {
    response.writeHead(200, { 'content-type': octets, 'content-length': result.body.length }).end(result.body)
    return
  }
  const { status, detail } = result
  // What is left of a refused body is not read: the connection ends with the answer.
  response
    .writeHead(status, { 'content-type': 'application/problem+json', connection: 'close' })
    .end(JSON.stringify({ type: 'about:blank', status, detail }))
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
