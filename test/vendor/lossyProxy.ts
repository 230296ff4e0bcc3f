import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import { onEnd } from '../e2e/town.ts'

export interface LossyProxy {
  readonly url: string
  /** Answers that it ate so far. */
  readonly eaten: () => number
}

/**
 * A way to a server that eats some of its answers, once it begins to: the server has sent it, and the connection is cut. Which
 * ones, the seed decides.
 */
export async function openLossyProxy(
  target: string,
  options: { readonly oneIn: number; readonly seed: number; readonly begins?: () => boolean },
): Promise<LossyProxy> {
  const { hostname, port } = new URL(target)
  let state = options.seed >>> 0
  let eaten = 0
  const { begins = (): boolean => true } = options
  const eats = (): boolean => {
    if (!begins()) return false
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state >>> 8) % options.oneIn === 0
  }
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
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
    client.on('data', (bytes) => void upstream.write(bytes))
    upstream.on('data', (bytes) => {
      if (!eats()) return void client.write(bytes)
      eaten += 1
      client.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  onEnd(async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of open) socket.destroy()
    await closed
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, eaten: () => eaten }
}
