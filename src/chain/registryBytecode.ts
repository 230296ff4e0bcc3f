import { readFile } from 'node:fs/promises'
import type { Hex } from './Chain.ts'

/** What `contracts/LockstepRegistry.sol` compiles to. */
export async function registryBytecode(): Promise<Hex> {
  // The same place from `src/chain` and from `dist/chain`.
  const path = new URL('../../contracts/artifacts/LockstepRegistry.json', import.meta.url)
  const artifact = JSON.parse(await readFile(path, 'utf8')) as { readonly bytecode: Hex }
  return artifact.bytecode
}
