/**
 * A wallet in a real browser, at `lockstep dev`: it pays per token, its tab is killed in the middle of a stream, it is opened again,
 * goes on, and settles. What happened is read from the vendor's and the bank's own books.
 *
 *     npm run check:browser -- --json
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { toHex } from '../../src/crypto/bytes.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import * as Frame from '../../src/wire/Frame.ts'
import * as Terms from '../../src/wire/Terms.ts'
import { openBrowser } from './browser.ts'

const root = join(import.meta.dirname, '../..')
const isJson = process.argv.includes('--json')
const folder = mkdtempSync(join(tmpdir(), 'lockstep-check-browser-'))
const say = (text: string): void => void (isJson || process.stderr.write(`${text}\n`))

interface Report {
  readonly payments: number
  readonly ticks: number
  readonly killed: boolean
  readonly equivocations: number
  readonly receipts: number
  readonly receiptsVerified: number
  /** Base units that the vendor got, over all channels. */
  readonly settled: string
  readonly gzipBytes: number
}

async function check(): Promise<Report> {
  await run('scripts/web.ts')
  const town = join(folder, 'town')
  const dev = spawn(
    process.execPath,
    [join(root, 'bin/lockstep.js'), 'dev', '--json', '--dir', town, '--port', '0', '--bank-port', '0'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  try {
    const [line] = (await once(createInterface(dev.stdout), 'line')) as [string]
    const { page: address, bank } = JSON.parse(line) as { readonly page: string; readonly bank: string }
    const wire = new Wire()
    const browser = await openBrowser(join(folder, 'profile'))
    try {
      say('opening the page')
      const first = await open(browser.newPage(), address, wire)
      await press(first, 'fund', /filled/)
      await press(first, 'joke', /channel is open/)
      await first.click('#stream')
      await until(async () => (await count(first)) >= 20, 'twenty payments')
      say('killing its tab in the middle of a stream')
      await kill(first)

      const second = await open(browser.newPage(), address, wire)
      await press(second, 'joke', /./)
      await second.click('#stream')
      await until(async () => (await status(second)).includes('has ended'), 'the end of the stream')
      say('settling')
      await press(second, 'close', /Closed: .* receipts opened/)
      const opened = Number(/(\d+) receipts opened/.exec(await status(second))?.[1])
      const settled = await Promise.all([...wire.channels].map((channel) => settledAt(bank, channel)))
      const { payments, ticks, equivocations, channels } = wire
      return {
        payments,
        ticks,
        killed: true,
        equivocations,
        // σ_0 of each channel is a receipt as well.
        receipts: payments + channels.size,
        receiptsVerified: opened,
        settled: String(settled.reduce((sum, amount) => sum + BigInt(amount), 0n)),
        gzipBytes: gzipOf(join(root, 'dist/web/page.js')),
      }
    } finally {
      await browser.close()
    }
  } finally {
    dev.kill('SIGINT')
    await once(dev, 'exit')
  }
}

/** The page, once its wallet is open. What fails in it is said. */
async function open(opening: Promise<Page>, address: string, wire: Wire): Promise<Page> {
  const page = await opening
  wire.watch(page)
  page.on('pageerror', (error) => say(`page: ${error.message}`))
  page.on('console', (message) => message.type() === 'error' && say(`page: ${message.text()}`))
  await page.goto(address)
  await until(
    () => page.evaluate<boolean>('document.documentElement.dataset.ready === "true"'),
    'the wallet of the page',
  )
  return page
}

async function press(page: Page, id: string, done: RegExp): Promise<void> {
  await page.evaluate('document.getElementById("status").textContent = ""')
  const before = await count(page)
  await page.click(`#${id}`)
  const isPayment = id === 'joke'
  await until(async () => (isPayment ? (await count(page)) > before : done.test(await status(page))), id).catch(
    async (error: unknown) => {
      throw new Error(`${id}: the page says ${JSON.stringify(await status(page))}`, { cause: error })
    },
  )
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (const start = Date.now(); Date.now() - start < 60_000; ) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`waited in vain for ${what}`)
}

function status(page: Page): Promise<string> {
  return page.evaluate<string>('document.getElementById("status").textContent')
}

function count(page: Page): Promise<number> {
  return page.evaluate<number>('Number(document.getElementById("payments").textContent)')
}

/** Ends the process of a page as a crash does. */
async function kill(page: Page): Promise<void> {
  const crashed = page.waitForEvent('crash')
  page.goto('chrome://crash').catch(() => undefined)
  await crashed
  await page.close()
}

/** Everything that the wallet sent, read off the browser's own network. */
class Wire {
  /** Frames by channel and index: two different ones are two transactions for one index. */
  readonly #payments = new Map<string, Set<string>>()
  readonly #ticks = new Set<string>()
  readonly channels = new Set<string>()

  watch(page: Page): void {
    page.on('request', (request) => {
      const { 'lockstep-payment': payment, 'lockstep-attachment': attachment } = request.headers()
      for (const header of [payment, attachment]) {
        if (header !== undefined) this.#take(new Uint8Array(Buffer.from(header, 'base64url')))
      }
    })
    page.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => this.#take(new Uint8Array(Buffer.from(payload))))
    })
  }

  get payments(): number {
    return this.#payments.size
  }

  get ticks(): number {
    return this.#ticks.size
  }

  get equivocations(): number {
    return [...this.#payments.values()].filter((frames) => frames.size > 1).length
  }

  #take(message: Uint8Array): void {
    const payment = Frame.parsePayment(message)
    if (payment.ok) {
      const name = `${toHex(payment.value.reference)} ${payment.value.index}`
      this.#payments.set(name, (this.#payments.get(name) ?? new Set()).add(toHex(message)))
    }
    if (Frame.parseTick(message).ok) this.#ticks.add(toHex(message))
    const attachment = Attachment.parse(message)
    if (attachment.ok) this.channels.add(toHex(Terms.channelId(attachment.value.terms)))
  }
}

/** What the bank paid the vendor over a channel, once it has. */
async function settledAt(bank: string, channel: string): Promise<string> {
  let settled = ''
  await until(async () => {
    const status = (await (await fetch(`${bank}/v1/channels/${channel}`)).json()) as {
      status: string
      settled?: string
    }
    settled = status.settled ?? ''
    return status.status === 'closed'
  }, 'the bank to settle')
  return settled
}

function gzipOf(path: string): number {
  return gzipSync(readFileSync(path), { level: 9 }).length
}

async function run(script: string): Promise<void> {
  const child = spawn(process.execPath, [join(root, script)], { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await once(child, 'exit')) as [number]
  if (code !== 0) throw new Error(`${script} failed`)
}

try {
  const report = await check()
  console.log(
    isJson
      ? JSON.stringify(report)
      : Object.entries(report)
          .map(([name, value]) => `${name}: ${value}`)
          .join('\n'),
  )
  const isSound =
    report.payments > 0 && report.killed && report.equivocations === 0 && report.receiptsVerified === report.receipts
  if (!isSound || report.gzipBytes > 40_000) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 10 })
}
