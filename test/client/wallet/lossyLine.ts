/** A way to a server on which answers are lost: a proxy of its own that passes on bytes, and cuts connections. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onEnd } from '../../e2e/town.ts'

export interface LossyLine {
  readonly url: string
  /** Answers that were eaten. */
  readonly eaten: () => number
}

/** Eats every `nth` answer on the way to this port: the server has sent it, the client sees its connection end. */
export async function lossyLine(port: number, nth: number): Promise<LossyLine> {
  let answers = 0
  let eaten = 0
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => socket.destroy())
    }
    client.on('data', (bytes) => upstream.write(bytes))
    upstream.on('data', (bytes) => {
      if (bytes.subarray(0, 5).toString('latin1') === 'HTTP/') answers += 1
      if (bytes.subarray(0, 5).toString('latin1') === 'HTTP/' && answers % nth === 0) {
        eaten += 1
        client.destroy()
        upstream.destroy()
      } else client.write(bytes)
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onEnd(
    () =>
      new Promise((resolve) => {
        server.close(resolve)
        for (const socket of sockets) socket.destroy()
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, eaten: () => eaten }
}
