import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ConfigError } from './configError.ts'
import { type Environment, nearest, type Reading } from './field.ts'
import { settingsOf } from './settings.ts'
import { type BankConfig, type ChainConfig, type Config, configField, type VendorConfig } from './shape.ts'

export interface LoadedConfig extends Config {
  /** Absolute. */
  readonly path: string
}

/** The file with the environment laid over it. Throws {@link ConfigError}: one line for everything that is wrong. */
export function readConfig(path: string, environment: Environment = process.env): LoadedConfig {
  const reading: Reading = { file: path, folder: dirname(resolve(path)), environment, problems: [] }
  const config = configField.read(readJson(path), [], reading)
  if (reading.problems.length === 0) checkTogether(config, reading)
  const problems = [...reading.problems, ...unknownVariables(environment)]
  if (problems.length > 0) throw new ConfigError(problems)
  return { ...config, path: resolve(path) }
}

/** A section that a command cannot do without. */
export function sectionOf<Name extends 'bank' | 'vendor' | 'client'>(
  config: LoadedConfig,
  name: Name,
): NonNullable<LoadedConfig[Name]> {
  const found = config[name]
  if (found === undefined)
    throw new ConfigError([`${config.path}: ${name}: expected a section of this name, found nothing`])
  return found
}

/** As in the terms of the bank's channels. */
export function networkOf({ network, chain }: BankConfig): string {
  return network ?? (chain.kind === 'evm' ? `eip155:${chain.chainId}` : 'lockstep:local')
}

/** What a config file holds. Throws {@link ConfigError}. */
export function readJson(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const what = missing ? 'there is none' : 'this user cannot read it'
    throw new ConfigError([`${path}: expected a config file; ${what}`], error)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ConfigError([`${path}: expected JSON; ${error instanceof Error ? error.message : String(error)}`], error)
  }
}

/** What only several fields together can have wrong. */
function checkTogether({ bank, vendor }: Config, reading: Reading): void {
  const { problems, file } = reading
  const expect = (holds: boolean, field: string, expected: string): void => {
    if (!holds) problems.push(`${file}: ${field}: expected ${expected}`)
  }
  if (bank !== undefined) {
    checkChain(bank.chain, expect)
    const { network, rules } = bank
    const isEvm = bank.chain.kind === 'evm'
    const expected = isEvm
      ? `eip155:${bank.chain.chainId}`
      : 'a name that does not start with eip155: where the chain is embedded'
    const fits = network === undefined || (isEvm ? network === expected : !network.startsWith('eip155:'))
    expect(fits, 'bank.network', `${expected}, found ${JSON.stringify(network)}`)
    for (const [index, { asset }] of bank.registration.entries()) {
      expect(
        bank.assets.includes(asset),
        `bank.registration[${index}].asset`,
        `one of ${bank.assets.join(', ')}, found ${asset}`,
      )
    }
    expect(rules.lifeMinSeconds <= rules.lifeMaxSeconds, 'bank.rules.lifeMinSeconds', 'at most lifeMaxSeconds')
    expect(rules.graceMinSeconds <= rules.graceMaxSeconds, 'bank.rules.graceMinSeconds', 'at most graceMaxSeconds')
  }
  if (vendor !== undefined) checkVendor(vendor, expect)
}

type Expect = (holds: boolean, field: string, expected: string) => void

function checkChain(chain: ChainConfig, expect: Expect): void {
  for (const name of ['rpcUrl', 'chainId', 'registry', 'recorderKeyFile'] as const) {
    const isThere = chain[name] !== undefined
    const isEvm = chain.kind === 'evm'
    expect(isThere || !isEvm, `bank.chain.${name}`, 'a value where kind is evm, found nothing')
    expect(!isThere || isEvm, `bank.chain.${name}`, 'nothing where kind is embedded, found a value')
  }
}

function checkVendor({ routes, module, unitPrice, jobs, graceMinSeconds }: VendorConfig, expect: Expect): void {
  expect(unitPrice > 0n, 'vendor.unitPrice', 'more than 0')
  expect(
    routes.length > 0 || module !== undefined,
    'vendor.routes',
    'a route, or a module that exports some; found neither',
  )
  expect(jobs.closeMarginSeconds <= graceMinSeconds, 'vendor.jobs.closeMarginSeconds', 'at most graceMinSeconds')
  for (const [index, { file, echo, contentType }] of routes.entries()) {
    const at = `vendor.routes[${index}]`
    expect((file !== undefined) !== echo, at, 'either file or echo')
    expect(contentType === undefined || file !== undefined, `${at}.contentType`, 'a file that it is of')
  }
}

/** A misspelt variable would be ignored in silence otherwise. */
function unknownVariables(environment: Environment): readonly string[] {
  const known = settingsOf().flatMap(({ variables }) => variables)
  return Object.keys(environment)
    .filter((name) => /^LOCKSTEP_(?:LOG|BANK|VENDOR|CLIENT)_/.test(name) && !known.includes(name))
    .map((name) => {
      const like = nearest(name, known)
      return `environment: ${name}: no such setting; expected ${like === undefined ? 'a name from docs/reference/config.md' : `${like}, perhaps`}`
    })
}
