/** A way to a server that counts the HTTP requests on its sockets, and eats answers when it is told to. */

import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

export interface Recorder {
  readonly url: string
  /** `GET /joke`, each as often as it was sent. */
  readonly requests: string[]
  /** Answers that it ate. */
  eaten(): number
  /** Eats the answers to so many of the next requests: the server has sent them, and their connections are cut. */
  eat(count: number): void
  close(): Promise<void>
}

export async function openRecorder(target: string): Promise<Recorder> {
  const { hostname, port } = new URL(target)
  const requests: string[] = []
  const open = new Set<Socket>()
  let toEat = 0
  let eaten = 0
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    const count = headCounter((line) => void requests.push(line))
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
    }
    client.on('data', (bytes) => {
      count(bytes)
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (toEat === 0) return void client.write(bytes)
      toEat -= 1
      eaten += 1
      client.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    eaten: () => eaten,
    eat(count) {
      toEat += count
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

/** Tells of each request that a client writes to a connection: its method and its path. Bodies are passed over. */
function headCounter(tell: (line: string) => void): (bytes: Buffer) => void {
  let held = Buffer.alloc(0)
  let body = 0
  return (bytes) => {
    held = Buffer.concat([held, bytes])
    for (;;) {
      const passed = Math.min(body, held.length)
      held = held.subarray(passed)
      body -= passed
      const end = held.indexOf('\r\n\r\n')
      if (body > 0 || end === -1) return
      const head = held.subarray(0, end).toString('latin1')
      const [, method, path] = /^([A-Z]+) ([^ ?]+)\S* HTTP\/1\.1\r?$/m.exec(head) ?? []
      if (method === undefined || path === undefined)
        throw new Error(`this is no head of a request: ${head.slice(0, 80)}`)
      if (/^transfer-encoding:/im.test(head)) throw new Error('requests in chunks are not counted')
      tell(`${method} ${path}`)
      body = Number(/^content-length: *([0-9]+)/im.exec(head)?.[1] ?? 0)
      held = held.subarray(end + 4)
    }
  }
}
