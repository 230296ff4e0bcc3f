import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { temporaryPath } from '../bank/support.ts'
import { launch, lockstep } from '../cli/processes.ts'
import { openTestWallet } from '../client/wallet/market.ts'
import { onEnd } from '../e2e/town.ts'
import { openPayTown } from '../vendor/town.ts'
import { openService } from './service.ts'

test('lockstep proxy sells a service by a file, its secret from the environment, and ends when it is told', async () => {
  const service = await openService()
  onEnd(service.close)
  const store = `sqlite:${temporaryPath('proxy.db')}`
  const { pay, bankUrl } = await openPayTown({ store })
  // It only made the key and registered it: the process is the vendor.
  await pay.close()
  const config = configFile({
    upstream: 'http://127.0.0.1:1',
    bank: bankUrl,
    store,
    authorization: { env: 'SERVICE_KEY' },
    routes: [
      { match: 'GET /weather/:city', price: '0.001' },
      { match: 'GET /health', price: 'free' },
    ],
  })
  const args = ['proxy', '--config', config, '--upstream', service.url, '--port', '0', '--json']
  const { child, ended } = launch(args, { env: { SERVICE_KEY: 'sk-1' } })
  onEnd(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  const { url, ...said } = JSON.parse(line) as { readonly url: string }
  expect(said).toEqual({ upstream: service.url, vendor: pay.vendor, asset: 'USD/6' })

  const { w } = await openTestWallet(bankUrl, { budget: { request: '0.005' } })
  expect(await (await w.fetch(`${url}/weather/graz`)).json()).toEqual({ city: 'graz', sky: 'blue' })
  expect(await (await fetch(`${url}/health`)).text()).toBe('well')
  expect(service.asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-1', 'Bearer sk-1'])
  expect((await w.ledger()).map((row) => row.charged)).toEqual(['0.001'])
  child.kill('SIGTERM')
  expect((await ended).code).toBe(0)
})

test('lockstep proxy says in one line how it is used', async () => {
  const upstream = ['--upstream', 'http://127.0.0.1:1']
  const bank = ['--bank', 'http://127.0.0.1:1']
  const store = ['--store', 'sqlite::memory:']
  for (const [args, says] of [
    [[], /--upstream is missing/],
    [upstream, /--bank is missing/],
    [[...upstream, ...bank], /--store is missing/],
    [[...upstream, ...bank, ...store], /nothing has a price: name routes in --config FILE, or say --otherwise PRICE/],
    [[...upstream, ...bank, ...store, '--otherwise', 'free', '--port', 'x'], /--port takes a whole number/],
  ] as const) {
    const { code, stdout, stderr } = await lockstep(['proxy', ...args])
    expect({ code, stdout, lines: stderr.trim().split('\n').length }).toEqual({ code: 2, stdout: '', lines: 1 })
    expect(stderr).toMatch(says)
  }
})

test('lockstep proxy says what is wrong with its file: where, what was expected, what was found', async () => {
  const found = async (config: object): Promise<string> => {
    const { code, stderr } = await lockstep(['proxy', '--config', configFile(config)])
    expect(code).toBe(2)
    return stderr
  }
  const price = (given: unknown): object => ({ routes: [{ match: '/', price: given }] })
  expect(await found({ upstraem: 'http://x' })).toMatch(
    /proxy\.json: upstraem: no such setting; expected upstream, perhaps/,
  )
  expect(await found({ routes: [{ match: '/', cost: '1' }] })).toMatch(/routes\[0\]\.cost: no such setting/)
  expect(await found(price(0.001))).toMatch(/routes\[0\]\.price: expected "free", a decimal string .*, found 0\.001/)
  expect(await found(price({ prompt: '1', completion: '2' }))).toMatch(/found \{"prompt":"1","completion":"2"\}/)
  expect(await found(price({ prompt: '1', completion: '2', max: '3', promt: '4' }))).toMatch(
    /routes\[0\]\.price: expected/,
  )
  expect(await found({ store: './proxy.db' })).toMatch(/store: expected sqlite:PATH/)
  expect(await found({ authorization: { env: 'NO_SUCH_KEY' } })).toMatch(/expected one line of text in NO_SUCH_KEY/)
  expect(await found({ authorization: {} })).toMatch(/expected either env/)
})

function configFile(config: object): string {
  const path = temporaryPath('proxy.json')
  writeFileSync(path, JSON.stringify(config))
  return path
}

test('lockstep proxy takes a price or an upstream that is none for a wrong use', async () => {
  const { bankUrl } = await openPayTown({ store: 'sqlite::memory:' })
  const place = ['--bank', bankUrl, '--store', 'sqlite::memory:', '--port', '0']
  for (const [upstream, otherwise, says] of [
    [
      'http://127.0.0.1:9',
      'cheap',
      /^lockstep: a price is a decimal string in USD, such as '0\.001': "cheap" is .*\n$/,
    ],
    ['nowhere', '0.001', /^lockstep: the service behind is at an address .*; 'nowhere' is none\n$/],
  ] as const) {
    const { code, stderr } = await lockstep(['proxy', '--upstream', upstream, '--otherwise', otherwise, ...place])
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(says) as string })
  }
})
