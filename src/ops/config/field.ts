/** Fields of the config file: each reads its value, says what it expected, and describes itself for the reference. */

import { resolve } from 'node:path'

/** What is read, and what was found wrong with it so far. */
export interface Reading {
  /** The file, as errors name it. */
  readonly file: string
  /** Where the file's relative paths start. */
  readonly folder: string
  readonly environment: Environment
  /** One line each. */
  readonly problems: string[]
}

export type Environment = Readonly<Record<string, string | undefined>>

/** From the root of the file: `['bank', 'port']`. */
export type Path = readonly string[]

export interface Field<T> {
  /** What it is for, in one sentence. */
  readonly says: string
  readonly form: Form
  /** Reports to `reading.problems` what cannot be read; the result is of no use then. */
  read(value: unknown, path: Path, reading: Reading): T
}

/** What a field looks like, for those who describe it. */
export type Form =
  | {
      readonly kind: 'value'
      /** As an error says it, after `expected`. */
      readonly expected: string
      readonly schema: JsonSchema
      readonly fallback: JsonValue | undefined
      readonly isRequired: boolean
      /** Whether an environment variable may give it; `key`: another one may give the secret itself. */
      readonly byEnvironment: 'no' | 'value' | 'key'
    }
  | {
      readonly kind: 'section'
      readonly fields: Readonly<Record<string, Field<unknown>>>
      readonly isRequired: boolean
    }
  | { readonly kind: 'list'; readonly of: Field<unknown>; readonly isRequired: boolean }

export type JsonValue = string | number | boolean | readonly JsonValue[] | { readonly [name: string]: JsonValue }
export type JsonSchema = { readonly [name: string]: JsonValue }

/** How one kind of value is read. */
export interface Kind<T> {
  readonly expected: string
  readonly schema: JsonSchema
  /** `undefined` where the value is not of this kind. */
  parse(value: unknown, folder: string): T | undefined
  /** An environment variable's text as the JSON value that it stands for; absent where none may give it. */
  fromText?(text: string): unknown
  /** A value that an error must not repeat. */
  readonly isSecret?: boolean
}

/** A field that has to be there. */
export function required<T>(kind: Kind<T>, says: string): Field<T> {
  return valueField(kind, says, { isRequired: true, fallback: undefined })
}

/** A field that stands for `fallback` where it is left out. */
export function withDefault<T>(kind: Kind<T>, fallback: JsonValue, says: string): Field<T> {
  return valueField(kind, says, { isRequired: false, fallback })
}

export function optional<T>(kind: Kind<T>, says: string): Field<T | undefined> {
  return valueField<T | undefined>(kind, says, { isRequired: false, fallback: undefined })
}

/** Fields under one name. Left out, each of them is what it is by default. */
export function section<T extends object>(fields: FieldsOf<T>, says: string): Field<T> {
  return {
    says,
    form: sectionForm(fields, false),
    read: (value, path, reading) => readFields(fields, value, path, reading),
  }
}

/** A section that is absent unless the file or the environment has something of it. */
export function optionalSection<T extends object>(fields: FieldsOf<T>, says: string): Field<T | undefined> {
  return {
    says,
    form: sectionForm(fields, false),
    read: (value, path, reading) =>
      value === undefined && !hasSettings(path, reading.environment)
        ? undefined
        : readFields(fields, value, path, reading),
  }
}

/** A list of sections. The environment gives none of it. */
export function list<T extends object>(
  fields: FieldsOf<T>,
  says: string,
  { isRequired = false }: { readonly isRequired?: boolean } = {},
): Field<readonly T[]> {
  const of: Field<T> = section(fields, says)
  return {
    says,
    form: { kind: 'list', of, isRequired },
    read(value, path, reading) {
      if (value === undefined && !isRequired) return []
      if (!Array.isArray(value) || (isRequired && value.length === 0)) {
        report(reading, path, isRequired ? 'a list with one entry or more' : 'a list', value)
        return []
      }
      const inside = { ...reading, environment: {} }
      return value.map((entry, index) => {
        const here = [...path.slice(0, -1), `${path.at(-1) ?? ''}[${index}]`]
        return of.read(entry, here, inside)
      })
    },
  }
}

export type FieldsOf<T> = { readonly [Name in keyof T]-?: Field<T[Name]> }

/** `bank.port` → `LOCKSTEP_BANK_PORT`, `bank.jobs.recordEverySeconds` → `LOCKSTEP_BANK_JOBS_RECORD_EVERY_SECONDS`. */
export function variableOf(path: Path): string {
  return `LOCKSTEP_${path.map((name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`)).join('_')}`.toUpperCase()
}

/** `LOCKSTEP_BANK_KEY_FILE` names a file, `LOCKSTEP_BANK_KEY` is the secret itself. */
export function secretVariableOf(path: Path): string {
  return variableOf(path).replace(/_FILE$/, '')
}

export function report({ problems, file }: Reading, path: Path, expected: string, found: unknown): void {
  problems.push(`${file}: ${path.join('.')}: expected ${expected}, found ${shown(found)}`)
}

function valueField<T>(
  kind: Kind<T>,
  says: string,
  { isRequired, fallback }: { readonly isRequired: boolean; readonly fallback: JsonValue | undefined },
): Field<T> {
  const { expected, schema, fromText } = kind
  const byEnvironment = fromText === undefined ? 'no' : 'value'
  return {
    says,
    form: { kind: 'value', expected, schema, fallback, isRequired, byEnvironment },
    read(value, path, reading) {
      const variable = variableOf(path)
      const given = fromText === undefined ? undefined : reading.environment[variable]
      if (given !== undefined && fromText !== undefined) {
        // A path in the environment starts where the process does, one in the file where the file is.
        const parsed = kind.parse(fromText(given), resolve('.'))
        if (parsed !== undefined) return parsed
        reading.problems.push(
          `environment: ${variable}: expected ${expected}${kind.isSecret === true ? '' : `, found ${shown(given)}`}`,
        )
        return undefined as T
      }
      const meant = value === undefined ? fallback : value
      if (meant === undefined && !isRequired) return undefined as T
      const parsed = kind.parse(meant, reading.folder)
      if (parsed === undefined)
        report(reading, path, expected, kind.isSecret === true && meant !== undefined ? hidden : meant)
      return parsed as T
    },
  }
}

function readFields<T extends object>(fields: FieldsOf<T>, value: unknown, path: Path, reading: Reading): T {
  const json = value === undefined ? {} : value
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    report(reading, path, 'an object', json)
    return {} as T
  }
  const known = Object.entries(fields) as [string, Field<unknown>][]
  for (const name of Object.keys(json)) {
    if (Object.hasOwn(fields, name) || (path.length === 0 && name === '$schema')) continue
    const like = nearest(
      name,
      known.map(([each]) => each),
    )
    const advice = like === undefined ? `one of ${known.map(([each]) => each).join(', ')}` : `${like}, perhaps`
    reading.problems.push(`${reading.file}: ${[...path, name].join('.')}: no such setting; expected ${advice}`)
  }
  const from = json as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    known.map(([name, field]) => [
      name,
      field.read(Object.hasOwn(from, name) ? from[name] : undefined, [...path, name], reading),
    ]),
  ) as T
}

function sectionForm<T extends object>(fields: FieldsOf<T>, isRequired: boolean): Form {
  return { kind: 'section', fields: fields as unknown as Readonly<Record<string, Field<unknown>>>, isRequired }
}

function hasSettings(path: Path, environment: Environment): boolean {
  const prefix = `${variableOf(path)}_`
  return Object.keys(environment).some((name) => name.startsWith(prefix) && environment[name] !== undefined)
}

/** Stands for a value that must not be repeated. */
const hidden: unique symbol = Symbol('hidden')

function shown(found: unknown): string {
  if (found === undefined) return 'nothing'
  if (found === hidden) return 'something else'
  const text = JSON.stringify(found)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

/** The known name that a misspelt one most likely means. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((each) => ({ each, away: distance(name.toLowerCase(), each.toLowerCase()) }))
  const best = ranked.sort((left, right) => left.away - right.away)[0]
  return best !== undefined && best.away <= Math.max(2, Math.floor(best.each.length / 3)) ? best.each : undefined
}

/** Levenshtein's: insertions, deletions and replacements. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, at) => at)
  for (const [i, letter] of left.split('').entries()) {
    const next = [i + 1]
    for (const [j, other] of right.split('').entries()) {
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (letter === other ? 0 : 1)))
    }
    row = next
  }
  return row[right.length]!
}
