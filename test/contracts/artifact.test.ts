import { readFileSync } from 'node:fs'
import { parseAbi } from 'viem'
import { expect, test } from 'vitest'
import { artifactPath, compile, gasPath, serialize } from '../../scripts/contracts.ts'
import { measureGas } from '../../scripts/gas.ts'
import { registrySignatures } from '../../src/chain/registry.ts'
import { toHex, utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'

const artifact = compile()

test('the committed artefact is what the sources compile to', () => {
  expect(serialize(artifact)).toBe(readFileSync(artifactPath, 'utf8'))
})

test('the contract has the interface that the program calls', () => {
  expect(sorted(artifact.abi)).toEqual(sorted(parseAbi(registrySignatures)))
})

test('a transaction costs the gas that is committed', async () => {
  expect(serialize(await measureGas(artifact))).toBe(readFileSync(gasPath, 'utf8'))
})

test('the tags in the contract are the hashes of their names', () => {
  const source = readFileSync(new URL('../../contracts/LockstepHash.sol', import.meta.url), 'utf8')
  const tags = [...source.matchAll(/SHA-256\("(lockstep\/[a-z-]+)"\)\n.* = 0x([0-9a-f]{64});/g)]
  expect(tags).toHaveLength(5)
  for (const [, name, hash] of tags) expect(hash).toBe(toHex(sha256(utf8(name!))))
})

/** Without what only the compiler says: its names of types, what is not so, and an order. */
function sorted(abi: readonly unknown[]): readonly string[] {
  const plain = JSON.stringify(abi, (key, value: unknown) => {
    if (key === 'internalType' || value === '' || value === false) return undefined
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? byKey(value) : value
  })
  return (JSON.parse(plain) as readonly unknown[]).map((item) => JSON.stringify(item)).sort()
}

function byKey(value: object): object {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
