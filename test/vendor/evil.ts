/** A server that does anything but what it should. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { problemOf, problemType } from '../../src/http/problems.ts'
import { onEnd } from '../e2e/town.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface EvilServer {
  readonly url: string
  /** How many requests came. */
  readonly requests: () => number
  /** Answers every request like this from now on. */
  answer(answer: Answer): void
  says(body: string, status?: number, type?: string): Answer
  refuses(): Answer
  /** Sends this for ever. */
  endless(body: string): Answer
  /** Takes the request, and that is all. */
  silent(): Answer
  /** Breaks off in the middle. */
  cuts(): Answer
  close(): Promise<void>
}

export async function evilServer(): Promise<EvilServer> {
  let current: Answer = (_, response) => response.end()
  let requests = 0
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    requests += 1
    response.on('error', () => response.destroy())
    request.on('error', () => response.destroy())
    current(request, response)
  })
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const says = (body: string, status = 200, type = 'application/json'): Answer => {
    return (_, response) => response.writeHead(status, { 'Content-Type': type }).end(body)
  }
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= new Promise((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
    return closed
  }
  onEnd(close)
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    answer: (answer) => {
      current = answer
    },
    says,
    refuses: () =>
      says(JSON.stringify(problemOf({ reason: 'BalanceTooLow', detail: 'the till is empty' })), 402, problemType),
    endless: (body) => (_, response) => {
      const chunk = body.repeat(65_536)
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', more)
      more()
    },
    silent: () => () => undefined,
    cuts: () => (_, response) => {
      response.writeHead(200, { 'Content-Length': '1000' })
      response.write('some')
      setTimeout(() => response.destroy(), 10)
    },
    close,
  }
}
