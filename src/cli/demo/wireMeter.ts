import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** Counts what crosses the sockets of this process, which plays every party of the demo. */
export interface WireMeter extends Disposable {
  /** So far, both ways, on every connection to one of these servers: HTTP's own bytes and all that it carries. */
  bytes(urls: readonly string[]): number
}

/** Hears of every connection that is made from now on, whoever makes it: a fetch, a WebSocket. */
export function openWireMeter(): WireMeter {
  const connections: { readonly socket: Socket; port: number | undefined }[] = []
  const hear = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket }
    const connection = { socket, port: undefined as number | undefined }
    connections.push(connection)
    // Once it is closed it no longer knows.
    socket.once('connect', () => {
      connection.port = socket.remotePort
    })
  }
  subscribe(channel, hear)
  return {
    bytes(urls) {
      const ports = new Set(urls.map((url) => Number(new URL(url).port)))
      return connections
        .filter(({ port }) => port !== undefined && ports.has(port))
        .reduce((sum, { socket }) => sum + socket.bytesRead + socket.bytesWritten, 0)
    },
    [Symbol.dispose]: () => void unsubscribe(channel, hear),
  }
}

/** What a phase gave, how long it took, to a microsecond, and what `counted` grew by. */
export interface Measured<T> {
  readonly value: T
  readonly ms: number
  readonly bytes: number
}

/** Measures one phase after the other. */
export function measure(counted: () => number): <T>(run: () => Promise<T>) => Promise<Measured<T>> {
  return async (run) => {
    const [bytes, startedMs] = [counted(), performance.now()]
    const value = await run()
    const ms = Math.round((performance.now() - startedMs) * 1000) / 1000
    return { value, ms, bytes: counted() - bytes }
  }
}

/** Node.js tells it of each TCP connection that this process starts. */
const channel = 'net.client.socket'
