import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { describe, expect, test } from 'vitest'
import type { PayingWalletOptions } from '../../src/client/index.ts'
import { paidTransport, payingTransport } from '../../src/mcp/index.ts'
import { temporaryPath } from '../bank/support.ts'
import { openTestWallet, type TestWallet } from '../client/wallet/market.ts'
import { onEnd, until } from '../e2e/town.ts'
import { openLossyProxy } from '../vendor/lossyProxy.ts'
import { openPayTown } from '../vendor/town.ts'
import { createTools, noteIn, prices } from './tools.ts'

interface Workshop extends TestWallet {
  readonly client: Client
  /** Runs of tools so far. */
  runs(): readonly string[]
  /** Another client, which pays with nothing. */
  stranger(): Promise<Client>
  /** Another one that pays out of the same wallet. */
  another(): Promise<Client>
}

type Kind = 'stdio' | 'HTTP'

async function openWorkshop(
  kind: Kind,
  options: Partial<PayingWalletOptions> = {},
  through: (url: string) => Promise<string> = async (url) => url,
): Promise<Workshop> {
  const store = `sqlite:${temporaryPath('tools.db')}`
  const town = await openPayTown({ store })
  const notes = temporaryPath('notes')
  const connect = kind === 'stdio' ? await overStdio() : await overHttp()
  const opened = await openTestWallet(town.bankUrl, { attempts: 2, ...options })
  const client = await connectClient(payingTransport(connect(), opened.w))
  return {
    ...opened,
    client,
    runs: () => (existsSync(notes) ? readFileSync(notes, 'utf8').trim().split('\n') : []),
    stranger: () => connectClient(connect()),
    another: () => connectClient(payingTransport(connect(), opened.w)),
  }

  async function overStdio(): Promise<() => Transport> {
    // It only made the key and registered it: the process is the vendor.
    await town.pay.close()
    const program = fileURLToPath(new URL('./toolsProcess.ts', import.meta.url))
    return () => new StdioClientTransport({ command: process.execPath, args: [program, town.bankUrl, store, notes] })
  }

  async function overHttp(): Promise<() => Transport> {
    const sessions = new Map<string, StreamableHTTPServerTransport>()
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const known = sessions.get(String(request.headers['mcp-session-id']))
      if (known !== undefined) return known.handleRequest(request, response)
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void sessions.set(id, transport),
      })
      await createTools(noteIn(notes)).connect(paidTransport(transport as Transport, { pay: town.pay, prices }))
      await transport.handleRequest(request, response)
    }
    const http = createServer((request, response) => void answer(request, response))
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    onEnd(async () => {
      http.closeAllConnections()
      http.close()
    })
    const url = new URL('/mcp', await through(`http://127.0.0.1:${(http.address() as AddressInfo).port}`))
    return () => new StreamableHTTPClientTransport(url) as Transport
  }
}

async function connectClient(transport: Transport): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(transport)
  onEnd(() => client.close())
  return client
}

const graz = { name: 'forecast', arguments: { days: 2, city: 'Graz' } }

test('two connections to one vendor are paid out of one wallet, each call over its own', async () => {
  const { client, another, of, runs } = await openWorkshop('HTTP')
  const other = await another()
  const call = async (asked: Client, city: string): Promise<unknown> =>
    (await asked.callTool({ name: 'forecast', arguments: { city } })).content
  const said = (city: string): unknown => [{ type: 'text', text: `rain in ${city}` }]
  expect(await call(client, 'Graz')).toEqual(said('Graz'))
  const cities = ['Wien', 'Linz', 'Enns', 'Wels'] as const
  const pairs = cities.map((city, at) => call(at % 2 === 0 ? client : other, city))
  expect(await Promise.all(pairs)).toEqual(cities.map(said))
  await other.close()
  expect(await call(client, 'Graz')).toEqual(said('Graz'))
  expect(runs()).toHaveLength(6)
  expect(of('payment').map(({ charged }) => charged)).toEqual(Array.from({ length: 6 }, () => '0.001'))
})

describe.each(['stdio', 'HTTP'] as const)('over %s', (kind) => {
  test('a tool is paid for and runs once a call, many at a time on one channel', async () => {
    const { client, of, runs } = await openWorkshop(kind)
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.callTool(graz)))
    for (const answer of answers) expect(answer.content).toEqual([{ type: 'text', text: 'rain in Graz' }])
    expect(runs()).toEqual(Array.from({ length: 20 }, () => 'forecast Graz 2'))
    expect(of('opened')).toHaveLength(1)
    const payments = of('payment')
    expect(new Set(payments.map(({ index }) => index)).size).toBe(20)
    expect(payments.map(({ charged }) => charged)).toEqual(payments.map(() => '0.001'))
  })

  test('a tool that fails costs nothing; one that is free is called as ever', async () => {
    const { client, of } = await openWorkshop(kind)
    expect(await client.callTool({ name: 'time' })).toMatchObject({ content: [{ text: 'noon' }] })
    expect(of('payment')).toEqual([])
    for (const name of ['fail', 'throw']) {
      expect(await client.callTool({ name })).toMatchObject({ isError: true })
      expect(of('payment').at(-1)).toMatchObject({ price: '0.001', charged: '0' })
    }
    await client.callTool(graz)
    expect(of('payment').at(-1)).toMatchObject({ charged: '0.001' })
  })

  test('a metered tool costs what its result says', async () => {
    const { client, of } = await openWorkshop(kind)
    const story = await client.callTool({ name: 'story', arguments: { words: 12 } })
    expect(story._meta).toMatchObject({ 'lockstep/charge': '0.000120' })
    expect(of('payment')).toMatchObject([{ price: '0.01', charged: '0.00012' }])
  })

  test('tools are listed with their prices', async () => {
    const { client } = await openWorkshop(kind)
    const { tools } = await client.listTools()
    const priced = Object.fromEntries(tools.map(({ name, _meta }) => [name, _meta?.['lockstep/price']]))
    expect(priced).toMatchObject({
      time: undefined,
      forecast: { amount: '1000', asset: 'USD/6' },
      story: { amount: '10000', asset: 'USD/6', metered: true },
    })
  })

  test('who does not pay is told the price, and nothing runs', async () => {
    const { stranger, runs } = await openWorkshop(kind)
    const client = await stranger()
    await expect(client.callTool(graz)).rejects.toMatchObject({
      code: -32042,
      message: expect.stringContaining('forecast costs 0.001 USD') as string,
      data: { problem: { price: { amount: '1000', asset: 'USD/6', per: 'request' } } },
    })
    expect(await client.callTool({ name: 'time' })).toMatchObject({ content: [{ text: 'noon' }] })
    expect(runs()).toEqual(['time'])
  })

  test('a call beyond the budget is refused before anything is paid, and says why', async () => {
    const { client, of, runs } = await openWorkshop(kind, { budget: { request: '0.0005' } })
    await expect(client.callTool(graz)).rejects.toThrow(/budget\.request/)
    expect([of('payment'), of('opened'), runs()]).toEqual([[], [], []])
  })

  test('progress passes, and a call that is taken back is not charged', async () => {
    const { client, of, runs } = await openWorkshop(kind)
    const steps: number[] = []
    const answer = await client.callTool({ name: 'slow' }, undefined, {
      onprogress: ({ progress }) => steps.push(progress),
    })
    expect(answer).toMatchObject({ content: [{ text: 'done' }] })
    expect(steps).toEqual([1, 2, 3])
    const taken = new AbortController()
    const calling = client.callTool({ name: 'slow' }, undefined, { signal: taken.signal })
    await until(() => runs().length === 2, 'the tool runs')
    taken.abort()
    await expect(calling).rejects.toThrow()
    expect(await client.callTool(graz)).toMatchObject({ content: [{ text: 'rain in Graz' }] })
    expect(of('payment').map(({ charged }) => charged)).toEqual(['0.001', '0.001'])
  })
})

test('over a line that eats one answer in twenty a hundred calls run and are charged once each', async () => {
  let isLossy = false
  let eaten = (): number => 0
  const { client, runs, of, w } = await openWorkshop('HTTP', { attempts: 20 }, async (url) => {
    const line = await openLossyProxy(url, { oneIn: 20, seed: 5, begins: () => isLossy })
    eaten = line.eaten
    return line.url
  })
  await client.callTool(graz)
  isLossy = true
  const days = Array.from({ length: 100 }, (_, at) => at + 10)
  const answers = await Promise.all(
    days.map((day) => client.callTool({ name: 'forecast', arguments: { days: day, city: 'Graz' } })),
  )
  isLossy = false
  expect(answers.map(({ content }) => content)).toEqual(days.map(() => [{ type: 'text', text: 'rain in Graz' }]))
  expect(eaten()).toBeGreaterThanOrEqual(5)
  expect([...runs()].sort()).toEqual(['forecast Graz 2', ...days.map((day) => `forecast Graz ${day}`)].sort())
  expect(of('payment')).toHaveLength(101)
  expect(w.paidToday()).toBe('0.101')
  await w.close()
  expect(of('closed').map(({ spent }) => spent)).toEqual(['0.101'])
})

test('a server that sells nothing is called as ever', async () => {
  const town = await openPayTown()
  const { w, events } = await openTestWallet(town.bankUrl)
  const { InMemoryTransport } = await import('@modelcontextprotocol/sdk/inMemory.js')
  const [ours, theirs] = InMemoryTransport.createLinkedPair()
  const runs: string[] = []
  await createTools((run) => runs.push(run)).connect(theirs)
  const client = await connectClient(payingTransport(ours, w))
  expect(await client.callTool(graz)).toMatchObject({ content: [{ text: 'rain in Graz' }] })
  expect(runs).toEqual(['forecast Graz 2'])
  expect(events).toEqual([])
})
