import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { type PayingChannel, UnansweredError } from '../../src/client/index.ts'
import { collect, type PaidRoute } from '../../src/vendor/index.ts'
import { temporaryPath } from '../bank/support.ts'
import {
  onEnd,
  openBankServer,
  openClient,
  openStall,
  prepare,
  problemIn,
  type Stall,
  statementIn,
  until,
} from '../e2e/town.ts'
import { price } from './shop.ts'

/** A vendor in a process of its own, and a client that knows it. */
interface Scene {
  readonly url: string
  readonly bankUrl: string
  readonly channel: PayingChannel
  /** What the handlers did, whatever became of their process. */
  effects(): readonly string[]
  /** Resolves when the process has said this. */
  says(line: string): Promise<void>
  kill(): Promise<void>
  /** A new process, for which this one stands in, on the same port and store. */
  restart(routes?: readonly PaidRoute[]): Promise<Stall>
}

async function openScene(): Promise<Scene> {
  const { bankUrl } = await openBankServer()
  const [path, effectsPath] = [temporaryPath('vendor.sqlite'), temporaryPath('effects')]
  const script = fileURLToPath(new URL('./killed.ts', import.meta.url))
  const child = spawn(process.execPath, [script, path, '0', bankUrl, effectsPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  onEnd(() => end(child, exited))
  await until(() => lines.length > 0, 'the vendor starts')
  const url = lines[0]!
  const effects = (): readonly string[] =>
    existsSync(effectsPath) ? readFileSync(effectsPath, 'utf8').trim().split('\n') : []
  return {
    url,
    bankUrl,
    channel: await openClient(bankUrl, { attempts: 1 }).wallet.open(url, { funds: 100_000n }),
    effects,
    says: (line) => until(() => lines.includes(line), `the vendor says ${line}`),
    kill: () => end(child, exited),
    restart: (routes = []) => openStall({ path, port: Number(new URL(url).port), bankUrl, routes }),
  }
}

async function end(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.kill('SIGKILL')
  await exited
}

/** The route that was running, as a new version of the vendor has it. */
function route(path: string, idempotent: boolean): PaidRoute {
  return { method: 'GET', path, price, idempotent, handler: (_, { index }) => new Response(`served ${index}`) }
}

describe('a vendor killed', () => {
  test('while a handler runs has its payment in doubt: not run again, not charged, listed, its credit kept', async () => {
    const scene = await openScene()
    const { channel } = scene
    expect((await channel.fetch(`${scene.url}/goods/tea`, price)).status).toBe(200)
    const { index, send } = await prepare(channel, '/endless/milk', price)
    const lost = send().catch(() => 'lost')
    await scene.says(`running ${index}`)
    await scene.kill()
    expect(await lost).toBe('lost')
    const stall = await scene.restart([route('/endless/:name', false), route('/goods/:name', false)])
    expect(await stall.store.running()).toMatchObject([{ index, status: 'running', charged: 0n }])
    for (let time = 0; time < 2; time++) {
      const response = await send()
      expect(statementIn(channel, response)).toMatchObject({
        index,
        charged: 0n,
        spent: price,
        credit: price,
        contiguous: 2,
      })
      expect(await problemIn(response)).toMatchObject({ status: 409, reason: 'InDoubt' })
    }
    expect(scene.effects()).toEqual(['1 tea', '2 milk'])
    channel.abandon([index])
    expect((await channel.fetch(`${scene.url}/goods/cake`, price)).status).toBe(200)
    expect(channel.state).toMatchObject({ paid: 2n * price, acknowledged: 2n * price })
    expect(await channel.close()).toMatchObject({ closing: { spent: 2n * price }, receiptsOpened: 4 })
    expect(await collect(stall, await stall.held(channel), scene.bankUrl)).toMatchObject({ settled: 2n * price })
  })

  test('while an idempotent handler runs runs it again, and charges it once', async () => {
    const scene = await openScene()
    const { channel } = scene
    const { index, send } = await prepare(channel, '/again/tea', price)
    const lost = send().catch(() => 'lost')
    await scene.says(`running ${index}`)
    await scene.kill()
    await lost
    const stall = await scene.restart([route('/again/:name', true)])
    const answers = await Promise.all([send(), send(), send()])
    expect(await Promise.all(answers.map((response) => response.text()))).toEqual(['served 1', 'served 1', 'served 1'])
    expect(await channel.refresh()).toMatchObject({ spent: price, paid: price })
    expect(await stall.store.running()).toEqual([])
  })

  test('has every answer that it gave, and every payment that it took, under load', async () => {
    const scene = await openScene()
    const { channel } = scene
    const prepared = await Promise.all(Array.from({ length: 40 }, (_, at) => prepare(channel, `/goods/${at}`, price)))
    const answers = new Map<number, string>()
    const sending = Promise.allSettled(
      prepared.map(async ({ index, send }) => {
        const response = await send()
        if (response.ok) answers.set(index, await response.text())
      }),
    )
    await until(() => answers.size >= 5, 'some are answered')
    await scene.kill()
    await sending
    expect(answers.size).toBeLessThanOrEqual(40)

    const stall = await scene.restart([route('/goods/:name', false)])
    const ran = new Set(scene.effects().map((line) => Number(line.split(' ')[0])))
    expect(scene.effects()).toHaveLength(ran.size)
    let served = 0n
    for (const { index, send } of prepared) {
      const response = await send()
      const text = await response.text()
      if (answers.has(index)) expect(text).toBe(answers.get(index))
      // Its handler ran in the killed process, and may not run again: either its answer was stored, or it is in doubt.
      if (ran.has(index)) expect([`${index - 1} ${index}`, expect.stringContaining('InDoubt')]).toContainEqual(text)
      if (response.ok) served += price
      else expect(response.status).toBe(409)
    }
    expect(await channel.refresh()).toMatchObject({ spent: served, contiguous: 40 })
    expect(await channel.close()).toMatchObject({ closing: { spent: served }, receiptsOpened: 41 })
    expect(await collect(stall, await stall.held(channel), scene.bankUrl)).toMatchObject({ settled: served })
  })

  test('in the middle of a stream ends it with an error; the channel goes on, and nobody loses more than was on the way', async () => {
    const scene = await openScene()
    const { channel } = scene
    const received: number[] = []
    const listening = (async () => {
      for await (const unit of channel.stream(`${scene.url}/count/250`, {
        price: 10n,
        isPayment: (n) => n % 20 === 0,
      })) {
        received.push(unit[0]!)
        if (received.length === 60) void scene.kill()
      }
    })()
    await expect(listening).rejects.toThrow(UnansweredError)
    expect(received).toEqual(received.map((_, at) => at))
    const stall = await scene.restart([route('/goods/:name', false)])
    const stored = { ...(await stall.held(channel)).channel }
    // Whatever was delivered was paid before, and what was charged was delivered.
    expect(stored.paid).toBeGreaterThanOrEqual(BigInt(received.length) * 10n)
    const made = scene.effects().filter((line) => line.startsWith('unit')).length
    expect(stored.spent).toBeLessThanOrEqual(BigInt(made) * 10n)
    expect((await channel.fetch(`${scene.url}/goods/tea`, price)).status).toBe(200)
    const { spent } = await channel.refresh()
    expect(spent).toBe(stored.spent + price)
    expect(await channel.close()).toMatchObject({ closing: { spent } })
    expect(await collect(stall, await stall.held(channel), scene.bankUrl)).toMatchObject({ settled: spent })
  })
})
