import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { isSound } from '../../src/cli/demo/isSound.ts'
import { planPayments } from '../../src/cli/demo/shop.ts'
import { tokenize } from '../../src/cli/demo/tokens.ts'
import type { DemoResult } from '../../src/cli/demo/types.ts'
import { openWireMeter } from '../../src/cli/demo/wireMeter.ts'
import { toHex, utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import * as Terms from '../../src/wire/Terms.ts'
import { read } from '../protocol/world.ts'
import { lockstep, root } from './processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'lockstep-demo-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Small, and not the file that the demo sells by itself. */
const sold = join(root, 'biome.json')
const payments = 12
const hex = (bytes: number): unknown => expect.stringMatching(new RegExp(`^[0-9a-f]{${2 * bytes}}$`))
const hash = expect.stringMatching(/^0x[0-9a-f]{64}$/)
const decimal = expect.stringMatching(/^[1-9][0-9]*$/)
const positive = expect.any(Number)

const evm = {
  kind: 'evm',
  chainId: 31_337,
  registry: expect.stringMatching(/^0x[0-9a-f]{40}$/),
  recordTx: hash,
  leaf: hex(32),
  proofVerified: true,
}
const lockstepResult = {
  profile: 'lockstep',
  lockScheme: 'schnorr',
  backend: expect.stringMatching(/^(native|portable)$/),
  channelId: hex(32),
  payments,
  ticks: expect.any(Number),
  paid: decimal,
  charged: decimal,
  refunded: decimal,
  retry: { sent: 2, handlerRuns: 1, charges: 1 },
  receiptsOpened: payments + 1,
  receiptsVerified: payments + 1,
  contentSha256: toHex(sha256(readFileSync(sold))),
  chain: evm,
  ms: { setup: positive, transaction: positive, release: positive, record: positive },
  bytes: { setup: positive, transaction: positive, release: positive, perPayment: positive },
}

describe('lockstep demo as a process', () => {
  it.each([
    ['with nothing chosen', [], lockstepResult],
    [
      'with the published scheme',
      ['--profile', 'published'],
      { ...lockstepResult, profile: 'published', lockScheme: null, channelId: null, ticks: null, retry: null },
    ],
    ['with the paper’s locks', ['--lock', 'ecdsa-xor'], { ...lockstepResult, lockScheme: 'ecdsa-xor' }],
    [
      'with the bank’s own log',
      ['--chain', 'embedded'],
      { ...lockstepResult, chain: { ...evm, kind: 'embedded', chainId: null, registry: null } },
    ],
  ])(
    '%s ends with one JSON object, and what it saved is verified by the roots that it names',
    async (_, args, result) => {
      const temporary = mkdtempSync(join(folder, 'tmp-'))
      const dir = join(mkdtempSync(join(folder, 'saved-')), 'evidence')
      const demo = ['demo', ...args, '--file', sold, '--payments', String(payments), '--json', '--save', dir]
      const { code, stdout, stderr } = await lockstep(demo, { env: { TMPDIR: temporary } })
      expect({ code, left: readdirSync(temporary) }).toEqual({ code: 0, left: [] })
      expect(stdout.endsWith('}\n')).toBe(true)
      const found = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
      expect(found).toEqual(result)
      // Real bytes: none can be fewer than what must be said.
      for (const value of [...Object.values(found.ms), ...Object.values(found.bytes)]) expect(value).toBeGreaterThan(0)
      expect(found.bytes.perPayment).toBe(Math.round(found.bytes.transaction / payments))
      expect(found.bytes.setup).toBeGreaterThan(result.profile === 'lockstep' ? 689 : 0)
      expect(BigInt(found.charged)).toBeLessThanOrEqual(BigInt(found.paid))

      const [, advised = ''] = /\n {2}lockstep (verify .*)\n/.exec(stderr) ?? []
      const verified = await lockstep(advised.split(' '))
      expect(verified).toEqual({ code: 0, stdout: expect.stringContaining(`${dir} holds`), stderr: '' })
    },
  )

  it('prints what the README shows, but for the figures of the run', async () => {
    const [, sample = ''] = /^```text\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
    const { code, stderr } = await lockstep(['demo', '--file', sold, '--payments', String(payments)])
    expect(code).toBe(0)
    expect(masked(sample).trim()).toBe(masked(stderr).trim())
    // What does not depend on the run is that of the LICENSE itself.
    const license = readFileSync(join(root, 'LICENSE'))
    const { inStream, ticks } = planPayments(500, tokenize(license).length)
    expect(sample).toContain(`content        sha256 ${toHex(sha256(license))}\n`)
    expect(sample).toContain(`${500} payments and ${ticks} ticks\n`)
    expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain(`${500 - inStream} payments for one request`)
  })

  it('has a channel that outlives the most payments that it takes', async () => {
    const dir = join(mkdtempSync(join(folder, 'saved-')), 'evidence')
    const { code } = await lockstep(['demo', '--file', sold, '--payments', '2', '--chain', 'embedded', '--save', dir])
    const { openedAt, expiresAt } = read(Terms.parse(readFileSync(join(dir, 'terms.bin'))))
    expect(code).toBe(0)
    // 100,000 payments and 10,000 ticks, on a machine that takes half a second for each.
    expect(expiresAt - openedAt).toBeGreaterThan(55_000n)
  })

  it('says that the published scheme has locks of its own', async () => {
    const args = ['--profile', 'published', '--lock', 'schnorr', '--payments', '2', '--chain', 'embedded']
    const { code, stderr } = await lockstep(['demo', ...args, '--file', sold])
    expect(code).toBe(0)
    expect(stderr).toContain('--profile published has its own')
  })
})

describe('a demo', () => {
  const content = utf8('what was sold')
  const chain = {
    kind: 'embedded',
    chainId: null,
    registry: null,
    recordTx: '0x',
    leaf: '',
    proofVerified: true,
  } as const
  const ms = { setup: 1, transaction: 1, release: 1, record: 1 }
  const sound: DemoResult = {
    profile: 'lockstep',
    lockScheme: 'schnorr',
    backend: 'native',
    channelId: '',
    payments,
    ticks: 0,
    paid: '1',
    charged: '1',
    refunded: '0',
    retry: { sent: 2, handlerRuns: 1, charges: 1 },
    receiptsOpened: payments + 1,
    receiptsVerified: payments + 1,
    contentSha256: toHex(sha256(content)),
    chain,
    ms,
    bytes: { ...ms, perPayment: 1 },
  }

  it.each<[string, Partial<DemoResult>]>([
    ['an answer that was not lost', { retry: { sent: 1, handlerRuns: 1, charges: 1 } }],
    ['a handler that ran twice', { retry: { sent: 2, handlerRuns: 2, charges: 1 } }],
    ['a payment that was charged twice', { retry: { sent: 2, handlerRuns: 1, charges: 2 } }],
    ['a receipt that did not open', { receiptsOpened: payments }],
    ['a receipt that does not verify', { receiptsVerified: payments }],
    ['other bytes than were sold', { contentSha256: toHex(sha256(utf8('something else'))) }],
    ['a record without proof', { chain: { ...chain, proofVerified: false } }],
  ])('has failed with %s', (_, change) => {
    expect(isSound(sound, { content })).toBe(true)
    expect(isSound({ ...sound, retry: null }, { content })).toBe(true)
    expect(isSound({ ...sound, ...change }, { content })).toBe(false)
  })
})

describe('bytes on the wire', () => {
  it('are what the servers’ own sockets count, of fetches and WebSockets, and of no other server', async () => {
    const [counted, other] = [await serve(), await serve()]
    using meter = openWireMeter()
    await (await fetch(counted.url, { method: 'POST', body: 'x'.repeat(100_000) })).text()
    await (await fetch(other.url)).text()
    await speak(counted.url)
    expect(counted.bytes()).toBeGreaterThan(100_000)
    expect(meter.bytes([counted.url])).toBe(counted.bytes())
    expect(meter.bytes([other.url])).toBe(other.bytes())
    expect(meter.bytes([])).toBe(0)
    for (const server of [counted, other]) server.close()
  })
})

function masked(text: string): string {
  return text.replaceAll(/\b(?:0x)?[0-9a-f]{40,64}\b|\d+(?:\.\d+)?/g, '#')
}

interface Counted {
  readonly url: string
  bytes(): number
  close(): void
}

/** Answers with as much as it was sent, and echoes over WebSocket. */
async function serve(): Promise<Counted> {
  const sockets: Socket[] = []
  const server = createServer((request, response) => void request.pipe(response))
  new WebSocketServer({ server }).on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  server.on('connection', (socket) => sockets.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    bytes: () => sockets.reduce((sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten, 0),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Until both sides have closed. */
async function speak(url: string): Promise<void> {
  const socket = new WebSocket(url.replace('http', 'ws'))
  await new Promise<void>((resolve, reject) => {
    socket.on('open', () => socket.send(Buffer.alloc(70_000)))
    socket.on('message', () => socket.close())
    socket.on('close', () => resolve())
    socket.on('error', reject)
  })
}
