import { createServer, type ServerResponse } from 'node:http'
import { listen } from '../../net/listen.ts'
import type { Exposition } from '../metrics/prometheus.ts'
import type { Readiness } from './readiness.ts'

export interface OpsServer {
  readonly url: string
  close(): Promise<void>
}

/**
 * Health, readiness and metrics, on a port of their own that no customer reaches.
 *
 * | path | answer |
 * | --- | --- |
 * | `/healthz` | 200 while the loop turns: a process that does not answer is to be started anew |
 * | `/readyz` | 200 with every check, 503 where one fails: then nothing new is to be sent here |
 * | `/metrics` | Prometheus text |
 */
export async function serveOps(
  deps: { readonly readiness: Readiness; readonly exposition: Exposition | undefined },
  { host, port }: { readonly host: string; readonly port: number },
): Promise<OpsServer> {
  const { readiness, exposition } = deps
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => {
    const path = request.url?.split('?', 1)[0] ?? ''
    request.resume()
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, { error: 'only GET' })
    answer(path, response).catch((error: unknown) => {
      send(response, 500, { error: error instanceof Error ? error.message : String(error) })
    })
  })

  const answer = async (path: string, response: ServerResponse): Promise<void> => {
    switch (path) {
      case '/healthz':
        return send(response, 200, { ok: true })
      case '/readyz': {
        const state = await readiness.state()
        return send(response, state.ok ? 200 : 503, state)
      }
      case '/metrics':
        if (exposition === undefined) {
          return send(response, 501, { error: 'metrics need the package prom-client: npm install prom-client' })
        }
        return sendText(response, 200, exposition.type, await exposition.text())
      default:
        return send(response, 404, { error: 'here are /healthz, /readyz and /metrics' })
    }
  }

  const url = await listen(server, 'health and metrics', { host, port })
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  sendText(response, status, 'application/json', `${JSON.stringify(body)}\n`)
}

function sendText(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  })
  response.end(body)
}
