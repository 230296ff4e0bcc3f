/**
 * Who asks a server of a benchmark, as a process of its own: sends what was recorded as fast as it is taken. Told by its parent what to
 * send, it answers when all of it was served.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { kinds } from '../src/wire/kinds.ts'

/** Messages over one WebSocket, all at once, until as many units were delivered. */
interface Pour {
  readonly kind: 'pour'
  readonly port: number
  readonly path: string
  readonly messages: readonly Uint8Array[]
  readonly deliveries: number
}

/** Requests over connections that are kept, on each the next one when the one before is answered. */
interface Converse {
  readonly kind: 'converse'
  readonly port: number
  readonly connections: readonly (readonly string[])[]
}

export interface Load {
  /** Resolves when it was served; gives the bytes of the last answer. */
  run(order: Pour | Converse): Promise<number>
  end(): void
}

export function startLoad(): Load {
  const child = fork(fileURLToPath(import.meta.url), ['serve'], { serialization: 'advanced', execArgv: [] })
  return {
    async run(order) {
      child.send(order)
      const answer = await answerOf(child)
      if (typeof answer !== 'number') throw new Error(`the load failed: ${String(answer)}`)
      return answer
    },
    end: () => child.disconnect(),
  }
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const ended = once(child, 'exit').then(() => 'it ended')
  const [answer] = (await Promise.race([once(child, 'message'), ended.then((why) => [why])])) as [unknown]
  return answer
}

if (process.argv[2] === 'serve') {
  process.on('message', (order: Pour | Converse) => {
    const running = order.kind === 'pour' ? pour(order) : converse(order)
    running.then(
      (bytes) => process.send!(bytes),
      (error: unknown) => process.send!(String(error)),
    )
  })
}

async function pour({ port, path, messages, deliveries }: Pour): Promise<number> {
  const socket = await open(port)
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: vendor\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: lockstep.1\r\n\r\n',
  )
  const [head] = (await once(socket, 'data')) as [Buffer]
  if (!head.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(head.toString('latin1'))
  const delivered = new Promise<void>((resolve, reject) => {
    let left = deliveries
    let rest: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      for (let frame = frameOf(rest); frame !== undefined; frame = frameOf(rest)) {
        const [kind] = frame.payload
        if (frame.opcode === opcodes.ping) socket.write(masked(frame.payload, opcodes.pong))
        if (kind === kinds.delivery) left -= 1
        if (kind === kinds.problem) reject(new Error(frame.payload.toString()))
        rest = rest.subarray(frame.size)
      }
      if (left === 0) resolve()
    })
    socket.on('close', () => reject(new Error('the vendor closed the stream')))
  })
  socket.write(Buffer.concat(messages.map((message) => masked(message))))
  await delivered
  socket.destroy()
  return 0
}

/** A frame of a client: its mask is of zeros, which takes as long to take off as any other. */
function masked(payload: Uint8Array, opcode: number = opcodes.binary): Uint8Array {
  const size = payload.length
  const head = size < 126 ? [0x80 | opcode, 0x80 | size] : [0x80 | opcode, 0xfe, size >> 8, size & 255]
  return Buffer.concat([Uint8Array.from([...head, 0, 0, 0, 0]), payload])
}

const opcodes = { binary: 2, ping: 9, pong: 10 }

/** The first frame of a server in these bytes, once all of it is there. */
function frameOf(
  bytes: Buffer,
): { readonly opcode: number; readonly payload: Buffer; readonly size: number } | undefined {
  if (bytes.length < 2) return undefined
  const short = bytes[1]! & 127
  if (short === 126 && bytes.length < 4) return undefined
  const [head, length] = short === 126 ? [4, bytes.readUInt16BE(2)] : [2, short]
  const size = head + length
  return bytes.length < size ? undefined : { opcode: bytes[0]! & 15, payload: bytes.subarray(head, size), size }
}

async function converse({ port, connections }: Converse): Promise<number> {
  const sizes = await Promise.all(
    connections.map(async (requests) => {
      const socket = await open(port)
      let size = 0
      for (const request of requests) {
        socket.write(request)
        size = await answerIn(socket)
      }
      socket.destroy()
      return size
    }),
  )
  return sizes.at(-1) ?? 0
}

/** Bytes of the next answer, which has to be a success. */
async function answerIn(socket: Socket): Promise<number> {
  let text = ''
  while (!isWhole(text)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    text += chunk.toString('latin1')
  }
  if (!text.startsWith('HTTP/1.1 200')) throw new Error(text)
  return text.length
}

function isWhole(text: string): boolean {
  const head = text.indexOf('\r\n\r\n')
  const length = /^content-length: (\d+)\r$/im.exec(text.slice(0, head + 1))?.[1]
  return head >= 0 && (length === undefined ? text.endsWith('0\r\n\r\n') : text.length >= head + 4 + Number(length))
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  await once(socket, 'connect')
  return socket
}
