import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import {
  BaseError,
  ContractFunctionRevertedError,
  createWalletClient,
  type Hex,
  type HttpTransport,
  http,
  type PublicActions,
  parseAbi,
  publicActions,
  type WalletClient,
} from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Anvil, startAnvil } from '../../src/chain/anvil.ts'
import { registrySignatures } from '../../src/chain/registry.ts'
import { registryBytecode } from '../../src/chain/registryBytecode.ts'
import { fromHex, toHex, utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import * as MerkleTree from '../../src/crypto/MerkleTree.ts'
import * as Record from '../../src/wire/Record.ts'
import * as Terms from '../../src/wire/Terms.ts'
import { records, terms } from '../wire/arbitraries.ts'

const abi = parseAbi(registrySignatures)
const recorder = privateKeyToAccount(generatePrivateKey())
const stranger = privateKeyToAccount(generatePrivateKey())
const root = hex(sha256(utf8('root')))

type Client = WalletClient<HttpTransport, typeof foundry> & PublicActions<HttpTransport, typeof foundry>

let anvil: Anvil
let client: Client
let address: Hex

beforeAll(async () => {
  anvil = await startAnvil()
  client = clientOf(anvil.url)
  await anvil.fund(recorder.address, 10n ** 18n)
  await anvil.fund(stranger.address, 10n ** 18n)
  address = await deploy([recorder.address])
})

afterAll(() => anvil.stop())

describe('the registry', () => {
  test('records batches in order and gives them back for ever', async () => {
    expect(await client.readContract({ address, abi, functionName: 'recorder' })).toBe(recorder.address)
    expect(await client.readContract({ address, abi, functionName: 'last' })).toBe(0n)
    for (const [index, count] of [1n, 7n, 2n ** 64n - 1n].entries()) {
      const batch = BigInt(index) + 1n
      const { hash, blockNumber } = await record(recorder, [batch, root, count])
      const { timestamp } = await client.getBlock({ blockNumber })
      expect(await client.readContract({ address, abi, functionName: 'last' })).toBe(batch)
      expect(await client.readContract({ address, abi, functionName: 'read', args: [batch] })).toEqual({
        root,
        count,
        recordedAt: timestamp,
      })
      const [event] = await client.getContractEvents({ address, abi, eventName: 'Recorded', fromBlock: blockNumber })
      expect(event).toMatchObject({ transactionHash: hash, args: { batch, root, count } })
    }
    expect(await client.readContract({ address, abi, functionName: 'read', args: [1n] })).toMatchObject({
      root,
      count: 1n,
    })
  })

  test.each<readonly [string, PrivateKeyAccount, readonly [bigint, Hex, bigint], readonly unknown[]]>([
    ['a stranger', stranger, [4n, root, 1n], ['NotRecorder', stranger.address, recorder.address]],
    ['a batch that stands already', recorder, [3n, root, 1n], ['BatchOutOfOrder', 3n, 4n]],
    ['a batch of number 0', recorder, [0n, root, 1n], ['BatchOutOfOrder', 0n, 4n]],
    ['a batch after a gap', recorder, [5n, root, 1n], ['BatchOutOfOrder', 5n, 4n]],
    ['a root of zero', recorder, [4n, hex(new Uint8Array(32)), 1n], ['RootIsZero', 4n]],
    ['a batch without leaves', recorder, [4n, root, 0n], ['BatchIsEmpty', 4n]],
  ])('refuses %s', async (_, account, args, error) => {
    const call = client.simulateContract({ address, abi, account, functionName: 'record', args })
    expect(await errorOf(call)).toEqual(error)
    expect(await client.readContract({ address, abi, functionName: 'last' })).toBe(3n)
  })

  test.each([0n, 4n, 2n ** 64n - 1n])('has no batch %d to give back', async (batch) => {
    const args = [batch] as const
    expect(await errorOf(client.readContract({ address, abi, functionName: 'read', args }))).toEqual([
      'BatchUnknown',
      batch,
      3n,
    ])
    const proof = [batch, root, 0n, []] as const
    expect(await errorOf(client.readContract({ address, abi, functionName: 'includes', args: proof }))).toEqual([
      'BatchUnknown',
      batch,
      3n,
    ])
  })

  test('takes no money', async () => {
    const call = client.estimateGas({ account: recorder, to: address, value: 1n })
    await expect(call).rejects.toThrow('revert')
  })

  test('is not deployed without a recorder', async () => {
    const args = [`0x${'00'.repeat(20)}`] as const
    const call = client.deployContract({
      abi,
      bytecode: await registryBytecode(),
      args,
      account: recorder,
      gas: 10n ** 6n,
    })
    const { status } = await client.waitForTransactionReceipt({ hash: await call })
    expect(status).toBe('reverted')
  })
})

describe('Solidity and TypeScript agree', () => {
  test('on the channel id of terms', async () => {
    for (const { encoded, channelId } of vectors<{ encoded: string; channelId: string }>('terms')) {
      expect(await channelIdOf(fromHex(encoded))).toBe(`0x${channelId}`)
    }
    await fc.assert(
      fc.asyncProperty(terms, async (value) => {
        const encoded = Terms.encode(value)
        expect(await channelIdOf(encoded)).toBe(hex(Terms.channelId(encoded)))
      }),
      { numRuns: 20 },
    )
  })

  test.each([0, 343, 345])('that %d bytes are no terms', async (size) => {
    expect(await errorOf(channelIdOf(new Uint8Array(size)))).toEqual(['TermsSize', BigInt(size), 344n])
  })

  test('on the leaf of a record', async () => {
    for (const { encoded, leaf } of vectors<{ encoded: string; leaf: string }>('record')) {
      expect(await leafOf(fromHex(encoded))).toBe(`0x${leaf}`)
    }
    await fc.assert(
      fc.asyncProperty(records, async (value) => {
        const encoded = Record.encode(value)
        expect(await leafOf(encoded)).toBe(hex(Record.leaf(encoded)))
      }),
      { numRuns: 20 },
    )
  })

  test('on every proof of the shared trees, and on none that was changed', async () => {
    for (const { leaves, root, paths } of trees()) {
      const count = leaves.length
      await Promise.all(
        leaves.map(async (leaf, index) => {
          const proof = { leaf: fromHex(leaf), index, count, path: paths[index]!.map(fromHex), root: fromHex(root) }
          expect(await verdict(proof)).toBe(true)
          const changed = { ...proof, leaf: sha256(proof.leaf) }
          expect(await verdict(changed)).toBe(false)
        }),
      )
    }
  })

  test('on proofs for another index, count, path or root', async () => {
    const shared = trees()
    const changes = fc.record({
      tree: fc.constantFrom(...shared),
      index: fc.nat({ max: 18 }),
      count: fc.nat({ max: 18 }),
      path: fc.constantFrom('same', 'longer', 'shorter', 'reversed', 'another'),
    })
    let refused = 0
    await fc.assert(
      fc.asyncProperty(changes, async ({ tree, index, count, path: change }) => {
        const own = tree.paths[Math.min(index, tree.paths.length - 1)]!.map(fromHex)
        const path = {
          same: own,
          longer: [...own, sha256(utf8('more'))],
          shorter: own.slice(1),
          reversed: own.toReversed(),
          another: tree.paths[0]!.map(fromHex),
        }[change]
        const leaf = fromHex(tree.leaves[Math.min(index, tree.leaves.length - 1)]!)
        const proof = { leaf, index, count, path, root: fromHex(tree.root) }
        const accepted = MerkleTree.verify(proof)
        if (!accepted) refused++
        expect(await verdict(proof)).toBe(accepted)
      }),
      { numRuns: 200 },
    )
    expect(refused).toBeGreaterThan(50)
  })

  test('on what is in a recorded batch', async () => {
    const leaves = ['a', 'b', 'c'].map((text) => sha256(utf8(text)))
    const tree = MerkleTree.build(leaves)
    await record(recorder, [4n, hex(tree.root), 3n])
    for (const [index, leaf] of leaves.entries()) {
      const path = MerkleTree.prove(tree, index).map(hex)
      const includes = (batch: bigint): Promise<boolean> =>
        client.readContract({ address, abi, functionName: 'includes', args: [batch, hex(leaf), BigInt(index), path] })
      expect(await includes(4n)).toBe(true)
      expect(await includes(2n)).toBe(false)
    }
  })
})

function clientOf(url: string): Client {
  return createWalletClient({ transport: http(url), chain: foundry, pollingInterval: 20, cacheTime: 0 }).extend(
    publicActions,
  )
}

async function deploy(args: readonly [Hex]): Promise<Hex> {
  const hash = await client.deployContract({ abi, bytecode: await registryBytecode(), args, account: recorder })
  const { contractAddress } = await client.waitForTransactionReceipt({ hash })
  return contractAddress!
}

async function record(
  account: PrivateKeyAccount,
  args: readonly [bigint, Hex, bigint],
): Promise<{ readonly hash: Hex; readonly blockNumber: bigint }> {
  const hash = await client.writeContract({ address, abi, account, functionName: 'record', args })
  const { status, blockNumber } = await client.waitForTransactionReceipt({ hash })
  expect(status).toBe('success')
  return { hash, blockNumber }
}

/** Name and arguments of the error a call fails with. */
async function errorOf(call: Promise<unknown>): Promise<readonly unknown[]> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const revert = error instanceof BaseError && error.walk((inner) => inner instanceof ContractFunctionRevertedError)
  if (!(revert instanceof ContractFunctionRevertedError)) throw new Error('the call was not refused', { cause: error })
  return [revert.data?.errorName, ...(revert.data?.args ?? [])]
}

function channelIdOf(encoded: Uint8Array): Promise<Hex> {
  return client.readContract({ address, abi, functionName: 'channelId', args: [hex(encoded)] })
}

function leafOf(encoded: Uint8Array): Promise<Hex> {
  return client.readContract({ address, abi, functionName: 'leafOf', args: [hex(encoded)] })
}

function verdict(proof: Parameters<typeof MerkleTree.verify>[0]): Promise<boolean> {
  const { leaf, index, count, path, root } = proof
  const args = [hex(leaf), BigInt(index), BigInt(count), path.map(hex), hex(root)] as const
  return client.readContract({ address, abi, functionName: 'verify', args })
}

function vectors<T>(name: string): readonly T[] {
  const { cases } = json<{ readonly cases: readonly (T & { readonly valid: boolean })[] }>(name)
  return cases.filter(({ valid }) => valid)
}

interface Tree {
  readonly leaves: readonly string[]
  readonly root: string
  readonly paths: readonly (readonly string[])[]
}

function trees(): readonly Tree[] {
  return json('merkle')
}

function json<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8')) as T
}

function hex(bytes: Uint8Array): Hex {
  return `0x${toHex(bytes)}`
}
