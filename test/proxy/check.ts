/**
 * An OpenAI-compatible service behind `lockstep proxy`, streamed and not: what the vendor charged, beside what the service's own
 * counts of tokens come to.
 *
 *     npm run check:proxy -- --json
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { openDevTown } from '../../src/cli/dev/town.ts'
import { type PayingWallet, wallet } from '../../src/client/index.ts'
import { settledAt, sumOf, unitsOf } from '../e2e/settled.ts'
import { openService } from './service.ts'

const root = join(import.meta.dirname, '../..')
const isJson = process.argv.includes('--json')

/** Two and five millionths of a dollar, which are base units. */
const price = { prompt: '2', completion: '5', per: 1_000_000, max: '0.05' }
const paths = { chat: '/v1/chat/completions', completions: '/v1/completions', responses: '/v1/responses' }

interface Report {
  readonly payments: number
  /** Those of them whose answer came piece by piece. */
  readonly streamed: number
  /** Base units: as the wallet's ledger has them, as the bank paid them, and what the service's counts come to at that price. */
  readonly charged: string
  readonly settled: string
  readonly expected: string
}

async function check(folder: string): Promise<Report> {
  await using stack = new AsyncDisposableStack()
  const service = await openService()
  stack.defer(() => service.close())
  const onError = (error: unknown): void => void process.stderr.write(`${String(error)}\n`)
  const town = await openDevTown({ folder, port: 0, bankPort: 0, onError })
  stack.defer(() => town.close())
  const config = join(folder, 'proxy.json')
  const routes = Object.values(paths).map((path) => ({ match: `POST ${path}`, price }))
  writeFileSync(config, JSON.stringify({ upstream: service.url, bank: town.bankUrl, store: 'sqlite:proxy.db', routes }))
  const started = await start(['proxy', '--config', config, '--port', '0', '--json'])
  stack.defer(started.stop)
  const { url, vendor } = started.said
  await fetch(`${town.vendorUrl}/faucet`, { method: 'POST', body: vendor })

  const w = await wallet({ bank: town.bankUrl, store: town.wallet.store, budget: { request: '0.05', day: '10' } })
  stack.defer(() => w.stop())
  for (const question of questions()) await answered(w, url, question)
  const ledger = await w.ledger()
  await w.close()
  const settled = await Promise.all(
    [...new Set(ledger.map((row) => row.channel))].map((channel) => settledAt(town.bankUrl, channel)),
  )
  return {
    payments: ledger.length,
    streamed: questions().filter(({ body }) => body.stream).length,
    charged: String(sumOf(ledger.map((row) => unitsOf(row.charged ?? '0')))),
    settled: String(sumOf(settled)),
    expected: String(
      sumOf(service.used.map(({ prompt, completion }) => BigInt(prompt) * 2n + BigInt(completion) * 5n)),
    ),
  }
}

/** Each of them whole and streamed, of several lengths. */
function questions(): readonly { readonly path: string; readonly body: { readonly stream: boolean } }[] {
  return [1, 7, 40].flatMap((size) =>
    [false, true].flatMap((stream) => {
      const text = Array.from({ length: size }, (_, at) => `question${at}`).join(' ')
      const common = { model: 'small', max_tokens: 3 * size, stream }
      return [
        { path: paths.chat, body: { ...common, messages: [{ role: 'user', content: text }] } },
        { path: paths.completions, body: { ...common, prompt: text } },
        { path: paths.responses, body: { ...common, input: text } },
      ]
    }),
  )
}

async function answered(
  w: PayingWallet,
  url: string,
  { path, body }: ReturnType<typeof questions>[number],
): Promise<void> {
  const response = await w.fetch(url + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${text}`)
  if (isJson) return
  process.stderr.write(`${path}${body.stream ? ', streamed' : ''}\n`)
}

/** Starts the command, and gives what it says once it listens. */
async function start(
  args: readonly string[],
): Promise<{ readonly said: { readonly url: string; readonly vendor: string }; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [join(root, 'bin/lockstep.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await exited
  }
  const ended = exited.then(([code]) => {
    throw new Error(`lockstep ${args[0]} ended with ${String(code)}`)
  })
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), ended])) as [string]
  ended.catch(() => undefined)
  return { said: JSON.parse(line) as { readonly url: string; readonly vendor: string }, stop }
}

const folder = mkdtempSync(join(tmpdir(), 'lockstep-check-proxy-'))
try {
  const report = await check(folder)
  const lines = Object.entries(report).map(([name, value]) => `${name}: ${value}`)
  console.log(isJson ? JSON.stringify(report) : lines.join('\n'))
  const { payments, charged, settled, expected } = report
  if (payments === 0 || charged !== expected || settled !== expected) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 10 })
}
