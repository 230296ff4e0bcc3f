import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { privateKeyToAddress } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Anvil, startAnvil } from '../../src/chain/anvil.ts'
import type { Chain, Hex, Recorded } from '../../src/chain/Chain.ts'
import { attachRegistry, type Deployed, deployRegistry, type RegistryOptions } from '../../src/chain/evm.ts'
import { loadViem } from '../../src/chain/viem.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { batchOf, chainErrorOf, digest } from './support.ts'

const key = digest('recorder')
const ether = 10n ** 18n

let anvil: Anvil

beforeAll(async () => {
  anvil = await startAnvil()
  await anvil.fund(addressOf(key), ether)
})

afterAll(() => anvil.stop())

describe('a registry', () => {
  test('is deployed, records, and gives back what it recorded', async () => {
    const { registry, deployTx, blockNumber } = await deploy()
    expect(await anvil.rpc('eth_getTransactionReceipt', [deployTx])).toMatchObject({
      contractAddress: registry,
      blockNumber: `0x${blockNumber.toString(16)}`,
      from: addressOf(key),
    })
    const chain = await attach({ registry, key })
    expect(chain.identity).toEqual({ kind: 'evm', chainId: 31_337, registry, recorder: addressOf(key) })
    expect(await chain.last()).toBe(0)
    for (let number = 1; number <= 3; number++) {
      const recorded = await chain.record(batchOf(number, number))
      expect(await chain.last()).toBe(number)
      expect(recorded).toMatchObject({ kind: 'evm', chainId: 31_337, registry, batch: batchOf(number, number) })
      expect(await anvil.rpc('eth_getTransactionReceipt', [recorded.recordTx])).toMatchObject({
        status: '0x1',
        to: registry,
      })
      // Anybody finds the same on the chain, byte for byte, without a key.
      expect(await (await attach({ registry })).prove(number)).toEqual(recorded)
    }
    expect(await chain.prove(0)).toBeUndefined()
    expect(await chain.prove(4)).toBeUndefined()
  })

  test('records a batch once, however often and by however many it is told to', async () => {
    const { registry } = await deploy()
    const chain = await attach({ registry, key })
    const first = await chain.record(batchOf(1))
    expect(await chain.record(batchOf(1))).toEqual(first)
    const again = await attach({ registry, key })
    const both = await Promise.all([chain.record(batchOf(2)), chain.record(batchOf(2)), again.record(batchOf(1))])
    expect(both[0]).toEqual(both[1])
    expect(both[2]).toEqual(first)
    expect(await chain.last()).toBe(2)
  })

  test('refuses another batch under a number that is taken, and a batch after a gap', async () => {
    const chain = await attach({ ...(await deploy()), key })
    await chain.record(batchOf(1))
    const sent = await sentBy(key)
    expect((await chainErrorOf(chain.record({ ...batchOf(2), number: 1 }), 'BatchDiffers')).outcome).toBe(
      'not-recorded',
    )
    await chainErrorOf(chain.record({ ...batchOf(1), count: 6 }), 'BatchDiffers')
    expect((await chainErrorOf(chain.record(batchOf(3)), 'OutOfOrder')).message).toContain('expects batch 2')
    expect(await sentBy(key)).toBe(sent)
  })

  test('reports every batch to a watcher, once and in order, until it stops', async () => {
    const { registry } = await deploy()
    const chain = await attach({ registry, key })
    await chain.record(batchOf(1))
    const stop = new AbortController()
    const seen: Recorded[] = []
    const watching = (async () => {
      for await (const recorded of (await attach({ registry })).watch({ signal: stop.signal })) {
        seen.push(recorded)
        if (seen.length === 3) stop.abort()
      }
    })()
    const later = [await chain.record(batchOf(2)), await chain.record(batchOf(3))]
    await watching
    expect(seen).toEqual([await chain.prove(1), ...later])
  })

  test('waits for as many blocks as it is told', async () => {
    const chain = await attach({ ...(await deploy()), key, confirmations: 3 })
    let isDone = false
    const recording = chain.record(batchOf(1)).finally(() => {
      isDone = true
    })
    await expect.poll(() => chain.last()).toBe(1)
    await anvil.rpc('anvil_mine', ['0x1'])
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(isDone).toBe(false)
    await anvil.rpc('anvil_mine', ['0x1'])
    expect(await recording).toMatchObject({ batch: batchOf(1) })
  })
})

describe('a chain that refuses says so, and records nothing', () => {
  test('to a key that is not the recorder’s, and to none', async () => {
    const { registry } = await deploy()
    const error = await chainErrorOf(attach({ registry, key: digest('stranger') }), 'NotRecorder')
    expect(error.message).toContain(addressOf(digest('stranger')))
    expect(error.message).toContain(`only ${addressOf(key)} records in ${registry}. Nothing was sent.`)
    const reader = await attach({ registry })
    expect((await chainErrorOf(reader.record(batchOf(1)), 'NotRecorder')).message).toContain('No key was given')
    expect(await reader.last()).toBe(0)
  })

  test('to an account without funds', async () => {
    const poor = digest('poor recorder')
    const error = await chainErrorOf(deploy({ key: poor }), 'NoFunds')
    expect(error.message).toMatch(
      /^The registry was not deployed: 0x[0-9a-f]{40} has 0 wei on chain 31337 and needs up to \d+/,
    )
    await anvil.fund(addressOf(poor), ether)
    const { registry } = await deploy({ key: poor })
    const chain = await attach({ registry, key: poor })
    await anvil.fund(addressOf(poor), 1n)
    const refused = await chainErrorOf(chain.record(batchOf(1)), 'NoFunds')
    expect(refused.message).toMatch(/^Batch 1 was not recorded: .* has 1 wei .* Nothing was sent\. Fund the account/)
    expect(refused.outcome).toBe('not-recorded')
    expect(await chain.last()).toBe(0)
  })

  test('to a transaction that the contract reverts, before it is sent', async () => {
    const chain = await attach({ ...(await deploy()), key })
    const sent = await sentBy(key)
    const noLeaves = await chainErrorOf(chain.record({ ...batchOf(1), count: 0 }), 'Refused')
    expect(noLeaves.message).toContain(
      'Batch 1 was not recorded: the contract refuses it: BatchIsEmpty(1). Nothing was sent.',
    )
    const noRoot = await chainErrorOf(chain.record({ ...batchOf(1), root: new Uint8Array(32) }), 'Refused')
    expect(noRoot.message).toContain('RootIsZero(1)')
    expect(await sentBy(key)).toBe(sent)
  })

  test('where the node is of another chain', async () => {
    const { registry } = await deploy()
    const error = await chainErrorOf(attach({ registry, key, chainId: 1 }), 'WrongChain')
    expect(error.message).toContain('is of chain 31337, not 1. Nothing was sent. Use a node of chain 1.')
    await chainErrorOf(deploy({ chainId: 1 }), 'WrongChain')
  })

  test('where there is no registry', async () => {
    const error = await chainErrorOf(attach({ registry: `0x${'12'.repeat(20)}` }), 'NoRegistry')
    expect(error.message).toContain('there is no registry at that address')
    await chainErrorOf(attach({ registry: '0x12' }), 'NoRegistry')
    await chainErrorOf(attach({ registry: `0x${'AB'.repeat(20)}` }), 'NoRegistry')
  })

  test('where nobody listens', async () => {
    const error = await chainErrorOf(deploy({ rpcUrl: 'http://127.0.0.1:9/secret-key' }), 'Unreachable')
    expect(error.message).toContain('http://127.0.0.1:9 does not answer. Nothing was sent.')
    expect(error.message).not.toContain('secret-key')
    expect(error.outcome).toBe('not-recorded')
  })

  test('where somebody else listens', async () => {
    for (const [status, body] of [
      [502, 'Bad Gateway'],
      [200, 'Hello'],
      [200, '{}'],
      [200, '[]'],
      [200, '{"jsonrpc":"2.0","id":1,"result":"nonsense"}'],
    ] as const) {
      await using server = await serve(() => ({ status, body }))
      const error = await deploy({ rpcUrl: server.url }).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ name: 'ChainError', outcome: 'not-recorded' })
      expect(String(error)).toContain('Nothing was sent.')
    }
  })

  test('where the node never answers', async () => {
    await using server = await serve(() => undefined)
    const error = await chainErrorOf(deploy({ rpcUrl: server.url, requestTimeoutMs: 50 }), 'Unreachable')
    expect(error.outcome).toBe('not-recorded')
  })
})

describe('a transaction whose fate is unknown', () => {
  test('is reported as that, and the batch is recorded once, however it ends', async () => {
    const chain = await attach({ ...(await deploy()), key, timeoutMs: 200 })
    const error = await withoutMining(async () => {
      const unknown = await chainErrorOf(chain.record(batchOf(1)), 'TimedOut')
      expect(unknown.outcome).toBe('unknown')
      expect(unknown.message).toMatch(
        /^Batch 1 was not recorded for certain: .* within 0\.2 s\. It may still be recorded\./,
      )
      // While it is on its way no second one is sent.
      const waiting = await chainErrorOf(chain.record(batchOf(1)), 'TimedOut')
      expect(waiting.outcome).toBe('unknown')
      expect(waiting.message).toContain('an earlier transaction')
      return unknown
    })
    expect(await chain.record(batchOf(1))).toMatchObject({ recordTx: error.recordTx, batch: batchOf(1) })
    expect(await chain.last()).toBe(1)
  })

  test('is sent again where the chain dropped it', async () => {
    const chain = await attach({ ...(await deploy()), key, timeoutMs: 200 })
    await withoutMining(async () => {
      const { recordTx } = await chainErrorOf(chain.record(batchOf(1)), 'TimedOut')
      await anvil.rpc('anvil_dropTransaction', [recordTx])
    })
    expect(await chain.record(batchOf(1))).toMatchObject({ batch: batchOf(1) })
  })

  test('may have arrived when the node goes away in the middle of it', async () => {
    const deployed = await deploy()
    let isGone = false
    await using server = await serve((body) => {
      if (isGone) return 'hang up'
      if (!body.includes('eth_sendRawTransaction')) return 'pass'
      isGone = true
      return 'pass and hang up'
    })
    const chain = await attach({ ...deployed, key, rpcUrl: server.url })
    const error = await chainErrorOf(chain.record(batchOf(1)), 'Unreachable')
    expect(error.outcome).toBe('unknown')
    expect(error.recordTx).toMatch(/^0x[0-9a-f]{64}$/)
    expect(error.message).toContain('It may still be recorded.')
    const direct = await attach({ ...deployed, key })
    expect(await direct.record(batchOf(1))).toMatchObject({ batch: batchOf(1), recordTx: error.recordTx })
  })

  test.each(['pass and hang up', 'pass twice'] as const)('is found out where the node has it: %s', async (how) => {
    await using server = await serve((body) => (body.includes('eth_sendRawTransaction') ? how : 'pass'))
    const chain = await attach({ ...(await deploy()), key, rpcUrl: server.url })
    expect(await chain.record(batchOf(1))).toMatchObject({ batch: batchOf(1) })
  })

  test('is settled by its block, in which it may have failed', async () => {
    const { registry } = await deploy()
    const chain = await attach({ registry, key })
    const error = await withoutMining(async () => {
      const recording = chainErrorOf(chain.record(batchOf(1)), 'Reverted')
      await isSent()
      // As if the recorder had recorded five batches from elsewhere in the meantime.
      await anvil.rpc('anvil_setStorageAt', [registry, `0x${'00'.repeat(32)}`, `0x${'00'.repeat(31)}05`])
      await anvil.rpc('evm_mine')
      return recording
    })
    expect(error.outcome).toBe('not-recorded')
    expect(error.message).toMatch(
      /^Batch 1 was not recorded: transaction 0x[0-9a-f]{64} failed in block \d+ and cost \d+ gas\./,
    )
  })

  test('is not doubled by a second process with the same key', async () => {
    const { registry } = await deploy()
    const [chain, other] = [await attach({ registry, key }), await attach({ registry, key })]
    const results = await withoutMining(async () => {
      // Both look at the chain before either has sent.
      const racing = Promise.allSettled([chain.record(batchOf(1)), other.record({ ...batchOf(1), count: 7 })])
      await isSent()
      await anvil.rpc('evm_mine')
      return racing
    })
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await chain.last()).toBe(1)
  })
})

test('a missing viem says how to get it', async () => {
  const error = await chainErrorOf(
    loadViem(() => Promise.reject(new Error('Cannot find package'))),
    'PackageMissing',
  )
  expect(error.message).toContain('npm install viem')
})

function deploy(options: Partial<Parameters<typeof deployRegistry>[0]> = {}): Promise<Deployed> {
  return deployRegistry({ rpcUrl: anvil.url, chainId: anvil.chainId, key, ...options })
}

function attach({ registry, ...options }: Partial<RegistryOptions> & { readonly registry: Hex }): Promise<Chain> {
  return attachRegistry({ rpcUrl: anvil.url, chainId: anvil.chainId, pollMs: 20, registry, ...options })
}

async function withoutMining<T>(task: () => Promise<T>): Promise<T> {
  await anvil.rpc('evm_setAutomine', [false])
  try {
    return await task()
  } finally {
    await anvil.rpc('evm_setAutomine', [true])
    await anvil.rpc('evm_mine')
  }
}

/** Once a transaction of the recorder waits for a block. */
async function isSent(): Promise<void> {
  await expect.poll(async () => Number(await sentBy(key, 'pending')) - Number(await sentBy(key))).toBe(1)
}

function sentBy(secret: Uint8Array, block = 'latest'): Promise<unknown> {
  return anvil.rpc('eth_getTransactionCount', [addressOf(secret), block])
}

function addressOf(secret: Uint8Array): Hex {
  return privateKeyToAddress(`0x${toHex(secret)}`).toLowerCase() as Hex
}

type Reply =
  | 'pass'
  | 'hang up'
  | 'pass twice'
  | 'pass and hang up'
  | { readonly status: number; readonly body: string }
  | undefined

/** A server in the place of the node, that passes some requests on to it. */
async function serve(reply: (body: string) => Reply): Promise<AsyncDisposable & { readonly url: string }> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const how = reply(body)
    if (how === undefined) return
    if (typeof how === 'object') {
      response.writeHead(how.status).end(how.body)
      return
    }
    if (how === 'pass twice') await fetchText(body)
    const passed = how === 'hang up' ? '' : await fetchText(body)
    if (how.startsWith('pass') && !how.endsWith('hang up')) {
      response.setHeader('content-type', 'application/json').end(passed)
    } else request.socket.destroy()
  }
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function fetchText(body: string): Promise<string> {
  const response = await fetch(anvil.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return response.text()
}
