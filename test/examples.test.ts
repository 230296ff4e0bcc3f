import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { packageResolver, root } from '../scripts/lockstepPackage.ts'
import { openTestWallet } from './client/wallet/market.ts'
import { onEnd } from './e2e/town.ts'

test('the paid API sells, charges what was used and nothing for what is not there, and is paid', async () => {
  const said = await runExample('paid-api')
  expect(said).toContain('GET /proverbs/2 → 200 {"proverb":"Measure twice, cut once."}')
  expect(said).toContain('GET /proverbs/4 → 404')
  expect(said).toMatch(/^0 +GET \S+\/proverbs\/4$/m)
  expect(said).toMatch(/^0\.00012 +POST \S+\/words$/m)
  expect(said).toContain('the vendor has 0.00212 USD at the bank')
})

test('a model is paid by the token, and not for what its reader did not wait for', async () => {
  const said = await runExample('llm-tokens')
  expect(said).toMatch(/^(?:[a-z]+ ){30}$/m)
  expect(said).toContain('read: 30 tokens')
  const [, charged = ''] = /^charged: (\S+) USD$/m.exec(said) ?? []
  // Those that were on their way when the reader left came too: it had paid for eight ahead.
  expect(Number(charged)).toBeGreaterThanOrEqual(0.0006)
  expect(Number(charged)).toBeLessThanOrEqual(0.00076)
  expect(said).toContain(`the vendor has ${charged} USD at the bank`)
})

test('telemetry is paid by the second, whatever came in it', async () => {
  const said = await runExample('telemetry')
  expect(said.match(/^\d+ readings for 0\.0005 USD: -?[\d.]+ °C, [\d.]+ hPa, wind [\d.]+ m\/s$/gm)).toHaveLength(3)
  expect(said).toContain('the vendor has 0.0015 USD at the bank')
})

test('tools of an MCP server are paid for by their client, and cost nothing where they fail', async () => {
  const said = await runExample('mcp-tools')
  expect(said).toContain("moon: The phase of the moon on a date { amount: '2000', asset: 'USD/6' }")
  expect(said).toContain('about → An almanac.')
  expect(said).toContain('  paid 0.0005 USD for weekday\nweekday → Sunday\n')
  expect(said).toContain('  paid 0.002 USD for moon\nmoon → waxing crescent\n')
  expect(said).toContain('  paid 0 USD for weekday\nweekday of a 13th month → an error\n')
})

describe('the page with a wallet in it', () => {
  test('is served with all that it asks for, and so is what it buys', async () => {
    const url = await startExample('browser-page')
    const page = await fetch(url)
    expect(page.headers.get('Content-Security-Policy')).toMatch(/default-src 'none'.*script-src 'self'/)
    const asked = [...(await page.text()).matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path!)
    expect(asked).toEqual(['/page.css', '/page.js'])
    for (const path of asked) expect((await fetch(url + path)).status).toBe(200)
    const { bank } = (await (await fetch(`${url}/town.json`)).json()) as { bank: string }
    const { w } = await openTestWallet(bank)
    expect((await fetch(`${url}/faucet`, { method: 'POST', body: w.account })).status).toBe(200)
    expect(await (await w.fetch(`${url}/joke`)).text()).toContain('walks into a bar')
    const words: string[] = []
    for await (const word of w.stream(`${url}/tokens`, { max: '0.0001' })) words.push(new TextDecoder().decode(word))
    expect(words.join('')).toBe('A page had a purse ')
  })
})

/** Runs an example as its README says. */
async function runExample(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'example', '--', name], { cwd: root })
  return stdout
}

/** Starts one that goes on until it is ended, and gives the address that it prints. */
async function startExample(name: string): Promise<string> {
  const program = ['--no-warnings', '--import', packageResolver(), `examples/${name}/start.ts`]
  const child = spawn(process.execPath, program, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  onEnd(() => ended(child))
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return /http:\S+/.exec(line)![0]
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  expect((await exit)[0]).toBe(0)
}
