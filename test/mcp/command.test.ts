import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { expect, test } from 'vitest'
import { wallet } from '../../src/client/index.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { temporaryPath } from '../bank/support.ts'
import { lockstep, root } from '../cli/processes.ts'
import { onEnd } from '../e2e/town.ts'
import { account } from '../protocol/world.ts'
import { openPayTown } from '../vendor/town.ts'

const plain = fileURLToPath(new URL('./plainProcess.ts', import.meta.url))

test('lockstep mcp sells the tools of a server and pays for them, neither side knowing of it', async () => {
  const store = `sqlite:${temporaryPath('tools.db')}`
  const { pay, bankUrl } = await openPayTown({ store })
  // It only made the key and registered it: the process is the vendor.
  await pay.close()
  const notes = temporaryPath('notes')
  const walletPath = temporaryPath('wallet.db')
  writeFileSync(walletPath.replace('.db', '.key'), `${toHex(account.secret)}\n`, { mode: 0o600 })
  const program = join(root, 'bin/lockstep.js')
  const buy = [program, 'mcp', 'buy', '--bank', bankUrl, '--store', walletPath, '--request', '0.005', '--']
  const priced = ['sell', '--bank', bankUrl, '--store', store, '--price', 'forecast=0.001', '--max', 'story=0.01']
  const sell = [process.execPath, program, 'mcp', ...priced, '--', process.execPath, plain, notes]
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [...buy, ...sell],
    stderr: 'pipe',
  })
  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(transport)
  onEnd(() => client.close())

  const forecast = { name: 'forecast', arguments: { city: 'Graz' } }
  expect(await client.callTool(forecast)).toMatchObject({ content: [{ text: 'rain in Graz' }] })
  expect(await client.callTool({ name: 'time' })).toMatchObject({ content: [{ text: 'noon' }] })
  await expect(client.callTool({ name: 'story', arguments: { words: 3 } })).rejects.toThrow(/budget\.request/)
  expect(await client.callTool(forecast)).toMatchObject({ content: [{ text: 'rain in Graz' }] })
  expect(readFileSync(notes, 'utf8')).toBe('forecast Graz 1\ntime\nforecast Graz 1\n')
  await client.close()

  const w = await wallet({ bank: bankUrl, store: walletPath })
  onEnd(() => w.stop())
  expect(await w.balance()).toMatchObject({ inChannels: expect.stringMatching(/^\d/) as string })
})

test('lockstep mcp says in one line how it is used', async () => {
  for (const [args, says] of [
    [['mcp'], /say sell or buy/],
    [['mcp', 'sell', '--bank', 'http://127.0.0.1:1'], /after --/],
    [['mcp', 'sell', '--bank', 'http://127.0.0.1:1', '--store', 'sqlite::memory:', '--', 'x'], /--price TOOL=PRICE/],
    [
      ['mcp', 'sell', '--bank', 'http://127.0.0.1:1', '--store', 'sqlite::memory:', '--price', 'a', '--', 'x'],
      /forecast=0\.001/,
    ],
    [['mcp', 'buy', '--', 'x'], /--bank is missing/],
  ] as const) {
    const { code, stdout, stderr } = await lockstep(args)
    expect({ code, stdout, lines: stderr.trim().split('\n').length }).toEqual({ code: 2, stdout: '', lines: 1 })
    expect(stderr).toMatch(says)
  }
  const away = [
    'mcp',
    'sell',
    '--bank',
    'http://127.0.0.1:1',
    '--store',
    'sqlite::memory:',
    '--price',
    'a=1',
    '--',
    'x',
  ]
  const { code, stderr } = await lockstep(away)
  expect(code).toBe(1)
  expect(stderr).toMatch(/does not answer/)
  expect(existsSync('x')).toBe(false)
})

test('lockstep mcp says in one line that its server cannot be started, or has ended, and passes over what is no message', async () => {
  const { bankUrl } = await openPayTown({ store: 'sqlite::memory:' })
  const env = { LOCKSTEP_BANK: bankUrl, LOCKSTEP_WALLET: temporaryPath('wallet.db') }
  const missing = await lockstep(['mcp', 'buy', '--', '/no/such/program'], { env })
  expect(missing).toMatchObject({ code: 1, stdout: '' })
  expect(missing.stderr).toMatch(/^paying .*\nlockstep: the server after -- cannot be started: .*ENOENT\n$/)

  const args = [join(root, 'bin/lockstep.js'), 'mcp', 'buy', '--', process.execPath, '-e', 'console.log("Hello!")']
  // Its client waits for an answer: its input stays open.
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env } })
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  expect(code).toBe(1)
  expect(said).toMatch(/^paying .*\nlockstep: passed over: .*Hello.*\nlockstep: the server after -- has ended.*\n$/)
})
