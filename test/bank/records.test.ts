import { privateKeyToAddress } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import type { Bank } from '../../src/bank/service.ts'
import type { BankStore } from '../../src/bank/store/contract.ts'
import { startAnvil } from '../../src/chain/anvil.ts'
import type { Chain, Hex } from '../../src/chain/Chain.ts'
import { ChainError } from '../../src/chain/chainError.ts'
import { openLog } from '../../src/chain/embedded.ts'
import { verifyRecord } from '../../src/chain/evidence.ts'
import { attachRegistry, deployRegistry } from '../../src/chain/evm.ts'
import * as RecordProof from '../../src/chain/RecordProof.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import * as Record from '../../src/wire/Record.ts'
import { memoryLog } from '../chain/support.ts'
import { account, bankKey, bytesOf, must, now, vendorKey } from '../protocol/world.ts'
import { asset, buy, claimOf, network, openWorld, propose, rules } from './channels.ts'
import { openBank, openFundedBank, query } from './support.ts'

/** Opens, pays and closes channels; gives their ids. */
async function settle(bank: Bank, labels: readonly string[], net = network): Promise<readonly Uint8Array[]> {
  const channelIds: Uint8Array[] = []
  for (const [number, label] of labels.entries()) {
    const world = await openWorld(bank, label, { network: net })
    buy(world, number + 1)
    must(await bank.close(claimOf(world)))
    channelIds.push(world.client.channelId)
  }
  return channelIds
}

/** What anybody finds who has the proof alone: the settled sum, or the first thing that is wrong. */
async function verified(bank: Bank, channelId: Uint8Array, net = network): Promise<unknown> {
  const found = await bank.proof(channelId)
  if (found === undefined) return 'no proof'
  // As it is saved and sent: text.
  const proof = RecordProof.parse(RecordProof.encode(found.proof))
  const record = Record.parse(found.record)
  if (!proof.ok || !record.ok) return 'unreadable'
  const trust = { bank: bankKey.publicKey, network: net }
  const verdict = await verifyRecord({ leaf: Record.leaf(found.record), proof: proof.value, trust })
  return verdict.ok && toHex(record.value.channelId) === toHex(channelId) ? record.value.settled : verdict
}

/** A chain whose `record` does what the test says. */
function failing(chain: Chain, record: (batch: Parameters<Chain['record']>[0]) => ReturnType<Chain['record']>): Chain {
  return { ...chain, record }
}

describe('a settled channel', () => {
  test('is recorded, and proven offline to have settled at its sum', async () => {
    const { bank } = await openFundedBank()
    const channelIds = await settle(bank, ['one', 'two', 'three'])
    expect(await bank.proof(channelIds[0]!)).toBeUndefined()
    const recorded = await bank.record()
    expect(recorded).toMatchObject([{ kind: 'embedded', batch: { number: 1, count: 3 } }])
    for (const [number, channelId] of channelIds.entries()) {
      expect(await verified(bank, channelId)).toBe(20n * BigInt(number + 1))
      expect(await bank.status(channelId)).toMatchObject({ status: 'closed', record: 'recorded' })
    }
  })

  test('is recorded once, in the batch after its close', async () => {
    const { bank } = await openFundedBank()
    const [one] = await settle(bank, ['one'])
    expect(await bank.record()).toHaveLength(1)
    expect(await bank.record()).toEqual([])
    const [two] = await settle(bank, ['two'])
    expect(await bank.record()).toMatchObject([{ batch: { number: 2, count: 1 } }])
    expect((await bank.proof(one!))?.proof.head.head.batch.number).toBe(1)
    expect((await bank.proof(two!))?.proof.head.head.batch.number).toBe(2)
    expect(await verified(bank, one!)).toBe(20n)
  })

  test('has no proof while it is open, and none where there is no channel', async () => {
    const { bank } = await openFundedBank()
    const { channelId, bytes } = propose('open')
    must(await bank.open(bytes))
    await settle(bank, ['one'])
    await bank.record()
    expect(await bank.proof(channelId)).toBeUndefined()
    expect(await bank.proof(bytesOf('another'))).toBeUndefined()
  })

  test('cannot be told from its leaf: two records of the same terms have two salts', async () => {
    const one = await openFundedBank()
    const two = await openFundedBank()
    const leaves: string[] = []
    for (const { bank, store } of [one, two]) {
      const [channelId] = await settle(bank, ['one'])
      leaves.push(toHex(Record.leaf((await store.record(channelId!))!.record)))
    }
    expect(leaves[0]).not.toBe(leaves[1])
  })

  test.each(['record', 'path', 'head', 'signature', 'evidence'])(
    'is proven by every byte of its proof: %s',
    async (part) => {
      const { bank } = await openFundedBank()
      const [channelId] = await settle(bank, ['one', 'two', 'three'])
      await bank.record()
      const { record, proof } = (await bank.proof(channelId!))!
      const text = part === 'record' ? toHex(record) : RecordProof.encode(proof)
      const start = part === 'record' ? 0 : text.indexOf(`"${part}": `) + part.length + 4
      const trust = { bank: bankKey.publicKey, network }
      const hex = /[0-9a-f]{16,}/.exec(text.slice(start))!
      for (let index = start + hex.index; index < start + hex.index + hex[0].length; index += 11) {
        const changed = text.slice(0, index) + (text[index] === '0' ? '1' : '0') + text.slice(index + 1)
        const parsed = RecordProof.parse(part === 'record' ? RecordProof.encode(proof) : changed)
        if (!parsed.ok) continue
        const leaf = Record.leaf(part === 'record' ? Uint8Array.from(Buffer.from(changed, 'hex')) : record)
        expect((await verifyRecord({ leaf, proof: parsed.value, trust })).ok, `character ${index}`).toBe(false)
      }
    },
  )
})

describe('a chain that', () => {
  const refused = new ChainError('Unreachable', 'The chain does not answer. Nothing was recorded. Start it.')
  const unknown = new ChainError('TimedOut', 'Nobody knows yet whether batch 1 is recorded.', { outcome: 'unknown' })

  test('does not answer leaves every record queued for when it does', async () => {
    let away = true
    const { bank, path } = await openFundedBank(undefined, {
      wrapChain: (chain) => ({
        ...chain,
        last: () => (away ? Promise.reject(refused) : chain.last()),
      }),
    })
    const channelIds = await settle(bank, ['one', 'two'])
    await expect(bank.record()).rejects.toBe(refused)
    expect(query(path, 'SELECT count(*) AS count FROM records WHERE batch IS NULL')).toEqual([{ count: 2n }])
    away = false
    expect(await bank.record()).toMatchObject([{ batch: { number: 1, count: 2 } }])
    for (const channelId of channelIds) expect(await verified(bank, channelId)).toBeTypeOf('bigint')
  })

  test('refuses a batch gets the same one again, and those after it in the next', async () => {
    const seen: unknown[] = []
    let refuses = true
    const { bank } = await openFundedBank(undefined, {
      wrapChain: (chain) =>
        failing(chain, async (batch) => {
          seen.push(batch)
          if (refuses) throw refused
          return chain.record(batch)
        }),
    })
    const [one] = await settle(bank, ['one'])
    await expect(bank.record()).rejects.toBe(refused)
    expect(await bank.proof(one!)).toBeUndefined()
    expect(await bank.status(one!)).toMatchObject({ record: 'queued' })
    const [two] = await settle(bank, ['two'])
    await expect(bank.record()).rejects.toBe(refused)
    refuses = false
    expect(await bank.record()).toMatchObject([{ batch: { number: 1 } }, { batch: { number: 2 } }])
    expect(seen[1]).toEqual(seen[0])
    expect(seen[2]).toEqual(seen[0])
    expect(await verified(bank, one!)).toBe(20n)
    expect(await verified(bank, two!)).toBe(20n)
  })

  test('recorded a batch and did not say so has it once, by the same root', async () => {
    let mute = true
    const { bank, store } = await openFundedBank(undefined, {
      wrapChain: (chain) =>
        failing(chain, async (batch) => {
          const recorded = await chain.record(batch)
          if (mute) throw unknown
          return recorded
        }),
    })
    const [one] = await settle(bank, ['one'])
    await expect(bank.record()).rejects.toMatchObject({ outcome: 'unknown' })
    expect(await bank.proof(one!)).toBeUndefined()
    await settle(bank, ['two'])
    mute = false
    expect(await bank.record()).toMatchObject([{ batch: { number: 1, count: 1 } }, { batch: { number: 2, count: 1 } }])
    expect(await logOf(store)).toHaveLength(2)
    expect(await verified(bank, one!)).toBe(20n)
  })

  test('has a batch of a bank that was killed before it knew', async () => {
    const { bank, path } = await openFundedBank(undefined, {
      wrapChain: (chain) =>
        failing(chain, async (batch) => {
          await chain.record(batch)
          throw unknown
        }),
    })
    const [one] = await settle(bank, ['one'])
    await expect(bank.record()).rejects.toBe(unknown)
    const again = openBank({ path }).bank
    expect(await again.record()).toMatchObject([{ batch: { number: 1, count: 1 } }])
    expect(await verified(again, one!)).toBe(20n)
  })

  test('forgot what was on it is not written to', async () => {
    const { bank, path, store } = await openFundedBank()
    await settle(bank, ['one'])
    await bank.record()
    // Another log: as when a test chain starts anew beside an old store.
    const empty = openLog({ store: memoryLog(), key: bankKey, now: () => now }, { network })
    const { bank: confused } = openBank({ path, chain: empty })
    const [two] = await settle(confused, ['two'])
    await expect(confused.record()).rejects.toThrow(/expects batch 1, which this bank has recorded before/)
    expect(await empty.last()).toBe(0)
    expect((await store.record(two!))?.place).toBeUndefined()
    expect(await bank.record()).toMatchObject([{ batch: { number: 2 } }])
  })

  test('is asked by many at once records each channel once', async () => {
    const { bank, path, store } = await openFundedBank()
    const channelIds = await settle(bank, ['one', 'two', 'three'])
    const other = openBank({ path }).bank
    const batches = (await Promise.all([bank.record(), other.record(), bank.record()])).flat()
    expect(new Set(batches.map(({ batch }) => batch.number)).size).toBe((await logOf(store)).length)
    for (const channelId of channelIds) expect(await verified(bank, channelId)).toBeTypeOf('bigint')
  })

  test('is in the middle of a batch when the bank stops gets to its end', async () => {
    const order: string[] = []
    const { bank } = await openFundedBank(undefined, {
      wrapChain: (chain) =>
        failing(chain, async (batch) => {
          await new Promise((resolve) => setTimeout(resolve, 50))
          order.push('recorded')
          return chain.record(batch)
        }),
    })
    await settle(bank, ['one'])
    const recording = bank.record().then((batches) => order.push(`${batches.length} known`))
    await bank.stop()
    await recording
    expect(order).toEqual(['recorded', '1 known'])
  })
})

test('a lifecycle on a real EVM chain ends with a proof that anybody verifies', async () => {
  await using anvil = await startAnvil()
  const key = bytesOf('recorder')
  await anvil.fund(privateKeyToAddress(`0x${toHex(key)}`).toLowerCase() as Hex, 10n ** 18n)
  const { url: rpcUrl, chainId } = anvil
  const { registry } = await deployRegistry({ rpcUrl, chainId, key })
  const chain = await attachRegistry({ rpcUrl, chainId, registry, key })
  const net = `eip155:${chainId}`
  const { bank, path } = openBank({ chain, rules: { ...rules, network: net } })
  must(await bank.register(account.publicKey))
  must(await bank.register(vendorKey.publicKey))
  must(await bank.deposit(account.publicKey, asset, 1_000_000n))
  const channelIds = await settle(bank, ['one', 'two'], net)
  const [recorded] = await bank.record()
  expect(recorded).toMatchObject({ kind: 'evm', registry, chainId, batch: { number: 1, count: 2 } })
  expect(await chain.prove(1)).toEqual(recorded)
  expect(await verified(bank, channelIds[0]!, net)).toBe(20n)
  expect(await verified(bank, channelIds[1]!, net)).toBe(40n)

  const { record, proof } = (await bank.proof(channelIds[1]!))!
  const elsewhere = { bank: bankKey.publicKey, network: net, registry: `0x${'11'.repeat(20)}` as Hex }
  expect(await verifyRecord({ leaf: Record.leaf(record), proof, trust: elsewhere })).toMatchObject({
    reason: 'Registry',
  })

  // The node is gone: what is closed now stays queued.
  await anvil.stop()
  await settle(bank, ['three'], net)
  await expect(bank.record()).rejects.toMatchObject({
    name: 'ChainError',
    reason: 'Unreachable',
    outcome: 'not-recorded',
  })
  expect(query(path, 'SELECT count(*) AS count FROM records WHERE batch IS NULL')).toEqual([{ count: 1n }])
  expect(await verified(bank, channelIds[0]!, net)).toBe(20n)
})

async function logOf(store: BankStore): Promise<readonly Uint8Array[]> {
  const entries: Uint8Array[] = []
  for await (const entry of store.log.entries(1)) entries.push(entry)
  return entries
}
