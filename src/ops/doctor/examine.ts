import { statSync } from 'node:fs'
import { schema as bankSchema } from '../../bank/store/tasks.ts'
import { schema as journalSchema } from '../../client/journal/schema.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import { schema as vendorSchema } from '../../vendor/store/tasks.ts'
import { openBankReader, openJournalReader, openVendorReader } from '../audit/stores.ts'
import {
  type BankConfig,
  type ClientConfig,
  ConfigError,
  type Environment,
  isPostgres,
  type KeySource,
  type LoadedConfig,
  networkOf,
  readConfig,
  readKeyPair,
  type VendorConfig,
} from '../config/index.ts'
import { examined, type Finding, fault, fine, warning } from './finding.ts'
import { examineKey, examineSeparation } from './keys.ts'
import { examineProgram } from './machine.ts'
import { examineBank, examineChain, examineListening } from './network.ts'
import { examineSqliteStore } from './stores.ts'

/** Looks at everything that a config names, and changes nothing. */
export async function examine(path: string, environment: Environment = process.env): Promise<readonly Finding[]> {
  let config: LoadedConfig
  try {
    config = readConfig(path, environment)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [
      ...(await examineProgram([])),
      ...error.problems.map((problem) => fault('config', problem, 'docs/reference/config.md has every setting')),
    ]
  }
  const { bank, vendor, client } = config
  return [
    ...(await examineProgram(packagesOf(config))),
    ...examineConfig(config),
    ...(bank === undefined ? [] : await examineBankRole(bank)),
    ...(vendor === undefined ? [] : await examineVendorRole(vendor)),
    ...(client === undefined ? [] : await examineClientRole(client)),
  ]
}

function packagesOf({ bank, vendor }: LoadedConfig): Parameters<typeof examineProgram>[0] {
  const stores = [bank?.store, vendor?.store].filter((store) => store !== undefined)
  return [
    { name: 'pino', isFor: 'logs that do not hold up the loop', isNeeded: false },
    { name: 'prom-client', isFor: 'metrics', isNeeded: false },
    ...(stores.some(isPostgres) ? [{ name: 'pg', isFor: 'PostgreSQL', isNeeded: true }] : []),
    ...(bank?.chain.kind === 'evm' ? [{ name: 'viem', isFor: 'EVM chains', isNeeded: true }] : []),
  ]
}

function examineConfig({ path, bank, vendor, client }: LoadedConfig): readonly Finding[] {
  const roles = Object.entries({ bank, vendor, client }).flatMap(([name, section]) =>
    section === undefined ? [] : [name],
  )
  if (roles.length === 0)
    return [fault('config', `${path} has no section`, 'add bank, vendor or client: docs/reference/config.md')]
  const stores = [bank?.store, vendor?.store].filter((store) => store !== undefined)
  const hasPassword = stores.some((store) => isPostgres(store) && new URL(store).password !== '')
  const isOpen = process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0
  return [
    fine('config', `${path}: ${roles.join(', ')}`),
    ...(hasPassword && isOpen
      ? [warning('config', 'it holds a password, and others can read it', `chmod 600 ${path}, or use PGPASSFILE`)]
      : []),
  ]
}

async function examineBankRole(config: BankConfig): Promise<readonly Finding[]> {
  return [
    ...examineKey('bank.keyFile', config.keyFile),
    ...(config.chain.recorderKeyFile === undefined
      ? []
      : examineKey('bank.chain.recorderKeyFile', config.chain.recorderKeyFile)),
    ...(await examineStore('bank.store', config.store, 'bank')),
    ...(await examineChain('bank.chain', config.chain)),
    ...(await examineListening('bank.port', config, config.ops)),
    ...(await examineListening('bank.ops', config.ops, config.ops)),
    fine('bank.network', networkOf(config)),
  ]
}

async function examineVendorRole(config: VendorConfig): Promise<readonly Finding[]> {
  const { keyFile, frameKeyFile, store, banks, network, asset, ops } = config
  const account = keyPairOf(keyFile)
  const answers = await Promise.all(
    banks.map((bank, index) => examineBank(`vendor.banks[${index}]`, bank, { account, network, asset })),
  )
  return [
    ...examineKey('vendor.keyFile', keyFile),
    ...examineKey('vendor.frameKeyFile', frameKeyFile),
    ...examineSeparation(keyFile, frameKeyFile),
    ...(await examineStore('vendor.store', store, 'vendor')),
    ...answers.flat(),
    ...(await examineListening('vendor.port', config, ops)),
    ...(await examineListening('vendor.ops', ops, ops)),
  ]
}

async function examineClientRole({ journal, keyFile, bank }: ClientConfig): Promise<readonly Finding[]> {
  return [
    ...examineKey('client.keyFile', keyFile),
    ...(await examineStore('client.journal', journal, 'client')),
    ...(await examineBank('client.bank', bank, {
      account: keyPairOf(keyFile),
      network: undefined,
      asset: undefined,
    })),
  ]
}

const kinds = {
  bank: { schema: bankSchema, open: openBankReader },
  vendor: { schema: vendorSchema, open: openVendorReader },
  client: { schema: journalSchema, open: openJournalReader },
} as const

function examineStore(about: string, store: string, role: keyof typeof kinds): Promise<readonly Finding[]> {
  const { schema, open } = kinds[role]
  const remedy = 'docs/operations.md, "The store cannot be opened"'
  if (!isPostgres(store)) {
    return examined(about, () => examineSqliteStore(about, { path: store, schema, open: () => open(store) }), remedy)
  }
  return examined(
    about,
    async () => {
      const reader = await open(store)
      await reader.close()
      return [fine(about, `${new URL(store).host} answers, and the store is at the newest version`)]
    },
    remedy,
  )
}

/** Where it cannot be read, that is said of the key itself. */
function keyPairOf(source: KeySource): Schnorr.KeyPair | undefined {
  try {
    return readKeyPair(source)
  } catch (error) {
    if (error instanceof ConfigError) return undefined
    throw error
  }
}
