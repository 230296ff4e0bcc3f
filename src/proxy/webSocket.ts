import { request as plain } from 'node:http'
import { request as secure } from 'node:https'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocket } from 'ws'
import type { Input } from '../http/input.ts'

/** Where a WebSocket of the service behind is, and what it is told. */
export interface Handshake {
  readonly url: URL
  readonly headers: Headers
  readonly timeoutMs: number
}

/**
 * What a WebSocket sends, message by message, as fast as it is taken; it is sent the input. Ends when the socket does, and ends it when
 * nobody takes more.
 */
export async function* messagesOf(
  { url, headers, timeoutMs }: Handshake,
  input: AsyncIterable<Input>,
  signal: AbortSignal,
): AsyncGenerator<string | Uint8Array, void> {
  const socket = new WebSocket(url, {
    headers: Object.fromEntries(headers),
    handshakeTimeout: timeoutMs,
    maxPayload: messageSizeMax,
    perMessageDeflate: false,
  })
  const leave = (): void => socket.terminate()
  signal.addEventListener('abort', leave)
  socket.once('open', () => void sayTo(socket, input).catch(leave))
  try {
    for await (const message of createWebSocketStream(socket, { readableObjectMode: true })) {
      yield message as string | Uint8Array
    }
  } catch (error) {
    // Whoever has left waits for nothing.
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', leave)
    socket.terminate()
  }
}

/** Text stays text. What the service does not take waits in the stream that it came by. */
async function sayTo(socket: WebSocket, input: AsyncIterable<Input>): Promise<void> {
  for await (const said of input) {
    await new Promise<void>((resolve, reject) => socket.send(said, (error) => (error ? reject(error) : resolve())))
  }
}

/** As much as one unit of a stream may carry to a client. */
const messageSizeMax = 65_536

/** Carries an upgrade to the service, and then whatever both say, until either ends. */
export function tunnel(
  { url, headers, timeoutMs }: Handshake,
  client: { readonly socket: Duplex; readonly head: Buffer },
  onError: (error: unknown) => void,
): void {
  const { socket, head } = client
  const request = url.protocol === 'https:' ? secure : plain
  const outgoing = request(url, { headers: Object.fromEntries(headers), timeout: timeoutMs })
  // Node has taken its own listener off: without one, a reset of this connection ends the process.
  socket.on('error', () => socket.destroy())
  const fail = (error: Error): void => {
    onError(error)
    socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
  }
  outgoing.once('error', fail)
  outgoing.once('timeout', () => outgoing.destroy(new Error(`${url.origin} did not answer in time`)))
  // What it says to those it does not let in is nothing for a WebSocket.
  outgoing.once('response', ({ statusCode }) => {
    outgoing.destroy(new Error(`${url.origin} answered ${String(statusCode)} where a WebSocket was asked for`))
  })
  outgoing.once('upgrade', (answer, upstream: Duplex, first: Buffer) => {
    outgoing.setTimeout(0)
    const { rawHeaders } = answer
    const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]!}`] : []))
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
    if (first.length > 0) socket.write(first)
    if (head.length > 0) upstream.write(head)
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      one.on('error', () => other.destroy()).once('close', () => other.destroy())
      one.pipe(other)
    }
  })
  socket.once('close', () => outgoing.destroy())
  outgoing.end()
}
