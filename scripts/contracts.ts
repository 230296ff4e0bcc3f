/**
 * Compiles `contracts/` and measures what it costs to use.
 *
 *     npm run contracts              writes contracts/artifacts/LockstepRegistry.json and contracts/gas.json
 *     npm run contracts -- --check   compares both with what is committed, exits 1 where they differ
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import solc from 'solc'
import { measureGas } from './gas.ts'

export interface Artifact {
  readonly contractName: string
  readonly compiler: string
  readonly settings: typeof settings
  readonly abi: readonly unknown[]
  readonly bytecode: `0x${string}`
}

const contractName = 'LockstepRegistry'
const folder = join(import.meta.dirname, '..', 'contracts')

export const artifactPath: string = join(folder, 'artifacts', `${contractName}.json`)
export const gasPath: string = join(folder, 'gas.json')

const settings = {
  // Without PUSH0 the contract runs on every chain, also on those that follow Ethereum late.
  evmVersion: 'paris',
  optimizer: { enabled: true, runs: 1000 },
  // The bytecode is the source's alone: a comment changes nothing.
  metadata: { appendCBOR: false, bytecodeHash: 'none' },
} as const

/** The artefact of the sources as they are. Throws with the compiler's own words, for a warning too. */
export function compile(): Artifact {
  const sources = Object.fromEntries(
    readdirSync(folder)
      .filter((name) => name.endsWith('.sol'))
      .map((name) => [name, { content: readFileSync(join(folder, name), 'utf8') }]),
  )
  const outputSelection = { [`${contractName}.sol`]: { [contractName]: ['abi', 'evm.bytecode.object'] } }
  const input = { language: 'Solidity', sources, settings: { ...settings, outputSelection } }
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as CompilerOutput
  if (output.errors !== undefined && output.errors.length > 0) {
    throw new Error(output.errors.map(({ formattedMessage }) => formattedMessage).join('\n'))
  }
  const contract = output.contracts[`${contractName}.sol`]![contractName]!
  return {
    contractName,
    compiler: solc.version(),
    settings,
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
  }
}

/** As it is committed: what a build gives again byte for byte. */
export function serialize(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

interface CompilerOutput {
  readonly errors?: readonly { readonly formattedMessage: string }[]
  readonly contracts: Readonly<
    Record<string, Readonly<Record<string, { readonly abi: readonly unknown[]; readonly evm: Bytecode }>>>
  >
}

interface Bytecode {
  readonly bytecode: { readonly object: string }
}

async function main(): Promise<void> {
  const artifact = compile()
  const files = [
    { path: artifactPath, text: serialize(artifact) },
    { path: gasPath, text: serialize(await measureGas(artifact)) },
  ]
  for (const { path, text } of files) {
    if (!process.argv.includes('--check')) writeFileSync(path, text)
    else if (readFileSync(path, 'utf8') !== text) {
      console.error(`${path} is not what the sources give: npm run contracts`)
      process.exitCode = 1
    }
  }
}

if (import.meta.main) await main()
