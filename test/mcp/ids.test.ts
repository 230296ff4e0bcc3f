import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { describe, expect, test } from 'vitest'
import { addressOf, canonicalJson, toolPath } from '../../src/mcp/binding.ts'
import { paidTransport } from '../../src/mcp/index.ts'
import { prepare, until } from '../e2e/town.ts'
import { listenTo, openPayTown } from '../vendor/town.ts'

/** A transport whose client is the test, before a server of which no more is known than what it reads. */
async function openTalk() {
  const town = await openPayTown()
  const { pay } = town
  const { url } = await listenTo(async (request) => (await pay.handle(request)) ?? new Response(null, { status: 404 }))
  const channel = await town.open(url)
  const came: JSONRPCMessage[] = []
  const read: JSONRPCMessage[] = []
  const wire: Transport = {
    start: async () => undefined,
    close: async () => undefined,
    send: async (message) => void came.push(message),
  }
  const transport = paidTransport(wire, { pay, prices: { forecast: '0.001' } })
  transport.onmessage = (message) => void read.push(message)
  await transport.start()
  const call = async (id: number, name = 'forecast'): Promise<JSONRPCMessage> => {
    const path = toolPath(name)
    const body = canonicalJson({ city: 'Graz' })
    const { headers } = await prepare(channel, path, 1000n, { method: 'POST', body, vendorUrl: addressOf(pay.vendor) })
    const _meta = Object.fromEntries(
      Object.entries(headers).map(([header, value]) => [header.toLowerCase().replace('-', '/'), value]),
    )
    return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: { city: 'Graz' }, _meta } }
  }
  return { ...town, channel, wire, transport, call, came, read }
}

const rain = { content: [{ type: 'text', text: 'rain in Graz' }] }

describe('a result that was not paid for', () => {
  test('does not come through a free request of the same id that fails first', async () => {
    const { wire, transport, call, came, read } = await openTalk()
    wire.onmessage?.(await call(7))
    await until(() => read.length === 1, 'the server reads the call')
    wire.onmessage?.({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'nosuch' } })
    if (read.length === 2)
      await transport.send({ jsonrpc: '2.0', id: 7, error: { code: -32602, message: 'no such tool' } })
    await transport.send({ jsonrpc: '2.0', id: 7, result: rain })
    await until(() => came.some((message) => 'result' in message), 'the paid call is answered')
    const results = came.filter((message) => 'result' in message)
    expect(results).toEqual([{ jsonrpc: '2.0', id: 7, result: expect.objectContaining(rain) }])
    expect(results).toMatchObject([{ result: { _meta: { 'lockstep/statement': expect.any(String) } } }])
    expect(read).toHaveLength(1)
  })

  test('does not come through a paid call of the id of a free request that fails then', async () => {
    const { wire, transport, call, came, read } = await openTalk()
    wire.onmessage?.({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'nosuch' } })
    wire.onmessage?.(await call(7))
    await until(() => came.length === 1 || read.length === 2, 'the call is taken or refused')
    await transport.send({ jsonrpc: '2.0', id: 7, error: { code: -32602, message: 'no such tool' } })
    await transport.send({ jsonrpc: '2.0', id: 7, result: rain })
    await until(() => came.length >= 2, 'both are answered')
    expect(came.filter((message) => 'result' in message)).toEqual([])
  })

  test('does not come from a server that goes on with a call which was taken back', async () => {
    const { wire, transport, call, came, read, channel } = await openTalk()
    wire.onmessage?.(await call(7))
    await until(() => read.length === 1, 'the server reads the call')
    wire.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } })
    await until(async () => (await channel.refresh()).credit === 1000n, 'nothing was charged')
    await transport.send({ jsonrpc: '2.0', id: 7, result: rain })
    expect(came).toEqual([])
  })

  test('is not made for a notification, nor for a tool whose name is no text', async () => {
    const { wire, came, read } = await openTalk()
    wire.onmessage?.({ jsonrpc: '2.0', method: 'tools/call', params: { name: 'forecast', arguments: {} } })
    wire.onmessage?.({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: ['forecast'], arguments: {} } })
    await until(() => came.length === 1 || read.length === 2, 'it is refused')
    expect(read).toEqual([])
    expect(came).toMatchObject([{ id: 1, error: { code: -32602 } }])
  })

  test('is not made for a task, whose result would be had later', async () => {
    const { wire, call, came, read } = await openTalk()
    const paid = (await call(7)) as { readonly params: object }
    wire.onmessage?.({ ...paid, params: { ...paid.params, task: { ttl: 60_000 } } } as never)
    await until(() => came.length === 1 || read.length === 1, 'it is refused')
    expect(read).toEqual([])
    expect(came).toMatchObject([{ id: 7, error: { code: -32602 } }])
  })
})
