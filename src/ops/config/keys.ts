import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { fromHex, isZero } from '../../crypto/bytes.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import { isScalar } from '../../crypto/scalar.ts'
import { ConfigError } from './configError.ts'
import { type Field, report, secretVariableOf, variableOf } from './field.ts'

/** Where a secret is. Read when it is needed, and never printed. */
export type KeySource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'environment'; readonly variable: string; readonly secret: string }

const expected = 'the path of a key file, as "lockstep keys FILE --new" makes it'

/** A field `…keyFile` that names a file; the environment may name another one, or hold the secret itself. */
export function keyField(says: string): Field<KeySource> {
  return create(says, true) as Field<KeySource>
}

export function optionalKeyField(says: string): Field<KeySource | undefined> {
  return create(says, false)
}

/** The secret of a source. Throws {@link ConfigError} where there is none. */
export function readSecret(source: KeySource): Uint8Array {
  const where = source.kind === 'file' ? source.path : `environment: ${source.variable}`
  const hex = (source.kind === 'file' ? readKeyFile(source.path) : source.secret).trim()
  const secret = /^[0-9a-f]{64}$/.test(hex) ? fromHex(hex) : undefined
  if (secret === undefined || !isScalar(secret) || isZero(secret)) {
    throw new ConfigError([`${where}: expected a secret key of 64 hex digits, found something else`])
  }
  return secret
}

export function readKeyPair(source: KeySource): Schnorr.KeyPair {
  return Schnorr.keyPair(readSecret(source))
}

/** Why others than the owner can read the key, if so. */
export function exposureOf(source: KeySource): string | undefined {
  if (source.kind === 'environment' || process.platform === 'win32') return undefined
  const mode = statSync(source.path, { throwIfNoEntry: false })?.mode ?? 0
  const others = mode & 0o077
  return others === 0 ? undefined : `${source.path} can be used by others: its mode is ${(mode & 0o777).toString(8)}`
}

function create(says: string, isRequired: boolean): Field<KeySource | undefined> {
  return {
    says,
    form: {
      kind: 'value',
      expected,
      schema: { type: 'string', minLength: 1, not: { pattern: '^(?:0x)?[0-9a-fA-F]{64}$' } },
      fallback: undefined,
      isRequired,
      byEnvironment: 'key',
    },
    read(value, path, reading) {
      const variable = secretVariableOf(path)
      const secret = reading.environment[variable]
      const file = reading.environment[variableOf(path)]
      if (secret !== undefined && file !== undefined) {
        reading.problems.push(`environment: ${variable}: expected either it or ${variableOf(path)}, found both`)
      }
      if (secret !== undefined) return { kind: 'environment', variable, secret }
      if (file !== undefined) return { kind: 'file', path: resolve(file) }
      if (value === undefined && !isRequired) return undefined
      if (typeof value === 'string' && /^(?:0x)?[0-9a-fA-F]{64}$/.test(value)) {
        // Said without repeating it: whoever wrote it here has to make another one.
        reading.problems.push(`${reading.file}: ${path.join('.')}: expected ${expected}, found a secret itself`)
        return undefined
      }
      if (typeof value !== 'string' || value === '') {
        report(reading, path, expected, value)
        return undefined
      }
      return { kind: 'file', path: resolve(reading.folder, value) }
    },
  }
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const what = missing ? `there is none: make it with "lockstep keys ${path} --new"` : 'this user cannot read it'
    throw new ConfigError([`${path}: expected a key file; ${what}`], error)
  }
}
