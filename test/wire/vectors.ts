/** Reads vector files, and turns what they say back into values. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromHex } from '../../src/crypto/bytes.ts'

/** A case as it stands in its file, bytes, amounts and all: the test says of each field what it is. */
// biome-ignore lint/suspicious/noExplicitAny: a file says nothing of its types.
export type Case = Readonly<Record<string, any>> & { readonly name: string }

/** Amounts and times are decimal strings; every other string not named here is hex. */
const integers = new Set([
  'amount',
  'base',
  'charged',
  'credit',
  'expiresAt',
  'funds',
  'nextUnitPrice',
  'openedAt',
  'paid',
  'paidAt',
  'settled',
  'spent',
  'unitPrice',
  'validUntil',
])
const words = new Set('ask,asset,basis,header,kind,lockScheme,name,network,of,reason,scheme,tag,value'.split(','))

export function readVectors(name: string): readonly Case[] {
  const text = readFileSync(join(import.meta.dirname, `../vectors/${name}.json`), 'utf8')
  const { description, cases } = JSON.parse(text) as { description: unknown; cases: readonly unknown[] }
  if (typeof description !== 'string') throw new Error(`${name}.json says not what it is for`)
  return cases.map((item) => revive('', item) as Case)
}

function revive(name: string, value: unknown): unknown {
  if (typeof value === 'string') {
    if (words.has(name)) return value
    return integers.has(name) ? BigInt(value) : fromHex(value)
  }
  if (Array.isArray(value)) return value.map((item) => revive(name, item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(key, item)]))
}
