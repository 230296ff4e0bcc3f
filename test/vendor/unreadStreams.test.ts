/** Clients of a stream that pay for much and read nothing of it. */

import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { encodePost, eventsType } from '../../src/http/events.ts'
import { headerNames, paymentHeaders } from '../../src/http/headers.ts'
import { managementPaths } from '../../src/http/management.ts'
import { requestDigest } from '../../src/http/requestDigest.ts'
import type { StreamRoute } from '../../src/vendor/index.ts'
import { openRaw } from '../e2e/rawStream.ts'
import { onEnd, openChannel, openTown, type Town, until } from '../e2e/town.ts'

const price = 10n
const unitSize = 65_536
const units = 500

/** A town whose vendor waits so long for a reader, and what it has made. */
async function openBigTown(readTimeoutMs: number): Promise<{
  readonly town: Town
  readonly channel: Awaited<ReturnType<typeof openChannel>>
  readonly made: () => number
}> {
  let made = 0
  const big: StreamRoute = {
    path: '/big',
    price,
    *source() {
      for (;;) {
        made += 1
        yield new Uint8Array(unitSize).fill(0xff)
      }
    },
  }
  const town = await openTown({ streams: [big], serve: { readTimeoutMs }, wallet: { path: ':memory:' } })
  return { town, channel: await openChannel(town), made: () => made }
}

test('over a WebSocket such a one is closed, and charged for no more than was made for it', async () => {
  const { town, channel, made } = await openBigTown(2000)
  const stream = await openRaw(channel, '/big')
  stream.socket.pause()
  const index = await stream.pay(price)
  for (let unit = 1; unit < units; unit++) await stream.tick(index)
  await until(async () => (await town.stall.running(channel)) === 1, 'the stream runs')
  await until(async () => (await town.stall.held(channel)).channel.paid === BigInt(units) * price, 'all is paid')
  await until(async () => (await town.stall.running(channel)) === 0, 'it is given up')
  const { spent } = await channel.refresh()
  expect(spent).toBeGreaterThan(0n)
  expect(spent).toBeLessThanOrEqual(BigInt(made()) * price)
  expect(made()).toBeLessThan(units)
  stream.socket.resume()
  await stream.closed()
  expect(stream.deliveries().length * 10).toBeLessThanOrEqual(Number(spent))
  expect(await channel.close()).toMatchObject({ closing: { spent } })
  expect(town.stall.errors).toEqual([])
})

test('over events such a one is closed, and charged for no more than was made for it', async () => {
  const { town, channel, made } = await openBigTown(500)
  const { port } = new URL(channel.vendorUrl)
  const payment = await channel.pay(price, requestDigest({ method: 'GET', target: `${channel.vendorUrl}/big` }))
  const headers = { Accept: eventsType, ...paymentHeaders({ ...payment, attachment: channel.attachment }) }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const socket = connect(Number(port), '127.0.0.1')
  onEnd(async () => socket.destroy())
  socket.write(`GET /big HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${lines.join('')}\r\n`)
  const id = await streamIn(socket)
  const ticks: Uint8Array[] = []
  for (let unit = 1; unit < units; unit++) ticks.push((await channel.tick(payment.index, 1)).frame)
  const posted = await fetch(channel.vendorUrl + managementPaths.stream, {
    method: 'POST',
    headers: { [headerNames.stream]: id },
    body: encodePost(ticks),
  })
  expect(posted.status).toBe(204)
  await until(async () => (await town.stall.running(channel)) === 0, 'it is given up')
  const { spent } = await channel.refresh()
  expect(spent).toBeGreaterThan(0n)
  expect(spent).toBeLessThanOrEqual(BigInt(made()) * price)
  expect(made()).toBeLessThan(units)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => undefined)
  socket.resume()
  await closed
  expect(await channel.close()).toMatchObject({ closing: { spent } })
  expect(town.stall.errors).toEqual([])
})

/** The stream's id in the head of its answer. Nothing is read after it. */
async function streamIn(socket: Socket): Promise<string> {
  let head = ''
  return new Promise((resolve) => {
    socket.on('data', function read(bytes: Buffer) {
      head += bytes.toString('latin1')
      const [, id] = /lockstep-stream: ([0-9a-f]{32})/i.exec(head) ?? []
      if (id === undefined) return
      socket.off('data', read)
      socket.pause()
      resolve(id)
    })
  })
}
