/** What the registry costs to use, measured on Anvil: `npm run contracts` commits it. */

import { createPublicClient, encodeDeployData, encodeFunctionData, type Hex, http, parseAbi } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { startAnvil } from '../src/chain/anvil.ts'
import { registrySignatures } from '../src/chain/registry.ts'
import { toHex, utf8 } from '../src/crypto/bytes.ts'
import { sha256 } from '../src/crypto/hash.ts'
import * as MerkleTree from '../src/crypto/MerkleTree.ts'

/** Rules of the EVM that the figures are for. */
const hardfork = 'prague'

/** Gas of each transaction, the same on every run: keys, roots and proofs are fixed. */
export async function measureGas({ bytecode }: { readonly bytecode: Hex }): Promise<Readonly<Record<string, number>>> {
  const abi = parseAbi(registrySignatures)
  const account = privateKeyToAccount(`0x${toHex(digest('recorder'))}`)
  const leaves = Array.from({ length: 1000 }, (_, index) => digest(`leaf ${index}`))
  const tree = MerkleTree.build(leaves)
  const [root, leaf] = [hex(tree.root), hex(leaves[500]!)]
  const path = MerkleTree.prove(tree, 500).map(hex)
  const terms = hex(new Uint8Array(344).fill(0xab))

  await using anvil = await startAnvil({ hardfork })
  await anvil.fund(account.address, 10n ** 18n)
  const client = createPublicClient({ transport: http(anvil.url), pollingInterval: 20 })
  let nonce = 0
  const gasOf = async (
    data: Hex,
    to?: Hex,
  ): Promise<{ readonly gas: number; readonly created: Hex | null | undefined }> => {
    const fees = { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 0n }
    const call = {
      chainId: anvil.chainId,
      nonce: nonce++,
      gas: 5_000_000n,
      data,
      ...fees,
      ...(to !== undefined && { to }),
    }
    const hash = await client.sendRawTransaction({ serializedTransaction: await account.signTransaction(call) })
    const { status, gasUsed, contractAddress } = await client.waitForTransactionReceipt({ hash })
    if (status !== 'success') throw new Error(`transaction ${nonce} of the measurement failed`)
    return { gas: Number(gasUsed), created: contractAddress }
  }
  const { gas: deploy, created } = await gasOf(encodeDeployData({ abi, bytecode, args: [account.address] }))
  const registry = created ?? undefined
  const record = async (batch: bigint): Promise<number> =>
    (await gasOf(encodeFunctionData({ abi, functionName: 'record', args: [batch, root, 1000n] }), registry)).gas
  const first = await record(1n)
  const next = await record(2n)
  const includes = encodeFunctionData({ abi, functionName: 'includes', args: [1n, leaf, 500n, path] })
  const channelId = encodeFunctionData({ abi, functionName: 'channelId', args: [terms] })
  return {
    deploy,
    'record, the first batch': first,
    'record, a later batch': next,
    'includes, 1000 leaves': (await gasOf(includes, registry)).gas,
    channelId: (await gasOf(channelId, registry)).gas,
  }
}

function digest(text: string): Uint8Array {
  return sha256(utf8(text))
}

function hex(bytes: Uint8Array): Hex {
  return `0x${toHex(bytes)}`
}
