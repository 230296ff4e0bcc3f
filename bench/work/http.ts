import { paymentHeaders } from '../../src/http/headers.ts'
import { requestDigest } from '../../src/http/requestDigest.ts'
import type { PaidRoute } from '../../src/vendor/index.ts'
import { backendName, type Channel, openChannel, pay, price } from '../channel.ts'
import { startLoad } from '../load.ts'
import { type Figures, times, type Work } from '../measure.ts'
import { openVendor, publicUrl, serveVendor } from '../service.ts'

const connectionsMax = 64

const routes: readonly PaidRoute[] = [
  { method: 'GET', path: '/hello', price, idempotent: true, handler: () => new Response('hello world') },
  {
    method: 'GET',
    path: '/work',
    price,
    // A millisecond of this process, not of waiting: that is what a payment would take away from.
    handler() {
      for (const endMs = performance.now() + 1; performance.now() < endMs; );
      return new Response('hello world')
    },
  },
]

/** Requests by connection, and the bytes of the first one. */
interface Recorded {
  readonly connections: readonly (readonly string[])[]
  readonly requestBytes: number
}

/**
 * Prerecorded requests over 64 connections from another process, each connection with a channel of its own, to a route of this server, paid
 * or not. One operation is one request.
 */
export async function requests(path: '/hello' | '/work', isPaid: boolean): Promise<Work<Recorded>> {
  const vendor = await openVendor('sqlite')
  const server = await serveVendor(vendor, { routes, url: publicUrl })
  const load = startLoad()
  const digest = requestDigest({ method: 'GET', target: publicUrl + path })
  const record = (channel: Channel): string => {
    const { frame, checkpoint } = pay(channel.client, digest)
    const headers = Object.entries(paymentHeaders({ frame, checkpoint, attachment: undefined }))
    return requestOf(path, headers)
  }
  return {
    backend: backendName,
    async prepare(count) {
      const connections = times(Math.min(connectionsMax, count), () => openChannel({ parties: vendor.parties }))
      if (isPaid) for (const channel of connections) await vendor.attach(channel)
      const each = Math.ceil(count / connections.length)
      const recorded = connections.map((channel) =>
        times(each, () => (isPaid ? record(channel) : requestOf(`/free${path}`, []))),
      )
      return { connections: recorded, requestBytes: recorded[0]![0]!.length }
    },
    async run({ connections, requestBytes }): Promise<Figures> {
      const { port } = new URL(server.url)
      const answerBytes = await load.run({ kind: 'converse', port: Number(port), connections })
      return { bytesBothWays: requestBytes + answerBytes }
    },
    async dispose() {
      load.end()
      await server.close()
      await vendor.close()
    },
  }
}

function requestOf(path: string, headers: readonly (readonly string[])[]): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${path} HTTP/1.1\r\nHost: vendor.invalid\r\n${lines.join('')}\r\n`
}
