import { parseArgs } from 'node:util'
import { type VariantName, variantNames } from './catalogue.ts'

export interface Options {
  readonly names: readonly VariantName[]
  readonly rounds: number
  readonly quick: boolean
  readonly json: boolean
}

export function parseOptions(args: readonly string[]): Options {
  const { quick, json, rounds, only } = readArguments(args)
  return {
    names: only === undefined ? variantNames : only.split(',').map(parseName),
    rounds: rounds === undefined ? (quick ? 1 : 5) : parseRounds(rounds),
    quick,
    json,
  }
}

function readArguments(args: readonly string[]) {
  try {
    const options = {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string' },
    } as const
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function parseName(text: string): VariantName {
  const name = variantNames.find((known) => known === text)
  if (name === undefined) throw new UsageError(`no variant ${text}; there are ${variantNames.join(', ')}`)
  return name
}

function parseRounds(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new UsageError(`--rounds takes 1 to 999; got ${text}`)
  return Number.parseInt(text, 10)
}

/** Wrong words on the command line. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError'
}
