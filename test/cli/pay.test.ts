import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { toHex } from '../../src/crypto/bytes.ts'
import { temporaryPath } from '../bank/support.ts'
import { openMarket } from '../client/wallet/market.ts'
import { account } from '../protocol/world.ts'
import { type Ended, type Launched, launch } from './processes.ts'

/** A market, and a wallet's folder with the key of an account that has money. */
async function openPlace(): Promise<{
  url: string
  folder: string
  start(...args: string[]): Launched
  run(...args: string[]): Promise<Ended>
}> {
  const { stall, bankUrl } = await openMarket({
    streams: [
      {
        path: '/numbers',
        price: 10n,
        *source() {
          for (let unit = 48; ; unit++) yield Uint8Array.of(unit)
        },
      },
    ],
  })
  const key = temporaryPath('account.key')
  writeFileSync(key, `${toHex(account.secret)}\n`, { mode: 0o600 })
  const folder = join(key, '..')
  const env = { LOCKSTEP_BANK: bankUrl, LOCKSTEP_WALLET: join(folder, 'wallet.db') }
  const start = (...args: string[]): Launched => launch([...args, '--account', key], { env })
  return { url: stall.url, folder, start, run: (...args) => start(...args).ended }
}

test('pay fetches, pays, and says what it paid; wallet knows it afterwards, and ends the channel', async () => {
  const { url, folder, run } = await openPlace()
  const tea = await run('pay', `${url}/goods/tea`)
  expect(tea).toMatchObject({ code: 0, stdout: '{"name":"tea","run":1}' })
  expect(tea.stderr).toMatch(/^paid 0\.00003 USD to 127\.0\.0\.1:\d+ over channel [0-9a-f]{16}\n$/)

  const file = join(folder, 'question.txt')
  writeFileSync(file, 'hello')
  const echo = await run('pay', `${url}/echo`, '-d', `@${file}`, '--json')
  expect(JSON.parse(echo.stdout)).toMatchObject({
    status: 200,
    body: 'hello',
    payments: [{ kind: 'payment', method: 'POST', charged: '0.00003', index: 2 }],
  })

  const answer = join(folder, 'answer.json')
  expect(await run('pay', `${url}/goods/coffee`, '-o', answer)).toMatchObject({ code: 0, stdout: '' })
  expect(readFileSync(answer, 'utf8')).toBe('{"name":"coffee","run":1}')

  const failed = await run('pay', `${url}/status/404`, '-i')
  expect(failed).toMatchObject({ code: 1, stdout: 'no' })
  expect(failed.stderr).toMatch(/^404 Not Found\n[\s\S]*paid 0 USD[\s\S]*was answered with 404 Not Found\n$/)

  expect((await run('wallet', 'balance')).stdout).toMatch(/^account +[0-9a-f]{64}\nat the bank +99\.\d+ USD\n/)
  const history = await run('wallet', 'history')
  expect(history.stdout.trimEnd().split('\n')).toHaveLength(5)
  expect(history.stdout).toMatch(/0\.00003 +0\.00003 +USD +POST +http.*\/echo/)
  const csv = (await run('wallet', 'export')).stdout
  expect(csv).toMatch(/^time,host,method,url,price,charged,asset,channel,index\r\n/)
  const channels = (await run('wallet', 'channels', '--json')).stdout
  expect(JSON.parse(channels)).toMatchObject({ status: 'open', payments: 4, spent: '0.00009' })
  const closed = await run('wallet', 'close')
  expect(closed.stdout).toMatch(/^[0-9a-f]{16} {2}127\.0\.0\.1:\d+ {2}closed: spent 0\.00009 USD\n$/)
})

test('pay --stream pays for no more than --max', async () => {
  const { url, run } = await openPlace()
  const numbers = await run('pay', `${url}/numbers`, '--stream', '--max', '0.00005')
  expect(numbers).toMatchObject({ code: 0, stdout: '01234' })
  expect(numbers.stderr).toMatch(/^paid for 5 units at 0\.00001 USD to 127/)
})

test('pay --stream stops paying at Ctrl-C, and says what it came to', async () => {
  const { url, start, run } = await openPlace()
  const { child, ended } = start('pay', `${url}/numbers`, '--stream')
  await once(child.stdout!, 'data')
  child.kill('SIGINT')
  const { code, stdout, stderr } = await ended
  expect(code).toBe(130)
  const [, units] = /^paid for (\d+) units at 0\.00001 USD to 127\S+ over channel [0-9a-f]{16}\n$/.exec(stderr) ?? []
  expect(Number(units)).toBe(stdout.length)
  expect((await run('pay', `${url}/goods/tea`)).code).toBe(0)
})

test('pay refuses what costs more than --max, and says so in one line', async () => {
  const { url, run } = await openPlace()
  const dear = await run('pay', `${url}/goods/tea`, '--max', '0.00002')
  expect(dear).toMatchObject({ code: 1, stdout: '' })
  expect(dear.stderr).toMatch(
    /^lockstep: GET .* costs 0\.00003 USD; --max is 0\.00002 USD\. Nothing was signed\. Raise it if you mean to\.\n$/,
  )
})

test('pay says in one line what is not there, and pays nothing for it', async () => {
  const { url, folder, run } = await openPlace()
  const nobody = await run('pay', 'http://127.0.0.1:9/joke')
  expect(nobody).toMatchObject({ code: 1, stdout: '' })
  expect(nobody.stderr).toMatch(/^lockstep: http.* does not answer: is it running, .* Nothing was paid\n$/)
  const nowhere = await run('pay', `${url}/goods/tea`, '-o', join(folder, 'no', 'such', 'folder'))
  expect(nowhere.stderr).toMatch(/^lockstep: .*folder cannot be written: nothing was sent, and nothing was paid\n$/)
  const nothing = await run('pay', `${url}/echo`, '-d', `@${join(folder, 'missing')}`)
  expect(nothing.stderr).toMatch(/^lockstep: .*missing cannot be read: nothing was sent, and nothing was paid\n$/)
  expect((await run('wallet', 'history', '--json')).stdout.trim()).toBe('')
})

test.each([
  [['pay'], /name the address/],
  [['pay', 'nonsense'], /"nonsense" is no address/],
  [['pay', 'ftp://127.0.0.1/joke'], /"ftp:.* is no address, as https:/],
  [['pay', 'http://127.0.0.1:9/', '-X', 'GET', '-d', 'x'], /no such request can be sent: .*GET/],
  [['pay', 'http://127.0.0.1:9/', '-X', 'G T'], /no such request can be sent: .*G T/],
  [
    ['pay', 'http://127.0.0.1:9/', '--max', '1e3'],
    /^lockstep: --max: "1e3" is no decimal amount; write it as "0\.05"\. See/,
  ],
  [['pay', 'http://127.0.0.1:9/', '-H', 'nonsense'], /"nonsense" is no header/],
  [['wallet', 'spend'], /wallet knows balance, account/],
  [['wallet', 'history', '--since', 'then'], /--since takes a date/],
])('%j is wrong, and said so with exit 2', async (args, says) => {
  const { run } = await openPlace()
  const { code, stderr } = await run(...args)
  expect(stderr).toMatch(says)
  expect(code).toBe(2)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
})
