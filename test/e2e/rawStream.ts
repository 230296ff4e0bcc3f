/** The client's side of a stream, message by message. */

import { WebSocket } from 'ws'
import type { PayingChannel } from '../../src/client/index.ts'
import { requestDigest } from '../../src/http/requestDigest.ts'
import { parseVendorMessage, subprotocol, type VendorMessage } from '../../src/http/stream.ts'
import type { Statement } from '../../src/wire/Statement.ts'
import { onEnd, until } from './town.ts'

export interface RawStream {
  readonly socket: WebSocket
  readonly messages: VendorMessage[]
  /** Close code, once there is one. */
  readonly code: () => number | undefined
  deliveries(): readonly Uint8Array[]
  statements(): readonly Statement[]
  problem(): string | undefined
  send(...messages: (Uint8Array | string | undefined)[]): void
  /** Makes a payment and sends it; gives its index. */
  pay(price: bigint, previous?: number): Promise<number>
  tick(index: number, coins?: number): Promise<Uint8Array>
  /** Resolves when this many deliveries have come. */
  delivered(count: number): Promise<void>
  closed(): Promise<void>
}

export async function openRaw(
  channel: PayingChannel,
  path: string,
  protocol: string = subprotocol,
): Promise<RawStream> {
  const url = channel.vendorUrl + path
  const socket = new WebSocket(url.replace('http', 'ws'), protocol)
  const messages: VendorMessage[] = []
  let code: number | undefined
  socket.on('message', (data) => {
    const message = parseVendorMessage(new Uint8Array(data as Buffer), channel.state.macs.statement)
    if (!message.ok) throw new Error(message.detail)
    messages.push(message.value)
  })
  socket.on('close', (closedWith) => {
    code = closedWith
  })
  socket.on('error', () => {
    // What it means shows in the close code.
  })
  onEnd(async () => socket.terminate())
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const digest = requestDigest({ method: 'GET', target: url })
  const deliveries = (): readonly Uint8Array[] =>
    messages.flatMap((message) => (message.kind === 'delivery' ? [message.payload] : []))
  const send = (...sent: (Uint8Array | string | undefined)[]): void => {
    for (const message of sent) if (message !== undefined) socket.send(message)
  }
  send(channel.attachment)
  return {
    socket,
    messages,
    code: () => code,
    deliveries,
    statements: () => messages.flatMap((message) => (message.kind === 'statement' ? [message.statement] : [])),
    problem() {
      const last = messages.at(-1)
      return last?.kind === 'problem' ? last.problem.reason : undefined
    },
    send,
    async pay(price, previous) {
      const payment = await channel.pay(price, digest, { previous })
      send(payment.checkpoint, payment.frame)
      return payment.index
    },
    async tick(index, coins = 1) {
      const { checkpoint, frame } = await channel.tick(index, coins)
      send(checkpoint, frame)
      return frame
    },
    delivered: (count) => until(() => deliveries().length >= count, `delivery ${count}`),
    closed: () => until(() => code !== undefined, 'the stream closes'),
  }
}
