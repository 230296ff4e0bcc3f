import type { ParseAbi, PrivateKeyAccount, TransactionReceipt } from 'viem'
import { fromHex, toHex } from '../crypto/bytes.ts'
import type { Batch, Chain, EvmIdentity, Hex, Recorded } from './Chain.ts'
import { ChainError } from './chainError.ts'
import { ask, assertChain, type Connection, connect, send, waitForEarlier } from './evmSend.ts'
import { registrySignatures } from './registry.ts'
import { registryBytecode } from './registryBytecode.ts'
import { asItStands, outOfOrder } from './standing.ts'
import { isAddress, loadViem } from './viem.ts'
import { pause, queue } from './waiting.ts'

export interface ConnectionOptions {
  readonly rpcUrl: string
  readonly chainId: number
  /** How long a transaction may take into a block. Default two minutes. */
  readonly timeoutMs?: number
  /** How long one question to the node may take. Default ten seconds. */
  readonly requestTimeoutMs?: number
  /** Blocks a recorded batch waits for, its own included. Default 1. */
  readonly confirmations?: number
}

export interface RegistryOptions extends ConnectionOptions {
  /** Address of the contract, lower case. */
  readonly registry: Hex
  /** The recorder's secret, 32 bytes; without it the chain can be read and watched. It never leaves this process. */
  readonly key?: Uint8Array
  /** Where the node starts to look for batches: the block of the deployment. Default 0. */
  readonly fromBlock?: bigint
  /** How often `watch` asks for new batches. Default one second. */
  readonly pollMs?: number
}

export interface Deployed {
  readonly registry: Hex
  readonly deployTx: Hex
  readonly blockNumber: bigint
}

/** The account of a recorder's secret, lower case. */
export async function recorderAddress(key: Uint8Array): Promise<Hex> {
  return lower((await accountOf(key)).address)
}

/** Deploys a registry whose one recorder is the account of `key`, which pays for it. */
export async function deployRegistry(options: ConnectionOptions & { readonly key: Uint8Array }): Promise<Deployed> {
  const viem = await loadViem()
  const connection = connect(viem, options)
  const account = await accountOf(options.key)
  const subject = 'The registry was not deployed'
  await assertChain(connection, subject)
  await waitForEarlier(connection, account.address, subject)
  const data = viem.encodeDeployData({
    abi: viem.parseAbi(registrySignatures),
    bytecode: await registryBytecode(),
    args: [account.address],
  })
  const { receipt } = await send(connection, account, {
    subject,
    to: undefined,
    data,
    estimateGas: () => connection.client.estimateGas({ account: account.address, data }),
  })
  const { contractAddress, transactionHash, blockNumber } = receipt
  if (receipt.status !== 'success' || !contractAddress) throw reverted(subject, receipt)
  return { registry: lower(contractAddress), deployTx: transactionHash, blockNumber }
}

/** The registry at an address, checked to be one; and its recorder to be the account of `key`, where there is a key. */
export async function attachRegistry(options: RegistryOptions): Promise<Chain> {
  const { registry, key, fromBlock = 0n, pollMs = 1000 } = options
  const viem = await loadViem()
  const connection = connect(viem, options)
  const abi = viem.parseAbi(registrySignatures)
  const account = key === undefined ? undefined : await accountOf(key)
  const recorder = await recorderOf(connection, { abi, registry })
  if (account !== undefined && lower(account.address) !== recorder)
    throw notRecorder(lower(account.address), options, recorder)
  const identity: EvmIdentity = { kind: 'evm', chainId: options.chainId, registry, recorder }
  const inTurn = queue()

  const last = async (subject = 'The registry was not read'): Promise<number> =>
    Number(
      await ask(connection, subject, () =>
        connection.client.readContract({ address: registry, abi, functionName: 'last' }),
      ),
    )

  const prove = async (number: number): Promise<Recorded | undefined> => {
    const subject = `Batch ${number} was not read`
    if (!Number.isSafeInteger(number) || number < 1) return undefined
    const [found] = await ask(connection, subject, () =>
      connection.client.getContractEvents({
        address: registry,
        abi,
        eventName: 'Recorded',
        args: { batch: BigInt(number) },
        fromBlock,
        strict: true,
      }),
    )
    if (found === undefined) return undefined
    const { root, count } = found.args
    return {
      kind: 'evm',
      batch: { number, root: fromHex(root.slice(2)), count: Number(count) },
      evidence: await rawTransaction(connection, subject, found.transactionHash),
      chainId: options.chainId,
      registry,
      recordTx: found.transactionHash,
      blockNumber: found.blockNumber,
    }
  }

  const record = async (batch: Batch): Promise<Recorded> => {
    const subject = `Batch ${batch.number} was not recorded`
    if (account === undefined) throw notRecorder(undefined, options, recorder)
    await assertChain(connection, subject)
    await waitForEarlier(connection, account.address, subject)
    const expected = (await last(subject)) + 1
    if (batch.number < expected) return asItStands(batch, await prove(batch.number))
    if (batch.number > expected) throw outOfOrder(batch, expected)
    const args = [BigInt(batch.number), `0x${toHex(batch.root)}`, BigInt(batch.count)] as const
    const call = { abi, functionName: 'record', args } as const
    const { receipt, rawTransaction } = await send(connection, account, {
      subject,
      to: registry,
      data: viem.encodeFunctionData(call),
      estimateGas: () =>
        connection.client.estimateContractGas({ ...call, address: registry, account: account.address }),
    })
    if (receipt.status !== 'success') {
      // Another process of the recorder may have been first, with this very batch.
      const standing = await prove(batch.number)
      if (standing === undefined) throw reverted(subject, receipt)
      return asItStands(batch, standing)
    }
    const { transactionHash: recordTx, blockNumber } = receipt
    const evidence = fromHex(rawTransaction.slice(2))
    return { kind: 'evm', batch, evidence, chainId: options.chainId, registry, recordTx, blockNumber }
  }

  return {
    identity,
    last: () => last(),
    record: (batch) => inTurn(() => record(batch)),
    prove,
    async *watch({ from = 1, signal } = {}) {
      const stopped = (): boolean => signal?.aborted === true
      for (let next = from; !stopped(); await pause(pollMs, signal)) {
        for (const newest = await last(); next <= newest && !stopped(); next++) {
          const recorded = await prove(next)
          // The node's index of events can be behind its state.
          if (recorded === undefined) break
          yield recorded
        }
      }
    },
  }
}

type RegistryAbi = ParseAbi<typeof registrySignatures>

async function recorderOf(
  connection: Connection,
  { abi, registry }: { readonly abi: RegistryAbi; readonly registry: Hex },
): Promise<Hex> {
  const subject = `The registry at ${registry} was not attached`
  if (!isAddress(registry)) {
    throw new ChainError(
      'NoRegistry',
      `${registry} is no address. Nothing was sent. Write 0x and 40 lower-case hex digits.`,
    )
  }
  await assertChain(connection, subject)
  return lower(
    await ask(connection, subject, () =>
      connection.client.readContract({ address: registry, abi, functionName: 'recorder' }),
    ),
  )
}

/** The transaction as it was sent, rebuilt from its parts: few nodes keep the bytes. */
async function rawTransaction(connection: Connection, subject: string, hash: Hex): Promise<Uint8Array> {
  const { viem, client } = connection
  const sent = await ask(connection, subject, () => client.getTransaction({ hash }))
  const { r, s, yParity } = sent
  if (sent.type === 'eip1559' && yParity !== undefined) {
    const { chainId, nonce, gas, maxFeePerGas, maxPriorityFeePerGas, to, value, input: data, accessList } = sent
    const parts = {
      type: sent.type,
      chainId,
      nonce,
      gas,
      maxFeePerGas,
      maxPriorityFeePerGas,
      to,
      value,
      data,
      accessList,
    }
    const raw = viem.serializeTransaction(parts, { r, s, yParity })
    if (viem.keccak256(raw) === hash) return fromHex(raw.slice(2))
  }
  throw new ChainError(
    'Damaged',
    `${subject}: what ${connection.name} shows of transaction ${hash} does not have that hash. ` +
      'Nothing was sent. Ask another node of the chain.',
  )
}

async function accountOf(key: Uint8Array): Promise<PrivateKeyAccount> {
  await loadViem()
  const { privateKeyToAccount } = await import('viem/accounts')
  return privateKeyToAccount(`0x${toHex(key)}`)
}

function notRecorder(found: Hex | undefined, { registry }: RegistryOptions, recorder: Hex): ChainError {
  const who = found === undefined ? 'No key was given' : `The key given is that of ${found}`
  return new ChainError(
    'NotRecorder',
    `${who}, and only ${recorder} records in ${registry}. Nothing was sent. Use the recorder's key, or deploy a registry.`,
  )
}

function reverted(subject: string, { transactionHash, blockNumber, gasUsed }: TransactionReceipt): ChainError {
  return new ChainError(
    'Reverted',
    `${subject}: transaction ${transactionHash} failed in block ${blockNumber} and cost ${gasUsed} gas. ` +
      'Compare the batches of the bank with those of the chain, then try again.',
    { recordTx: transactionHash },
  )
}

function lower(address: string): Hex {
  return address.toLowerCase() as Hex
}
