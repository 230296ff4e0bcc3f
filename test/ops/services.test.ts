import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test, vi } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { fund, lockstep, openPlace, type Place, startService } from './services.ts'
import { openWallet } from './wallet.ts'

describe('a bank and a vendor as services', { timeout: 120_000 }, () => {
  test('are paid through, count it, stop in order, and go on where they were', async () => {
    const place = await openPlace()
    const bank = await startService('bank', place.config)
    expect(await bank.ready()).toEqual({ status: 200, checks: { store: 'ok', writes: 'ok' } })
    await fund(place)
    const vendor = await startService('vendor', place.config)
    const wallet = await openWallet(place)
    const channel = await wallet.open(vendor.url, { funds: 1_000_000n })

    const report = await channel.fetch(`${vendor.url}/report`, 1000n)
    expect(await report.text()).toBe('worth its price\n')
    expect(report.headers.get('Content-Type')).toBe('text/plain; charset=utf-8')
    for (const word of ['one', 'two']) {
      const echo = await channel.fetch(`${vendor.url}/echo`, 10n, { method: 'POST', body: word })
      expect(await echo.text()).toBe(word)
    }
    expect((await fetch(`${vendor.url}/report`)).status).toBe(402)

    expect(await vendor.metric('lockstep_payments_total{outcome="charged"}')).toBe(3)
    expect(await vendor.metric('lockstep_charged_base_units_total{asset="USD/6"}')).toBe(1020)
    expect(await vendor.metric('lockstep_problem_answers_total{reason="PaymentRequired"}')).toBe(1)
    expect(await vendor.metric('lockstep_commit_seconds_count')).toBeGreaterThan(0)
    expect(await vendor.metric('lockstep_ready')).toBe(1)
    expect(await bank.metric('lockstep_bank_events_total{event="opened"}')).toBe(1)
    expect(await bank.metric('lockstep_bank_commands_total{command="deposit"}')).toBe(1)

    for (const service of [vendor, bank]) {
      expect(await service.end('SIGTERM')).toMatchObject({ code: 0 })
      expect(service.events().map(({ event }) => event)).toEqual(expect.arrayContaining(['ready', 'stopping', 'ended']))
    }
    expect(readdirSync(place.folder).filter((name) => /^(?:bank|vendor)\.(?:db-wal|sock)$/.test(name))).toEqual([])

    const later = { bank: await startService('bank', place.config), vendor: await startService('vendor', place.config) }
    expect(later.vendor.url).toBe(vendor.url)
    expect(await (await channel.fetch(`${vendor.url}/report`, 1000n)).text()).toBe('worth its price\n')
    const closed = await channel.close()
    expect(closed.closing.spent).toBe(2020n)

    const id = toHex(channel.state.channelId)
    const claimed = await lockstep(['channels', 'close', id.slice(0, 8), '--config', place.config])
    expect(claimed).toMatchObject({ code: 0 })
    expect(JSON.parse(claimed.stdout)).toEqual({ channel: id, settled: '2020', refund: '997980', basis: 'proven' })
    await lockstep(['bank', 'record', '--config', place.config])
    expect(await balanceOf(place, toHex(place.vendor.publicKey))).toBe('2020')
    expect(await balanceOf(place, toHex(place.account.publicKey))).toBe('4997980')
    const audit = await lockstep(['ledger', 'audit', '--config', place.config, '--json'])
    expect(audit).toMatchObject({ code: 0 })
    expect(JSON.parse(audit.stdout)).toMatchObject({
      ok: true,
      faults: [],
      imbalance: { 'USD/6': '0' },
      counts: { accounts: 2, channelsOpen: 0, channelsEnded: 1, records: 1, recordsQueued: 0 },
    })
  })

  test('end with 0 on SIGINT too', async () => {
    const place = await openPlace()
    const bank = await startService('bank', place.config)
    expect(await bank.end('SIGINT')).toMatchObject({ code: 0 })
  })

  test('let a request that runs end, and its payment be stored, before they stop', async () => {
    const place = await openPlace()
    writeFileSync(join(place.folder, 'slow.mjs'), slowModule)
    place.write({ vendor: { routes: [], module: 'slow.mjs' } })
    const bank = await startService('bank', place.config)
    await fund(place)
    const vendor = await startService('vendor', place.config)
    const channel = await (await openWallet(place)).open(vendor.url, { funds: 1_000_000n })
    const answer = channel.fetch(`${vendor.url}/slow`, 5n)
    await expect.poll(() => existsSync(join(place.folder, 'started'))).toBe(true)
    const ended = vendor.end()
    expect(await (await answer).text()).toBe('done')
    expect(await ended).toMatchObject({ code: 0 })
    expect(channel.state.acknowledged).toBe(5n)
    await bank.end()
    const listed = await lockstep(['channels', 'ls', '--config', place.config, '--json'])
    expect(JSON.parse(listed.stdout)).toMatchObject({ spent: '5', phase: 'open', payments: 1 })
  })

  test('are one a store: a second one on the same socket does not start', async () => {
    const place = await openPlace()
    await startService('bank', place.config)
    const second = await lockstep(['bank', '--config', place.config], { LOCKSTEP_BANK_PORT: '0' })
    expect(second.code).toBe(1)
    expect(second.stderr).toContain('answered by a process that runs')
  })

  test('take the socket that one who was killed left behind', async () => {
    const place = await openPlace()
    const bank = await startService('bank', place.config)
    await bank.end('SIGKILL')
    expect(existsSync(join(place.folder, 'bank.sock'))).toBe(true)
    const next = await startService('bank', place.config)
    expect(next.pid).not.toBe(bank.pid)
    expect(statSync(join(place.folder, 'bank.sock')).mode & 0o777).toBe(0o600)
  })

  test('take their key from the environment, and say nothing of it', async () => {
    const place = await openPlace()
    place.write({ bank: { keyFile: undefined } })
    const secret = toHex(place.bank.secret)
    const bank = await startService('bank', place.config, { LOCKSTEP_BANK_KEY: secret, LOCKSTEP_LOG_LEVEL: 'debug' })
    const { stdout, stderr } = await bank.end()
    expect(stdout + stderr).not.toContain(secret)
    expect(bank.events().find(({ event }) => event === 'ready')).toMatchObject({ bank: toHex(place.bank.publicKey) })
  })

  test('know no payer in what they log', async () => {
    const place = await openPlace()
    const bank = await startService('bank', place.config, { LOCKSTEP_LOG_LEVEL: 'debug' })
    await fund(place)
    const vendor = await startService('vendor', place.config, { LOCKSTEP_LOG_LEVEL: 'debug' })
    const channel = await (await openWallet(place)).open(vendor.url, { funds: 1_000_000n })
    await channel.fetch(`${vendor.url}/report`, 1000n)
    const said = [await vendor.end(), await bank.end()].map(({ stdout, stderr }) => stdout + stderr).join('')
    expect(said).not.toContain(toHex(place.account.publicKey))
  })
})

describe('a service that cannot start', { timeout: 120_000 }, () => {
  test('says what is wrong with its config, a line each, and exits 2', async () => {
    const place = await openPlace()
    place.write({ bank: { port: 'x', keyFile: undefined } })
    const { code, stdout, stderr } = await lockstep(['bank', '--config', place.config])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr.trim().split('\n')).toEqual([
      `lockstep: ${place.config}: bank.port: expected a port from 0 to 65535; 0 takes a free one, found "x"`,
      `lockstep: ${place.config}: bank.keyFile: expected the path of a key file, as "lockstep keys FILE --new" makes it, found nothing`,
    ])
  })

  test.each([
    ['a missing key', { keyFile: 'nowhere.key' }, 2, 'expected a key file; there is none'],
    [
      'an address of another machine',
      { ops: { host: '192.0.2.1' } },
      1,
      'health and metrics cannot listen on 192.0.2.1',
    ],
    ['a store that is none', { store: 'report.txt' }, 1, 'is no SQLite database'],
  ])('says so of %s, in one line', async (_what, bank, exit, reason) => {
    const place = await openPlace()
    place.write({ bank })
    const { code, stdout, stderr } = await lockstep(['bank', '--config', place.config])
    expect({ code, stdout }).toEqual({ code: exit, stdout: '' })
    const said = stderr.split('\n').filter((line) => line.startsWith('lockstep: '))
    expect(said).toHaveLength(1)
    expect(said[0]).toContain(reason)
  })

  test('leaves a store of a newer version as it is', async () => {
    const place = await openPlace()
    await (await startService('bank', place.config)).end()
    const store = join(place.folder, 'bank.db')
    const db = new DatabaseSync(store)
    db.exec('PRAGMA user_version = 99; PRAGMA journal_mode = DELETE')
    db.close()
    const before = readFileSync(store)
    const { code, stderr } = await lockstep(['bank', '--config', place.config])
    expect(code).toBe(1)
    expect(stderr).toContain('is at version 99')
    expect(readFileSync(store).equals(before)).toBe(true)
    const plan = await lockstep(['migrate', '--plan', '--config', place.config])
    expect(plan).toMatchObject({ code: 1, stdout: '' })
  })

  test('waits for a store that cannot be reached yet, and says so to everybody meanwhile', async () => {
    const place = await openPlace()
    place.write({ bank: { store: 'nowhere/bank.db' } })
    const starting = startService('bank', place.config)
    starting.catch(() => undefined)
    await expect
      .poll(
        () =>
          fetch(place.bankUrl).then(
            (response) => response.status,
            () => 0,
          ),
        { timeout: 30_000 },
      )
      .toBe(503)
    mkdirSync(join(place.folder, 'nowhere'))
    const bank = await starting
    expect(await bank.ready()).toMatchObject({ status: 200 })
    expect(bank.events()).toContainEqual(
      expect.objectContaining({ event: 'waiting for the store', fault: 'unreachable' }),
    )
  })
})

describe('the books of a bank that runs', { timeout: 120_000 }, () => {
  test('are audited beside it, and a metric says that they are wrong', async () => {
    const place = await openPlace()
    place.write({ bank: { jobs: { recordEverySeconds: 1, auditEverySeconds: 1 } } })
    const bank = await startService('bank', place.config)
    await fund(place)
    const imbalance = 'lockstep_ledger_imbalance{asset="USD/6"}'
    await expect.poll(() => bank.metric(imbalance), { timeout: 60_000 }).toBe(0)
    expect(await bank.metric('lockstep_ledger_audit_ok')).toBe(1)
    const db = new DatabaseSync(join(place.folder, 'bank.db'))
    db.exec(`UPDATE balances SET balance = balance + 7 WHERE place = 'account' AND balance > 0`)
    db.close()
    await expect.poll(() => bank.metric(imbalance), { timeout: 60_000 }).toBe(14)
    expect(await bank.metric('lockstep_ledger_audit_ok')).toBe(0)
    expect(await bank.metric('lockstep_jobs_failed_total{job="audit"}')).toBeGreaterThan(0)
    const audit = await lockstep(['ledger', 'audit', '--config', place.config])
    expect(audit.code).toBe(1)
    expect(audit.stderr).toContain('the books are wrong: every balance is the sum of its postings')
  })
})

describe('the operator', { timeout: 120_000 }, () => {
  test('is told what the bank refuses, and that none runs', async () => {
    const place = await openPlace()
    const account = toHex(place.account.publicKey)
    const none = await lockstep(['bank', 'register', account, '--config', place.config])
    expect(none).toMatchObject({ code: 1, stdout: '' })
    expect(none.stderr).toContain('no service listens there')
    await startService('bank', place.config)
    const refusals = [
      [['deposit', account, 'USD/6', '5'], 'is not registered'],
      [['deposit', account, 'USD/6', '1.5'], 'decimal integer of base units'],
      [['deposit', account, 'EUR/2', '5'], 'EUR/2 is none of USD/6'],
      [['register', 'ab'], 'a public key of 64 hex digits'],
    ] as const
    for (const [order, reason] of refusals) {
      const { code, stderr } = await lockstep(['bank', ...order, '--config', place.config])
      expect(code).toBe(1)
      expect(stderr).toContain(reason)
      expect(stderr.trim().split('\n')).toHaveLength(1)
    }
  })

  test('books a deposit or a withdrawal of one id once, and says that it was paid out', async () => {
    const place = await openPlace()
    await startService('bank', place.config)
    const account = toHex(place.account.publicKey)
    const order = async (...words: readonly string[]): Promise<Record<string, unknown>> => {
      const { code, stdout, stderr } = await lockstep(['bank', ...words, '--config', place.config, '--json'])
      return code === 0 ? (JSON.parse(stdout) as Record<string, unknown>) : { refused: stderr }
    }
    await order('register', account)
    for (let times = 0; times < 2; times++) {
      expect(await order('deposit', account, 'USD/6', '500', '--id', 'ab')).toMatchObject({ balance: '500' })
    }
    expect(String((await order('deposit', account, 'USD/6', '501', '--id', 'ab')).refused)).toContain('was another one')
    const { reference } = await order('withdraw', account, 'USD/6', '200', '--id', 'cd')
    expect(await order('withdraw', account, 'USD/6', '200', '--id', 'cd')).toEqual({ reference })
    expect(await order('withdrawals')).toMatchObject({ withdrawals: [{ reference, account, amount: '200' }] })
    expect(await order('balance', account)).toMatchObject({ balances: { 'USD/6': '300' } })
    expect(await order('paid', String(reference))).toEqual({ reference, paid: true })
    expect(String((await order('paid', String(reference))).refused)).toContain('it was paid, or there is none')
    expect(await order('withdrawals')).toEqual({ withdrawals: [] })
    expect(await order('clock')).toMatchObject({ held: null })
    expect(await order('confirm-clock')).toMatchObject({ held: null })
    const audit = await lockstep(['ledger', 'audit', '--config', place.config])
    expect(audit).toMatchObject({ code: 0 })
    expect(audit.stdout).toContain('USD/6: 500 in, 200 out; 300 in accounts')
  })

  test('uses a command as it is meant, or hears with exit 2 how', async () => {
    const place = await openPlace()
    const wrong = [
      ['bank', 'deposit', 'ab', '--config', place.config],
      ['bank', 'rob', '--config', place.config],
      ['bank', 'register', 'ab', '--id', 'ab', '--config', place.config],
      ['bank'],
      ['channels', 'close', '--config', place.config],
      ['channels', 'ls', 'ab', '--config', place.config],
      ['channels', 'show', 'x!', '--config', place.config],
      ['ledger', '--config', place.config],
      ['ledger', 'export', '--format', 'xml', '--config', place.config],
      ['doctor'],
    ]
    const said = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      vi.spyOn(process[name], 'write').mockImplementation((text) => {
        said[name] += String(text)
        return true
      })
    }
    for (const args of wrong) {
      Object.assign(said, { stdout: '', stderr: '' })
      const code = await main(args)
      expect({ args, code, stdout: said.stdout }).toEqual({ args, code: 2, stdout: '' })
      expect(said.stderr.trim().split('\n')).toHaveLength(1)
    }
  })
})

const slowModule = `
import { writeFileSync } from 'node:fs'
export const routes = [{
  method: 'GET',
  path: '/slow',
  price: 5n,
  async handler() {
    writeFileSync(new URL('started', import.meta.url), '')
    await new Promise((resolve) => setTimeout(resolve, 400))
    return new Response('done')
  },
}]
`

async function balanceOf({ config }: Place, account: string): Promise<string | undefined> {
  const { stdout } = await lockstep(['bank', 'balance', account, '--config', config, '--json'])
  return (JSON.parse(stdout) as { balances: Readonly<Record<string, string>> }).balances['USD/6']
}
