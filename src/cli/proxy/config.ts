import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import {
  type Environment,
  type Field,
  type Kind,
  list,
  optional,
  optionalSection,
  type Reading,
  required,
  section,
} from '../../ops/config/field.ts'
import { ConfigError } from '../../ops/config/index.ts'
import { flag, host, label, matching, path, port, seconds, webAddress, whole } from '../../ops/config/kinds.ts'
import { readJson } from '../../ops/config/readConfig.ts'
import type { ProxyPrice, ProxyRoute } from '../../proxy/index.ts'

/** The file of `lockstep proxy`: what is left out, an option may give. */
export interface ProxyConfig {
  readonly upstream: string | undefined
  readonly bank: string | undefined
  readonly asset: string | undefined
  readonly store: string | undefined
  readonly key: string | undefined
  readonly host: string | undefined
  readonly port: number | undefined
  readonly publicUrl: string | undefined
  readonly trustProxy: boolean | undefined
  readonly authorization: Secret | undefined
  readonly timeoutSeconds: number | undefined
  readonly bodySizeMax: number | undefined
  readonly routes: readonly ProxyRoute[]
  readonly otherwise: string | undefined
  readonly openapi: string | undefined
}

/** Where a secret is: never in the file, never in an argument. */
interface Secret {
  readonly env: string | undefined
  readonly file: string | undefined
}

/** Reads the file, or stands for none. Throws {@link ConfigError}: one line for everything that is wrong. */
export function readProxyConfig(file: string | undefined): ProxyConfig {
  const folder = file === undefined ? resolve('.') : dirname(resolve(file))
  const reading: Reading = { file: file ?? '', folder, environment: {}, problems: [] }
  const config = configField.read(file === undefined ? {} : readJson(file), [], reading)
  if (reading.problems.length > 0) throw new ConfigError(reading.problems)
  return config
}

/** What the service is told as `Authorization`: a value without a scheme is a bearer token. Throws {@link ConfigError}. */
export function authorizationOf(secret: Secret | undefined, environment: Environment): string | undefined {
  if (secret === undefined) return undefined
  const { env, file } = secret
  if ((env === undefined) === (file === undefined)) {
    throw new ConfigError(['authorization: expected either env, the name of a variable, or file, a path'])
  }
  const text = env === undefined ? readSecretFile(file!) : environment[env]
  const value = text?.trim() ?? ''
  if (!/^[\x21-\x7e]+(?: [\x20-\x7e]+)?$/.test(value)) {
    throw new ConfigError([`authorization: expected one line of text in ${env ?? file}, found something else`])
  }
  return value.includes(' ') ? value : `Bearer ${value}`
}

function readSecretFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ConfigError([`authorization: ${file} cannot be read`], cause)
  }
}

const vendorStore: Kind<string> = {
  expected: 'sqlite:PATH, sqlite::memory: or postgres://…',
  schema: { type: 'string' },
  parse(value, folder) {
    if (typeof value !== 'string') return undefined
    if (/^postgres(?:ql)?:\/\//.test(value) || value === 'sqlite::memory:') return value
    const [, file] = /^sqlite:(.+)$/.exec(value) ?? []
    return file === undefined ? undefined : `sqlite:${resolve(folder, file)}`
  },
  isSecret: true,
}

const proxyPrice: Kind<ProxyPrice> = {
  expected:
    '"free", a decimal string such as "0.001", {"prompt", "completion", "per", "max"} for tokens, or {"message"} or {"second"} ' +
    'for a WebSocket',
  schema: {},
  parse(value) {
    if (typeof value === 'string') return value
    if (typeof value !== 'object' || value === null) return undefined
    const names = Object.keys(value)
    const has = (...wanted: readonly string[]): boolean => wanted.every((name) => isText(value, name))
    const isTokens = has('prompt', 'completion', 'max') && names.every((name) => tokenNames.has(name))
    const isPer = !('per' in value) || Number.isSafeInteger(value.per)
    const isStream = names.length === 1 && (has('message') || has('second'))
    return (isTokens && isPer) || isStream ? (value as ProxyPrice) : undefined
  },
}

const tokenNames: ReadonlySet<string> = new Set(['prompt', 'completion', 'per', 'max'])

function isText(value: object, name: string): boolean {
  return typeof (value as Record<string, unknown>)[name] === 'string'
}

const routeField = {
  match: required(matching(/^(?:[A-Z]+ )?\/\S*$/, "'GET /path/:name', '/path' or '/path/*'"), 'Which requests.'),
  price: required(proxyPrice, 'What they cost.'),
}

const configField: Field<ProxyConfig> = section(
  {
    upstream: optional(webAddress, 'The service behind.'),
    bank: optional(webAddress, 'Where payments are settled.'),
    asset: optional(label, 'An asset of the bank.'),
    store: optional(vendorStore, "The vendor's state."),
    key: optional(path, "The file of the vendor's key."),
    host: optional(host, 'Where to listen.'),
    port: optional(port, 'Where to listen.'),
    publicUrl: optional(webAddress, 'Where clients reach it.'),
    trustProxy: optional(flag, 'X-Forwarded headers are those of another proxy.'),
    authorization: optionalSection(
      { env: optional(label, 'The variable that holds it.'), file: optional(path, 'The file that holds it.') },
      'What the service is told as Authorization.',
    ),
    timeoutSeconds: optional(seconds(1, 3600), 'What the service may take to answer, and between two pieces.'),
    bodySizeMax: optional(whole(0, 1_073_741_824), 'Bytes of a request body.'),
    routes: list<ProxyRoute>(routeField, 'The first that fits counts.'),
    otherwise: optional(label, 'What no route fits.'),
    openapi: optional(
      matching(/^\/\S*$/, 'a path, such as /openapi.json'),
      'Where the service has its OpenAPI document.',
    ),
  },
  'lockstep proxy',
)
