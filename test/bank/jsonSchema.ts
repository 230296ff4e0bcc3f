/** As much of JSON Schema 2020-12 as the bank's document uses. Gives what is wrong with a value, or nothing. */

export type Json = Readonly<Record<string, unknown>>

/** Keywords that say nothing about a value. */
const notes = new Set(['description', '$schema', 'title'])

export function faultsOf(schema: Json, value: unknown, document: Json, path = '$'): readonly string[] {
  const faults: string[] = []
  const fail = (what: string): void => void faults.push(`${path} ${what}: ${JSON.stringify(value)?.slice(0, 100)}`)
  for (const [keyword, limit] of Object.entries(schema)) {
    if (notes.has(keyword)) continue
    const check = keywords[keyword]
    if (check === undefined) throw new Error(`the schema uses ${keyword}, which is not checked here`)
    check({ limit, value, schema, document, path, fail, faults })
  }
  return faults
}

interface Check {
  readonly limit: unknown
  readonly value: unknown
  readonly schema: Json
  readonly document: Json
  readonly path: string
  readonly fail: (what: string) => void
  readonly faults: string[]
}

const keywords: Readonly<Record<string, (check: Check) => void>> = {
  $ref({ limit, value, document, path, faults }) {
    const target = String(limit)
      .slice(2)
      .split('/')
      .reduce((found: Json, name) => found[name] as Json, document)
    faults.push(...faultsOf(target, value, document, path))
  },
  type({ limit, value, fail }) {
    const found = Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value
    if (found !== limit) fail(`is no ${String(limit)}`)
  },
  const({ limit, value, fail }) {
    if (value !== limit) fail(`is not ${String(limit)}`)
  },
  enum({ limit, value, fail }) {
    if (!(limit as readonly unknown[]).includes(value)) fail(`is none of ${String(limit)}`)
  },
  pattern({ limit, value, fail }) {
    if (typeof value === 'string' && !new RegExp(String(limit), 'u').test(value)) fail(`is not like ${String(limit)}`)
  },
  maxLength({ limit, value, fail }) {
    if (typeof value === 'string' && value.length > Number(limit)) fail('is too long')
  },
  minimum({ limit, value, fail }) {
    if (typeof value === 'number' && value < Number(limit)) fail('is too small')
  },
  maximum({ limit, value, fail }) {
    if (typeof value === 'number' && value > Number(limit)) fail('is too large')
  },
  maxItems({ limit, value, fail }) {
    if (Array.isArray(value) && value.length > Number(limit)) fail('has too many items')
  },
  items({ limit, value, document, path, faults }) {
    if (!Array.isArray(value)) return
    for (const [at, item] of value.entries()) faults.push(...faultsOf(limit as Json, item, document, `${path}[${at}]`))
  },
  required({ limit, value, fail }) {
    if (!isObject(value)) return
    for (const name of limit as readonly string[]) if (!(name in value)) fail(`lacks ${name}`)
  },
  properties({ limit, value, schema, document, path, fail, faults }) {
    if (!isObject(value)) return
    for (const [name, field] of Object.entries(value)) {
      const known = (limit as Record<string, Json>)[name]
      // Stricter than the standard: a bank sends nothing that its document does not have.
      if (known === undefined && schema.type === 'object') fail(`has ${name}, which the schema has not`)
      if (known !== undefined) faults.push(...faultsOf(known, field, document, `${path}.${name}`))
    }
  },
  additionalProperties({ limit, value, document, path, faults }) {
    if (!isObject(value)) return
    for (const [name, field] of Object.entries(value)) {
      faults.push(...faultsOf(limit as Json, field, document, `${path}.${name}`))
    }
  },
  oneOf({ limit, value, document, path, fail }) {
    const fitting = (limit as readonly Json[]).filter((one) => faultsOf(one, value, document, path).length === 0)
    if (fitting.length !== 1) fail(`fits ${fitting.length} of its schemas`)
  },
  allOf({ limit, value, document, path, faults }) {
    for (const one of limit as readonly Json[]) faults.push(...faultsOf(one, value, document, path))
  },
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
