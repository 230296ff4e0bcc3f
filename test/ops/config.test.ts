import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { configDocuments } from '../../scripts/config.ts'
import {
  ConfigError,
  type Environment,
  type LoadedConfig,
  readConfig,
  readKeyPair,
} from '../../src/ops/config/index.ts'
import { temporaryFolder } from './services.ts'

const key = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'

const least = {
  bank: { keyFile: 'bank.key' },
  vendor: {
    keyFile: 'vendor.key',
    frameKeyFile: 'frame.key',
    banks: [{ key, url: 'http://127.0.0.1:7400' }],
    routes: [{ path: '/report', price: '5', echo: true }],
  },
}

function write(content: unknown, folder = temporaryFolder()): string {
  const path = join(folder, 'lockstep.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

function problemsOf(content: unknown, environment: Environment = {}): readonly string[] {
  const path = write(content)
  try {
    readConfig(path, environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((problem) => problem.replace(path, 'FILE'))
    throw error
  }
  return []
}

function read(content: unknown, environment: Environment = {}): LoadedConfig {
  return readConfig(write(content), environment)
}

/** A change somewhere inside. */
function changed(at: string, value: unknown): unknown {
  const copy = structuredClone(least) as Record<string, unknown>
  const names = at.split('.')
  let inside = copy
  for (const name of names.slice(0, -1)) {
    inside[name] ??= {}
    inside = inside[name] as Record<string, unknown>
  }
  inside[names.at(-1) ?? ''] = value
  return copy
}

describe('a config', () => {
  test('fills in what is left out, on loopback', () => {
    const path = write(least)
    const { bank, vendor, client, log } = readConfig(path, {})
    expect(log).toEqual({ level: 'info' })
    expect(client).toBeUndefined()
    for (const section of [bank, vendor]) {
      expect(section).toMatchObject({ host: '127.0.0.1', ops: { host: '127.0.0.1' }, shutdownSeconds: 10 })
    }
    expect(bank).toMatchObject({ assets: ['USD/6'], chain: { kind: 'embedded' }, store: join(path, '../bank.db') })
    expect(vendor).toMatchObject({ unitPrice: 1n, segmentLength: 1024, lockSchemes: ['schnorr', 'ecdsa-xor'] })
  })

  test('takes paths from where the file is', () => {
    const path = write(changed('bank.store', 'data/books.db'))
    expect(readConfig(path, {}).bank?.store).toBe(join(path, '../data/books.db'))
    expect(read(changed('bank.store', '/var/lib/lockstep/bank.db')).bank?.store).toBe('/var/lib/lockstep/bank.db')
    expect(read(changed('bank.store', 'postgres://lockstep@db/bank')).bank?.store).toBe('postgres://lockstep@db/bank')
  })

  test('is overridden by the environment, each kind of value', () => {
    const { bank, vendor, log } = read(least, {
      LOCKSTEP_LOG_LEVEL: 'debug',
      LOCKSTEP_BANK_PORT: '9000',
      LOCKSTEP_BANK_ASSETS: 'USD/6, EUR/2',
      LOCKSTEP_BANK_RULES_FUNDS_MIN: '1000',
      LOCKSTEP_BANK_STORE: '/srv/bank.db',
      LOCKSTEP_VENDOR_LOCK_SCHEMES: 'schnorr',
      LOCKSTEP_VENDOR_PUBLIC_URL: 'https://pay.example/',
    })
    expect(log.level).toBe('debug')
    expect(bank).toMatchObject({ port: 9000, assets: ['USD/6', 'EUR/2'], store: '/srv/bank.db' })
    expect(bank?.rules.fundsMin).toBe(1000n)
    expect(vendor).toMatchObject({ lockSchemes: ['schnorr'], publicUrl: 'https://pay.example' })
  })

  test('may be the environment alone', () => {
    const { bank } = read({}, { LOCKSTEP_BANK_KEY: '11'.repeat(32), LOCKSTEP_BANK_PORT: '0' })
    expect(bank?.port).toBe(0)
    expect(bank && readKeyPair(bank.keyFile).secret).toHaveLength(32)
  })

  test.each([
    ['bank.port', 'x', 'bank.port: expected a port from 0 to 65535; 0 takes a free one, found "x"'],
    ['bank.port', 65_536, 'bank.port: expected a port from 0 to 65535; 0 takes a free one, found 65536'],
    [
      'bank.keyFile',
      undefined,
      'bank.keyFile: expected the path of a key file, as "lockstep keys FILE --new" makes it, found nothing',
    ],
    ['bank.assets', ['USD'], 'bank.assets: expected a list of assets as CODE/decimals, at least one, found ["USD"]'],
    ['bank.assets', [], 'bank.assets: expected a list of assets as CODE/decimals, at least one, found []'],
    [
      'bank.rules.fundsMin',
      5,
      'bank.rules.fundsMin: expected base units as a string of digits, such as "1000", found 5',
    ],
    ['bank.rules', [], 'bank.rules: expected an object, found []'],
    ['bank.rules.lifeMinSeconds', 86_400 * 366, undefined],
    ['bank.rules.lifeMaxSeconds', 10, 'bank.rules.lifeMinSeconds: expected at most lifeMaxSeconds'],
    [
      'bank.network',
      'eip155:1',
      'bank.network: expected a name that does not start with eip155: where the chain is embedded, found "eip155:1"',
    ],
    [
      'bank.chain.rpcUrl',
      'http://127.0.0.1:8545',
      'bank.chain.rpcUrl: expected nothing where kind is embedded, found a value',
    ],
    ['bank.chain.kind', 'solana', 'bank.chain.kind: expected one of embedded, evm, found "solana"'],
    ['bank.prot', 1, 'bank.prot: no such setting; expected port, perhaps'],
    ['banq', {}, 'banq: no such setting; expected bank, perhaps'],
    ['vendor.banks', [], 'vendor.banks: expected a list with one entry or more, found []'],
    [
      'vendor.banks',
      [{ key: 'ab', url: 'http://a' }],
      'vendor.banks[0].key: expected a public key of 64 hex digits, as "lockstep keys FILE" prints it, found "ab"',
    ],
    [
      'vendor.banks',
      [{ key, url: 'ftp://a' }],
      'vendor.banks[0].url: expected an address such as https://pay.example, found "ftp://a"',
    ],
    ['vendor.routes', [], 'vendor.routes: expected a route, or a module that exports some; found neither'],
    ['vendor.routes', [{ path: '/a', price: '1' }], 'vendor.routes[0]: expected either file or echo'],
    [
      'vendor.routes',
      [{ path: 'a', price: '1', echo: true }],
      'vendor.routes[0].path: expected a path such as /report or /lines/:number, found "a"',
    ],
    ['vendor.unitPrice', '0', 'vendor.unitPrice: expected more than 0'],
    ['vendor.segmentLength', 1025, 'vendor.segmentLength: expected a whole number from 1 to 1024, found 1025'],
    ['vendor.jobs.closeMarginSeconds', 7200, 'vendor.jobs.closeMarginSeconds: expected at most graceMinSeconds'],
    [
      'vendor.lockSchemes',
      ['rsa'],
      'vendor.lockSchemes: expected a list of lock schemes: schnorr, ecdsa-xor, at least one, found ["rsa"]',
    ],
  ])('with %s set to %j says so in one line', (at, value, problem) => {
    expect(problemsOf(changed(at, value))).toEqual(problem === undefined ? [] : [`FILE: ${problem}`])
  })

  test('says everything that is wrong, a line each', () => {
    expect(problemsOf({ bank: { port: -1 }, vendor: 7 }, { LOCKSTEP_BANK_PROT: '1' })).toEqual([
      'FILE: bank.port: expected a port from 0 to 65535; 0 takes a free one, found -1',
      'FILE: bank.keyFile: expected the path of a key file, as "lockstep keys FILE --new" makes it, found nothing',
      'FILE: vendor: expected an object, found 7',
      'environment: LOCKSTEP_BANK_PROT: no such setting; expected LOCKSTEP_BANK_PORT, perhaps',
    ])
  })

  test('never says a secret, wherever somebody put one', () => {
    const secret = '5f'.repeat(32)
    const wrong = [
      problemsOf(changed('bank.keyFile', secret)),
      problemsOf(changed('bank.keyFile', `0x${secret}`)),
      problemsOf(changed('bank.store', `mysql://user:${secret}@host/db`), {}),
      problemsOf(least, {
        LOCKSTEP_BANK_STORE: `://${secret}`,
        LOCKSTEP_BANK_KEY: secret,
        LOCKSTEP_BANK_KEY_FILE: 'a',
      }),
    ]
    for (const problems of wrong) {
      expect(problems).not.toEqual([])
      expect(problems.join()).not.toContain(secret)
    }
  })

  test('that is no JSON, no object or not there is an error of one line', () => {
    for (const content of ['', '{', '[]', '7', '{"bank":']) {
      const problems = problemsOf(content)
      expect(problems).toHaveLength(1)
      expect(problems[0]).not.toContain('\n')
    }
    expect(() => readConfig('/nowhere/lockstep.json', {})).toThrow(
      '/nowhere/lockstep.json: expected a config file; there is none',
    )
  })

  test('leaves other variables of the environment alone', () => {
    expect(problemsOf(least, { LOCKSTEP_BACKEND: 'portable', LOCKSTEP_CONFIG: 'x', HOME: '/root' })).toEqual([])
  })
})

describe('a key file', () => {
  test.each(['', 'ab', '00'.repeat(32), 'ff'.repeat(32), 'x'.repeat(64)])(
    'of %j is refused without repeating it',
    (content) => {
      const folder = temporaryFolder()
      writeFileSync(join(folder, 'bank.key'), content)
      const { bank } = readConfig(write(least, folder), {})
      const said = ((): string => {
        try {
          return `${readKeyPair(bank!.keyFile).publicKey.length}`
        } catch (error) {
          return String(error)
        }
      })()
      expect(said).toContain('bank.key: expected a secret key of 64 hex digits, found something else')
      if (content !== '') expect(said).not.toContain(content)
    },
  )
})

describe('the reference of the config', () => {
  test.each(Object.entries(configDocuments()))('%s is what the program reads', (name, text) => {
    expect(readFileSync(join(import.meta.dirname, '../../docs/reference', name), 'utf8')).toBe(text)
  })
})
