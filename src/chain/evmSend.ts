import type { PrivateKeyAccount, PublicClient, TransactionReceipt } from 'viem'
import type { Hex } from './Chain.ts'
import { ChainError } from './chainError.ts'
import type { ConnectionOptions } from './evm.ts'
import { faultOf, nameOf, type Viem } from './viem.ts'
import { pause } from './waiting.ts'

/** A node, checked to be of the chain it should be of. */
export interface Connection {
  readonly viem: Viem
  readonly client: PublicClient
  readonly chainId: number
  /** Names the node in messages. */
  readonly name: string
  /** How long a transaction may take into a block. */
  readonly timeoutMs: number
  /** Blocks a receipt needs, its own included. */
  readonly confirmations: number
}

/** Something to send: `subject` is what messages say was not done, `The registry was not deployed`. */
export interface Call {
  readonly subject: string
  /** `undefined` creates a contract. */
  readonly to: Hex | undefined
  readonly data: Hex
  /** Asks the node what it costs; throws viem's error where it would fail. */
  estimateGas(): Promise<bigint>
}

export interface Included {
  readonly receipt: TransactionReceipt
  readonly rawTransaction: Hex
}

export function connect(viem: Viem, options: ConnectionOptions): Connection {
  const { rpcUrl, chainId, timeoutMs = 120_000, requestTimeoutMs = 10_000, confirmations = 1 } = options
  const transport = viem.http(rpcUrl, { timeout: requestTimeoutMs, retryCount: 1 })
  const client = viem.createPublicClient({ transport, cacheTime: 0 })
  return { viem, client, chainId, name: nameOf(rpcUrl), timeoutMs, confirmations }
}

/** Asks the node. `subject` is what was not done when it fails: nothing has been sent by then. */
export async function ask<T>(connection: Connection, subject: string, question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    if (cause instanceof ChainError) throw cause
    const { reason, says } = faultOf(connection.viem, cause, connection.name)
    throw new ChainError(reason, `${subject}: ${says}. Nothing was sent. ${advice[reason]}`, { cause })
  }
}

export async function assertChain(connection: Connection, subject: string): Promise<void> {
  const { client, chainId, name } = connection
  const found = await ask(connection, subject, () => client.getChainId())
  if (found === chainId) return
  throw new ChainError(
    'WrongChain',
    `${subject}: ${name} is of chain ${found}, not ${chainId}. Nothing was sent. Use a node of chain ${chainId}.`,
  )
}

/**
 * Waits until no transaction of the account is on its way. The account sends one at a time and never under two nonces:
 * so a batch whose outcome was unknown is either found on the chain or can be sent again.
 */
export async function waitForEarlier(connection: Connection, account: Hex, subject: string): Promise<void> {
  const { client, timeoutMs } = connection
  const deadline = Date.now() + timeoutMs
  for (let waitMs = 50; ; waitMs = Math.min(2 * waitMs, 2000)) {
    const [mined, sent] = await ask(connection, subject, () =>
      Promise.all([
        client.getTransactionCount({ address: account, blockTag: 'latest' }),
        client.getTransactionCount({ address: account, blockTag: 'pending' }),
      ]),
    )
    if (sent <= mined) return
    if (Date.now() >= deadline) {
      throw new ChainError(
        'TimedOut',
        `${subject}: an earlier transaction of ${account} has waited ${seconds(timeoutMs)} for a block. It may be the same ` +
          'batch, and may still be recorded. Nothing new was sent. Record the batch again later.',
        { outcome: 'unknown' },
      )
    }
    await pause(waitMs)
  }
}

/** Signs here, sends the raw transaction, and waits until it is in a block, where it may have failed. */
export async function send(connection: Connection, account: PrivateKeyAccount, call: Call): Promise<Included> {
  const { viem, client, chainId } = connection
  const { subject, to, data } = call
  const [gasNeeded, fees, nonce, balance] = await ask(connection, subject, () =>
    Promise.all([
      call.estimateGas(),
      client.estimateFeesPerGas({ type: 'eip1559', chain: null }),
      client.getTransactionCount({ address: account.address, blockTag: 'latest' }),
      client.getBalance({ address: account.address }),
    ]),
  )
  // The block that takes it may find other storage warm than the estimate did.
  const gas = (gasNeeded * 11n) / 10n
  const costMax = gas * fees.maxFeePerGas
  if (balance < costMax) {
    throw new ChainError(
      'NoFunds',
      `${subject}: ${account.address.toLowerCase()} has ${balance} wei on chain ${chainId} and needs up to ${costMax}. ` +
        'Nothing was sent. Fund the account, then try again.',
    )
  }
  const { maxFeePerGas, maxPriorityFeePerGas } = fees
  const rawTransaction = await account.signTransaction({
    type: 'eip1559',
    chainId,
    nonce,
    gas,
    maxFeePerGas,
    maxPriorityFeePerGas,
    data,
    ...(to !== undefined && { to }),
  })
  const recordTx = viem.keccak256(rawTransaction)
  await submit(connection, { subject, rawTransaction, recordTx })
  return { receipt: await inclusion(connection, subject, recordTx), rawTransaction }
}

type Signed = { readonly subject: string; readonly rawTransaction: Hex; readonly recordTx: Hex }

async function submit(connection: Connection, { subject, rawTransaction, recordTx }: Signed): Promise<void> {
  const { viem, client, name } = connection
  try {
    await client.sendRawTransaction({ serializedTransaction: rawTransaction })
  } catch (cause) {
    // Its answer was lost, or it refuses what it was sent a second time: either way it has the transaction.
    if (await isKnown(connection, recordTx)) return
    const { reason, says } = faultOf(viem, cause, name)
    if (reason === 'Unreachable') {
      throw new ChainError(
        'Unreachable',
        `${subject} for certain: ${name} was sent transaction ${recordTx} and has not confirmed it (${says}). ` +
          'It may still be recorded. Try again once the node answers: a batch is never recorded twice.',
        { outcome: 'unknown', recordTx, cause },
      )
    }
    throw new ChainError(reason, `${subject}: ${says}. The chain does not have the transaction. ${advice[reason]}`, {
      cause,
    })
  }
}

async function isKnown({ client }: Connection, hash: Hex): Promise<boolean> {
  return client.getTransaction({ hash }).then(
    () => true,
    // Not found, or the node has gone: what is known of the transaction stays as it was.
    () => false,
  )
}

async function inclusion(connection: Connection, subject: string, hash: Hex): Promise<TransactionReceipt> {
  const { viem, client, timeoutMs, confirmations, name } = connection
  const deadline = Date.now() + timeoutMs
  let cause: unknown
  for (let waitMs = 50; ; waitMs = Math.min(2 * waitMs, 2000)) {
    try {
      const receipt = await client.getTransactionReceipt({ hash })
      const depth = confirmations <= 1 ? 1n : (await client.getBlockNumber()) - receipt.blockNumber + 1n
      if (depth >= BigInt(confirmations)) return receipt
    } catch (error) {
      // Not in a block yet, or the node is away for a moment: the deadline decides.
      if (!(error instanceof viem.TransactionReceiptNotFoundError)) cause = error
    }
    if (Date.now() >= deadline) {
      throw new ChainError(
        'TimedOut',
        `${subject} for certain: ${name} did not show transaction ${hash} in a block within ${seconds(timeoutMs)}. ` +
          'It may still be recorded. Try again later: a batch is never recorded twice.',
        { outcome: 'unknown', recordTx: hash, cause },
      )
    }
    await pause(waitMs)
  }
}

const advice = {
  Unreachable: 'Check the address of the node and that it runs, then try again.',
  NoRegistry: 'Check the address and the chain, or deploy a registry.',
  Refused: 'Correct what it names, then try again.',
}

function seconds(ms: number): string {
  return `${ms / 1000} s`
}
