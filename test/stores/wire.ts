/** A line to a PostgreSQL server that breaks where a test says. */

import { connect, createServer, type Socket } from 'node:net'
import { afterEach } from 'vitest'

/**
 * `before`: the line breaks when a commit is on its way, and the server never hears of it. `after`: the server hears of it,
 * and its answer is lost. `afterAndAway`: so, and then nobody gets through any more. `held`: it is on its way for as long as the line lasts.
 */
export type Cut = 'before' | 'after' | 'afterAndAway' | 'held'

export interface Wire {
  /** Of the server, over this line. */
  readonly url: string
  /** Breaks the line at the next commit, `times` times. */
  cutAtCommit(cut: Cut, times?: number): void
  /** Resolves when the line holds a commit. */
  untilHeld(): Promise<void>
  /** Refuses whoever connects, and breaks what there is. */
  close(): void
  open(): void
}

const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0)) close()
})

export async function wireTo(serverUrl: string): Promise<Wire> {
  const target = new URL(serverUrl)
  const sockets = new Set<Socket>()
  let cut: Cut | undefined
  let cuts = 0
  let isOpen = true
  let held: () => void = () => undefined
  const server = createServer((client) => {
    if (!isOpen) {
      client.destroy()
      return
    }
    const upstream = connect(Number(target.port), target.hostname)
    let isMuted = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (bytes) => {
      if (cuts > 0 && bytes.includes('COMMIT\0')) {
        cuts -= 1
        if (cut === 'before') {
          client.destroy()
          return
        }
        if (cut === 'held') {
          held()
          return
        }
        isMuted = true
      }
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (!isMuted) {
        client.write(bytes)
        return
      }
      isOpen = cut !== 'afterAndAway'
      client.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = new URL(serverUrl)
  url.port = String(typeof address === 'object' && address !== null ? address.port : 0)
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  closers.push(() => {
    breakAll()
    server.close()
  })
  return {
    url: url.href,
    cutAtCommit(how, times = 1) {
      cut = how
      cuts = times
    },
    untilHeld: () =>
      new Promise((resolve) => {
        held = resolve
      }),
    close() {
      isOpen = false
      breakAll()
    },
    open() {
      isOpen = true
      breakAll()
    },
  }
}
