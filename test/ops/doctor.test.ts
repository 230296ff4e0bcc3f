import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { examine } from '../../src/ops/doctor/examine.ts'
import type { Finding } from '../../src/ops/doctor/finding.ts'
import { freePort, fund, lockstep, onEnd, openPlace, type Place, startService } from './services.ts'

async function faultsOf({ config }: Place): Promise<readonly Finding[]> {
  return (await examine(config, {})).filter(({ state }) => state === 'fault')
}

function about(findings: readonly Finding[], name: string): Finding | undefined {
  return findings.find((finding) => finding.about === name)
}

describe('a doctor', { timeout: 120_000 }, () => {
  test('finds nothing wrong with services that run', async () => {
    const place = await openPlace()
    // The port of the ops server has to be one that the doctor can ask.
    place.write({ bank: { ops: { port: await freePort() } }, vendor: { ops: { port: await freePort() } } })
    await startService('bank', place.config)
    await fund(place)
    await startService('vendor', place.config)
    const { code, stdout } = await lockstep(['doctor', '--config', place.config, '--json'])
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: readonly Finding[] }
    expect(findings.filter(({ state }) => state === 'fault')).toEqual([])
    expect({ ok, code }).toEqual({ ok: true, code: 0 })
    expect(about(findings, 'bank.port')?.detail).toContain('the service runs')
    expect(
      findings.some(({ detail }) => detail.includes('behind the bank’s') || detail.includes('ahead of the bank’s')),
    ).toBe(true)
  })

  test('changes nothing: what is not there yet is not there afterwards', async () => {
    const place = await openPlace()
    const before = readdirSync(place.folder)
    await examine(place.config, {})
    expect(readdirSync(place.folder)).toEqual(before)
  })

  test('says something of each thing that it looked at', async () => {
    for (const { detail } of await examine((await openPlace()).config, {})) expect(detail).not.toBe('')
  })

  test('finds what is wrong with a config, one finding each, and exits 1', async () => {
    const place = await openPlace()
    writeFileSync(place.config, '{"bank": {"port": "x"}}')
    const { code, stdout } = await lockstep(['doctor', '--config', place.config])
    expect(code).toBe(1)
    expect(stdout).toContain('bank.port: expected a port')
    expect(stdout).toContain('bank.keyFile: expected the path of a key file')
    expect(stdout).toContain('→ docs/reference/config.md')
  })

  test('finds a key that others can read, and says how to keep it', async () => {
    const place = await openPlace()
    chmodSync(join(place.folder, 'bank.key'), 0o644)
    const found = about(await faultsOf(place), 'bank.keyFile')
    expect(found?.detail).toContain('can be used by others: its mode is 644')
    expect(found?.remedy).toContain('chmod 600')
  })

  test('finds a key that is missing, and one that is none', async () => {
    const place = await openPlace()
    rmSync(join(place.folder, 'vendor.key'))
    writeFileSync(join(place.folder, 'frame.key'), 'not a key')
    const faults = await faultsOf(place)
    expect(about(faults, 'vendor.keyFile')?.detail).toContain('there is none')
    expect(about(faults, 'vendor.frameKeyFile')?.detail).toContain('64 hex digits')
  })

  test('warns of a frame key that is the settlement key', async () => {
    const place = await openPlace()
    place.write({ vendor: { frameKeyFile: 'vendor.key' } })
    const found = (await examine(place.config, {})).filter(({ state }) => state === 'warning')
    expect(about(found, 'vendor.frameKeyFile')?.detail).toContain('it is the settlement key')
  })

  test('finds a store that is damaged, foreign, newer, or not to be written', async () => {
    const place = await openPlace()
    const store = join(place.folder, 'bank.db')
    const seeded: readonly (readonly [() => void, string])[] = [
      [() => writeFileSync(store, 'this is no database, whatever it is called'), 'no SQLite database'],
      [() => new DatabaseSync(store).exec('CREATE TABLE a (b); PRAGMA application_id = 5'), 'not a bank'],
      [
        () =>
          new DatabaseSync(store).exec(
            `PRAGMA application_id = ${Buffer.from('LSba').readUInt32BE()}; PRAGMA user_version = 99`,
          ),
        'is at version 99',
      ],
    ]
    for (const [seed, what] of seeded) {
      rmSync(store, { force: true })
      seed()
      expect(about(await faultsOf(place), 'bank.store')?.detail).toContain(what)
    }
    place.write({ bank: { store: 'nowhere/bank.db' } })
    expect(about(await faultsOf(place), 'bank.store')).toMatchObject({
      remedy: `mkdir -p ${join(place.folder, 'nowhere')}`,
    })
    expect(existsSync(join(place.folder, 'nowhere'))).toBe(false)
  })

  test('finds a port that another program has', async () => {
    const place = await openPlace()
    const other = createServer()
    await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve))
    onEnd(() => other.close())
    const { port } = other.address() as { port: number }
    place.write({ bank: { port } })
    expect(about(await faultsOf(place), 'bank.port')?.detail).toContain('used by another program')
  })

  test('finds a bank that is away, is another one, or does not know the account', async () => {
    const place = await openPlace()
    expect(about(await faultsOf(place), 'vendor.banks[0]')?.detail).toContain('nothing answers there')
    await startService('bank', place.config)
    const unknown = about(await faultsOf(place), 'vendor.banks[0]')
    expect(unknown?.detail).toBe(`it knows no account ${Buffer.from(place.vendor.publicKey).toString('hex')}`)
    place.write({
      vendor: {
        banks: [{ key: Buffer.from(place.vendor.publicKey).toString('hex'), url: place.bankUrl }],
      },
    })
    expect(about(await faultsOf(place), 'vendor.banks[0]')?.detail).toContain(
      `is bank ${Buffer.from(place.bank.publicKey).toString('hex')}`,
    )
    place.write({ vendor: { network: 'lockstep:other', asset: 'EUR/2' } })
    const details = (await faultsOf(place)).map(({ detail }) => detail)
    expect(details).toContain('it records on lockstep:local, not on lockstep:other')
    expect(details).toContain('it takes USD/6, not EUR/2')
  })

  test('finds a node of the chain that does not answer', async () => {
    const place = await openPlace()
    const chain = {
      kind: 'evm',
      rpcUrl: 'http://127.0.0.1:9',
      chainId: 31_337,
      registry: `0x${'11'.repeat(20)}`,
      recorderKeyFile: 'vendor.key',
    }
    place.write({ bank: { chain } })
    expect(about(await faultsOf(place), 'bank.chain')?.detail).toContain('does not answer')
  })

  test('gives a remedy for every fault and every warning', async () => {
    const place = await openPlace()
    chmodSync(join(place.folder, 'bank.key'), 0o644)
    place.write({ bank: { host: '0.0.0.0', chain: { kind: 'embedded' } } })
    for (const { state, remedy } of await examine(place.config, {})) expect(remedy === undefined).toBe(state === 'ok')
  })
})
