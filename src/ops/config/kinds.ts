/** The kinds of value that the config file has. */

import { isAbsolute, resolve } from 'node:path'
import { backend } from '../../crypto/backend.ts'
import { fromHex } from '../../crypto/bytes.ts'
import { parseAmount, parseAsset } from '../../wire/amount.ts'
import type { Kind } from './field.ts'

export const host: Kind<string> = matching(/^[A-Za-z0-9.:_-]{1,253}$/, 'a host name or address, such as 127.0.0.1')

export const port: Kind<number> = whole(0, 65_535, 'a port from 0 to 65535; 0 takes a free one')

export const label: Kind<string> = {
  expected: 'a text of 1 to 200 characters',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
  parse: (value) => (typeof value === 'string' && value.length > 0 && value.length <= 200 ? value : undefined),
  fromText: (text) => text,
}

export const flag: Kind<boolean> = {
  expected: 'true or false',
  schema: { type: 'boolean' },
  parse: (value) => (typeof value === 'boolean' ? value : undefined),
  fromText: (text) => (text === 'true' ? true : text === 'false' ? false : text),
}

/** As in terms: at most 32 characters of ASCII. */
export const network: Kind<string> = matching(
  /^[\x21-\x7e]{1,32}$/,
  'a network of 1 to 32 ASCII characters, such as eip155:1',
)

export const asset: Kind<string> = {
  expected: 'an asset as CODE/decimals, such as USD/6',
  schema: { type: 'string', pattern: '^[A-Za-z0-9.:_-]{1,30}/[0-9]$' },
  parse: (value) => (typeof value === 'string' && parseAsset(value).ok ? value : undefined),
  fromText: (text) => text,
}

/** Base units. A string, because JSON's numbers end at 2^53. */
export const baseUnits: Kind<bigint> = {
  expected: 'base units as a string of digits, such as "1000"',
  schema: { type: 'string', pattern: '^(?:0|[1-9][0-9]{0,18})$' },
  parse(value) {
    const amount = typeof value === 'string' ? parseAmount(value) : undefined
    return amount?.ok === true ? amount.value : undefined
  },
  fromText: (text) => text,
}

/** Relative to the file's folder. */
export const path: Kind<string> = {
  expected: 'a path',
  schema: { type: 'string', minLength: 1 },
  parse: (value, folder) => (isPath(value) ? absolute(value, folder) : undefined),
  fromText: (text) => text,
}

/** A PostgreSQL address may hold a password: errors do not repeat it. */
export const store: Kind<string> = {
  expected: 'the path of an SQLite file, or postgres://user@host/database',
  schema: { type: 'string', minLength: 1 },
  parse(value, folder) {
    if (!isPath(value)) return undefined
    if (!value.includes('://')) return absolute(value, folder)
    return isPostgres(value) && URL.canParse(value) ? value : undefined
  },
  fromText: (text) => text,
  isSecret: true,
}

export function isPostgres(store: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(store)
}

export const webAddress: Kind<string> = {
  expected: 'an address such as https://pay.example',
  schema: { type: 'string', format: 'uri', pattern: '^https?://' },
  parse(value) {
    if (typeof value !== 'string' || !URL.canParse(value)) return undefined
    const { protocol, username, password, href } = new URL(value)
    if (!/^https?:$/.test(protocol) || username !== '' || password !== '') return undefined
    return href.replace(/\/$/, '')
  },
  fromText: (text) => text,
}

/** The address of a node may hold an API key: errors do not repeat it. */
export const nodeAddress: Kind<string> = {
  ...webAddress,
  expected: 'the address of a node, such as http://127.0.0.1:8545',
  isSecret: true,
}

export const publicKey: Kind<Uint8Array> = {
  expected: 'a public key of 64 hex digits, as "lockstep keys FILE" prints it',
  schema: { type: 'string', pattern: '^[0-9a-f]{64}$' },
  parse(value) {
    const key = typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? fromHex(value) : undefined
    return key !== undefined && backend.isXCoordinate(key) ? key : undefined
  },
  fromText: (text) => text,
}

/** An EVM contract's. */
export const address: Kind<`0x${string}`> = {
  expected: 'an address: 0x and 40 hex digits',
  schema: { type: 'string', pattern: '^0x[0-9a-fA-F]{40}$' },
  parse: (value) =>
    typeof value === 'string' && /^0x[0-9a-fA-F]{40}$/.test(value) ? (value.toLowerCase() as `0x${string}`) : undefined,
  fromText: (text) => text,
}

export function whole(
  min: number,
  max: number,
  expected: string = `a whole number from ${min} to ${max}`,
): Kind<number> {
  return {
    expected,
    schema: { type: 'integer', minimum: min, maximum: max },
    parse: (value) =>
      Number.isSafeInteger(value) && inside(value as number, min, max) ? (value as number) : undefined,
    fromText: (text) => (/^[0-9]{1,15}$/.test(text) ? Number(text) : text),
  }
}

export function seconds(min: number, max: number): Kind<number> {
  return whole(min, max, `whole seconds from ${min} to ${max}`)
}

/** One of a closed set. */
export function word<const W extends string>(words: readonly W[]): Kind<W> {
  return {
    expected: `one of ${words.join(', ')}`,
    schema: { type: 'string', enum: words },
    parse: (value) => words.find((one) => one === value),
    fromText: (text) => text,
  }
}

/** In the environment with commas between. */
export function several<T>(kind: Kind<T>, what: string): Kind<readonly T[]> {
  return {
    expected: `a list of ${what}, at least one`,
    schema: { type: 'array', minItems: 1, items: kind.schema },
    parse(value, folder) {
      if (!Array.isArray(value) || value.length === 0) return undefined
      const parsed = value.map((each) => kind.parse(each, folder))
      return parsed.includes(undefined) ? undefined : (parsed as readonly T[])
    },
    fromText: (text) => text.split(',').map((each) => each.trim()),
  }
}

export function matching(pattern: RegExp, expected: string): Kind<string> {
  return {
    expected,
    schema: { type: 'string', pattern: pattern.source },
    parse: (value) => (typeof value === 'string' && pattern.test(value) ? value : undefined),
    fromText: (text) => text,
  }
}

function inside(value: number, min: number, max: number): boolean {
  return value >= min && value <= max
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

function absolute(value: string, folder: string): string {
  return isAbsolute(value) ? value : resolve(folder, value)
}
