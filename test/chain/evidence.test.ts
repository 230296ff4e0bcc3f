import fc from 'fast-check'
import {
  concatHex,
  encodeFunctionData,
  fromRlp,
  numberToHex,
  parseAbi,
  serializeTransaction,
  type TransactionSerializableEIP1559,
  toRlp,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { beforeAll, describe, expect, test } from 'vitest'
import { startAnvil } from '../../src/chain/anvil.ts'
import type { Chain, ChainIdentity, Hex } from '../../src/chain/Chain.ts'
import { openLog } from '../../src/chain/embedded.ts'
import { type ProofFault, type TrustRoots, type Verdict, verifyRecord } from '../../src/chain/evidence.ts'
import { attachRegistry, deployRegistry } from '../../src/chain/evm.ts'
import * as LogEntry from '../../src/chain/LogEntry.ts'
import * as RecordProof from '../../src/chain/RecordProof.ts'
import { registrySignatures } from '../../src/chain/registry.ts'
import * as TreeHead from '../../src/chain/TreeHead.ts'
import { fromHex, toHex } from '../../src/crypto/bytes.ts'
import * as MerkleTree from '../../src/crypto/MerkleTree.ts'
import { unixSeconds } from '../../src/wire/amount.ts'
import { bank, batchOf, chainErrorOf, changed, digest, leavesOf, memoryLog, network, otherBank } from './support.ts'

const recorderKey = digest('recorder')
const recorder = privateKeyToAccount(`0x${toHex(recorderKey)}`)
const stranger = privateKeyToAccount(`0x${toHex(digest('stranger'))}`)
const evmNetwork = 'eip155:31337'
const leaves = leavesOf(2)
const index = 3
const leaf = leaves[index]!

interface Case {
  readonly proof: RecordProof.RecordProof
  readonly trust: TrustRoots
  readonly recordTx: Hex
}

let embedded: Case
let evm: Case

beforeAll(async () => {
  const log = openLog({ store: memoryLog(), key: bank, now: () => unixSeconds(1_767_225_600n) }, { network })
  embedded = await proven(log, { bank: bank.publicKey, network })
  await using anvil = await startAnvil()
  const options = { rpcUrl: anvil.url, chainId: anvil.chainId, key: recorderKey }
  await anvil.fund(recorder.address.toLowerCase() as Hex, 10n ** 18n)
  const { registry } = await deployRegistry(options)
  evm = await proven(await attachRegistry({ ...options, registry }), {
    bank: bank.publicKey,
    network: evmNetwork,
    registry,
  })
})

describe.each(['embedded', 'evm'] as const)('a record on a chain of kind %s', (kind) => {
  const given = (): Case => (kind === 'evm' ? evm : embedded)

  test('is proven offline', async () => {
    const { proof, trust, recordTx } = given()
    const { batch, chain } = proof.head.head
    expect(await verify({ proof, trust })).toEqual({ ok: true, batch, chain, recordTx })
    expect(batch).toEqual(batchOf(2))
  })

  test('is proven by the text that was saved, and by no text with one character changed', async () => {
    const { proof, trust } = given()
    const text = RecordProof.encode(proof)
    const verdictOf = async (saved: string): Promise<boolean> => {
      const parsed = RecordProof.parse(saved)
      return parsed.ok && (await verify({ proof: parsed.value, trust })).ok
    }
    expect(await verdictOf(text)).toBe(true)
    for (let offset = 0; offset < text.length; offset++) {
      const own = text[offset]!
      const others = '0f,9 "\n\t'.split('').filter((other) => other !== own)
      // Its upper case reads the same, as hex.
      const upper = own.toUpperCase() === own ? [] : [own.toUpperCase()]
      const other = others[offset % others.length]!
      for (const replacement of [other, ...upper, '']) {
        const saved = text.slice(0, offset) + replacement + text.slice(offset + 1)
        expect(await verdictOf(saved), `${offset}: ${own} → ${replacement}`).toBe(false)
      }
    }
  })

  test('is refused after any byte of the leaf, the path, the head, its signature or the evidence was changed', async () => {
    const { proof, trust } = given()
    const head = TreeHead.encode(proof.head.head)
    const parts = [leaf, head, proof.head.signature, proof.evidence, ...proof.path]
    for (const [at, part] of parts.entries()) {
      for (let offset = 0; offset < part.length; offset++) {
        const [otherLeaf, otherHead, signature, evidence, ...path] = parts.with(
          at,
          changed(part, offset, 1 << (offset % 8)),
        )
        const parsed = TreeHead.parse(otherHead!)
        if (!parsed.ok) continue
        const other = { index, path, head: { head: parsed.value, signature: signature! }, evidence: evidence! }
        expect((await verify({ proof: other, trust, leaf: otherLeaf! })).ok, `part ${at}, byte ${offset}`).toBe(false)
      }
    }
  })

  test('is refused with a reason of its own', async () => {
    const { proof, trust } = given()
    const { head } = proof.head
    const resigned = (other: Partial<TreeHead.TreeHead>): RecordProof.RecordProof => ({
      ...proof,
      head: TreeHead.sign(bank, { ...head, ...other }),
    })
    const cases: readonly (readonly [ProofFault, Partial<Parameters<typeof verify>[0]>])[] = [
      ['HeadSignature', { proof: { ...proof, head: TreeHead.sign(otherBank, head) } }],
      ['HeadSignature', { trust: { ...trust, bank: otherBank.publicKey } }],
      ['Network', { trust: { ...trust, network: 'lockstep:other' } }],
      ['Registry', { trust: { ...trust, registry: `0x${'12'.repeat(20)}` } }],
      ['Inclusion', { leaf: leaves[0]! }],
      ['Inclusion', { proof: { ...proof, index: 2 } }],
      ['Inclusion', { proof: { ...proof, index: 5 } }],
      ['Inclusion', { proof: { ...proof, path: proof.path.slice(1) } }],
      ['Inclusion', { proof: resigned({ batch: { ...head.batch, count: 6 } }) }],
      ['Inclusion', { proof: resigned({ batch: { ...head.batch, root: digest('root') } }) }],
      ['EvidenceForm', { proof: { ...proof, evidence: new Uint8Array(0) } }],
      ['EvidenceForm', { proof: { ...proof, evidence: proof.evidence.subarray(1) } }],
      ['EvidenceForm', { proof: { ...proof, evidence: Uint8Array.from([...proof.evidence, 0]) } }],
      ['EvidenceContent', { proof: resigned({ batch: { ...head.batch, number: 3 } }) }],
    ]
    for (const [reason, change] of cases) {
      expect(await verify({ proof, trust, ...change })).toMatchObject({ ok: false, reason })
    }
  })
})

test('a record elsewhere than in the terms is refused, also by the bank’s word', async () => {
  const toLog: RecordProof.RecordProof = {
    ...embedded.proof,
    head: TreeHead.sign(bank, { ...embedded.proof.head.head, network: evmNetwork }),
  }
  const { registry: _, ...trust } = evm.trust
  expect(await verify({ proof: toLog, trust })).toMatchObject({ ok: false, reason: 'Network' })
  const { head } = evm.proof.head
  const chain: ChainIdentity = { ...(head.chain as Extract<ChainIdentity, { kind: 'evm' }>), chainId: 1 }
  const otherChain = { ...evm.proof, head: TreeHead.sign(bank, { ...head, chain }) }
  expect(await verify({ proof: otherChain, trust })).toMatchObject({ ok: false, reason: 'Network' })
  expect(await verify({ proof: evm.proof, trust })).toMatchObject({ ok: true })
})

test('a log entry of another bank, log or network is refused', async () => {
  const { proof, trust } = embedded
  const parsed = LogEntry.parse(proof.evidence)
  if (!parsed.ok) throw new Error(parsed.detail)
  const owner = { network, bank: bank.publicKey, log: 0 }
  for (const [key, other] of [
    [otherBank, owner],
    [bank, { ...owner, log: 1 }],
    [bank, { ...owner, network: 'lockstep:other' }],
  ] as const) {
    const evidence = LogEntry.encode(LogEntry.sign(parsed.value, key, other))
    expect(await verify({ proof: { ...proof, evidence }, trust })).toMatchObject({ reason: 'EvidenceSigner' })
  }
})

describe('a transaction', () => {
  test('is refused unless it is the recorder’s and records this batch in this registry, and only that', async () => {
    const { transaction } = parts()
    const abi = parseAbi(registrySignatures)
    const record = (number: bigint, root: Uint8Array, count: bigint): Hex =>
      encodeFunctionData({ abi, functionName: 'record', args: [number, `0x${toHex(root)}`, count] })
    const { root } = batchOf(2)
    const cases: readonly (readonly [ProofFault | undefined, Partial<TransactionSerializableEIP1559>])[] = [
      [undefined, {}],
      [undefined, { nonce: 9 }],
      ['EvidenceContent', { chainId: 1 }],
      ['EvidenceContent', { to: `0x${'12'.repeat(20)}` }],
      ['EvidenceContent', { to: undefined }],
      ['EvidenceContent', { value: 1n }],
      ['EvidenceContent', { data: record(1n, root, 5n) }],
      ['EvidenceContent', { data: record(2n, root, 6n) }],
      ['EvidenceContent', { data: record(2n, digest('root'), 5n) }],
      ['EvidenceContent', { data: concatHex([record(2n, root, 5n), '0x00']) }],
      ['EvidenceContent', { data: concatHex(['0x00000000', `0x${record(2n, root, 5n).slice(10)}`]) }],
      ['EvidenceContent', { data: '0x' }],
      ['EvidenceContent', { accessList: [{ address: transaction.to as Hex, storageKeys: [] }] }],
    ]
    for (const [reason, change] of cases) {
      const signed = await recorder.signTransaction({ ...transaction, ...change })
      expect((await verdictOn(signed)) ?? 'accepted').toBe(reason ?? 'accepted')
    }
    expect(await verdictOn(await stranger.signTransaction(transaction))).toBe('EvidenceSigner')
    const { chainId, nonce, gas, to, data } = transaction
    const legacy = { type: 'legacy', chainId, nonce, gas, gasPrice: 1n, to, data } as const
    expect(await verdictOn(await recorder.signTransaction(legacy))).toBe('EvidenceForm')
    expect(await verdictOn(serializeTransaction(transaction))).toBe('EvidenceForm')
  })

  test('is refused in any encoding but its one', async () => {
    const { raw, fields } = parts()
    expect(encode(fields)).toBe(raw)
    expect(await verdictOn(raw)).toBeUndefined()
    const padded = fields.map((field, at) =>
      fields.with(at, typeof field === 'string' ? concatHex(['0x00', field]) : ['0x']),
    )
    const others: readonly Hex[] = [
      ...padded.map(encode),
      encode([...fields, '0x']),
      encode(fields.slice(0, -1)),
      concatHex([raw, '0x00']),
      concatHex(['0x03', `0x${raw.slice(4)}`]),
      // A list header of two length bytes where one will do: 0xf8 NN becomes 0xf9 00 NN.
      concatHex(['0x02f900', `0x${raw.slice(6)}`]),
    ]
    for (const other of others) expect(await verdictOn(other)).toMatch(/^Evidence(?:Form|Content)$/)
  })

  test('is refused with the other s that signs the same', async () => {
    const { fields } = parts()
    const [parity, s] = [fields[9], BigInt(fields[11] as Hex)]
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const twin = fields.with(9, parity === '0x' ? '0x01' : '0x').with(11, numberToHex(order - s, { size: 32 }))
    expect(await verdictOn(encode(twin))).toBe('EvidenceForm')
  })

  test('of random bytes is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect(await verdictOn(`0x02${toHex(bytes)}`)).toBe('EvidenceForm')
      }),
    )
  })
})

test('without viem only a record on an EVM chain cannot be verified', async () => {
  const load = (): Promise<never> => Promise.reject(new Error('Cannot find package'))
  expect(await verifyRecord({ leaf, ...embedded, load })).toMatchObject({ ok: true })
  await chainErrorOf(verifyRecord({ leaf, ...evm, load }), 'PackageMissing')
})

describe('a saved proof', () => {
  test.each([
    ['nothing', '', 'JSON object'],
    ['null', 'null', 'JSON object'],
    ['a list', '[]', 'JSON object'],
    ['an empty object', '{}', 'JSON object'],
    ['half of one', '{"version":1', 'JSON object'],
    ['far too much', ' '.repeat(20_000), 'at most'],
  ])('is not %s', (_, text, detail) => {
    expect(RecordProof.parse(text)).toMatchObject({
      ok: false,
      reason: 'Malformed',
      detail: expect.stringContaining(detail),
    })
  })

  test('is refused with a field of another type, missing, or more', () => {
    const text = RecordProof.encode(evm.proof)
    const fields = JSON.parse(text) as Record<string, unknown>
    for (const name of Object.keys(fields)) {
      for (const value of [undefined, null, 2, -1, 0.5, 'zz', '0', {}, [], [1], ['00'], '00']) {
        expect(
          RecordProof.parse(JSON.stringify({ ...fields, [name]: value }, null, 2)).ok,
          `${name}: ${JSON.stringify(value)}`,
        ).toBe(false)
      }
    }
    expect(RecordProof.parse(`${JSON.stringify({ ...fields, more: 1 }, null, 2)}\n`).ok).toBe(false)
    expect(RecordProof.parse(`${JSON.stringify(fields)}\n`).ok).toBe(false)
    expect(RecordProof.parse(text.replace('{', '{\n  "version": 1,')).ok).toBe(false)
    expect(RecordProof.parse(text)).toEqual({ ok: true, value: evm.proof })
  })

  test('of any value comes back as it went', () => {
    fc.assert(
      fc.property(proofs, (proof) => {
        expect(RecordProof.parse(RecordProof.encode(proof))).toEqual({ ok: true, value: proof })
      }),
    )
  })
})

describe('a tree head', () => {
  test('comes back as it went', () => {
    fc.assert(
      fc.property(heads, (head) => {
        const encoded = TreeHead.encode(head)
        expect(encoded).toHaveLength(TreeHead.size)
        expect(TreeHead.parse(encoded)).toEqual({ ok: true, value: head })
      }),
    )
  })

  test('is refused with a reason or re-encodes to itself, whatever was changed in a good one', () => {
    const change = fc.tuple(fc.nat({ max: TreeHead.size - 1 }), fc.nat({ max: 255 }))
    fc.assert(
      fc.property(
        heads,
        fc.array(change, { maxLength: 3 }),
        fc.uint8Array({ maxLength: 200 }),
        (head, changes, any) => {
          const bytes = TreeHead.encode(head)
          for (const [offset, value] of changes) bytes[offset] = value
          for (const input of [bytes, any]) {
            const parsed = TreeHead.parse(input)
            if (parsed.ok) expect(toHex(TreeHead.encode(parsed.value))).toBe(toHex(input))
          }
        },
      ),
    )
  })

  test('has no batch 0, no batch without leaves, and addresses only on an EVM chain', () => {
    const good = TreeHead.encode(evm.proof.head.head)
    const cases = [
      good.slice().fill(0, 32, 40),
      good.slice().fill(0, 72, 80),
      good.with(80, 0),
      good.slice().fill(0, 89, 109),
      good.slice().fill(0, 109, 129),
      TreeHead.encode(embedded.proof.head.head).with(80, 1),
      TreeHead.encode(embedded.proof.head.head).with(128, 1),
    ]
    for (const bytes of cases) expect(TreeHead.parse(bytes)).toMatchObject({ ok: false, reason: 'Malformed' })
  })
})

const sized = (size: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: size, maxLength: size })
const addresses = sized(20).map((bytes): Hex => `0x01${toHex(bytes).slice(2)}`)
const safe = fc.maxSafeNat()
const counts = safe.map((n) => Math.max(n, 1))
const heads: fc.Arbitrary<TreeHead.TreeHead> = fc.record({
  network: fc.stringMatching(/^[!-~]{1,32}$/),
  batch: fc.record({ number: counts, root: sized(32), count: counts }),
  chain: fc.oneof(
    fc.record({ kind: fc.constant('embedded' as const), log: safe }),
    fc.record({ kind: fc.constant('evm' as const), chainId: safe, registry: addresses, recorder: addresses }),
  ),
})
const proofs: fc.Arbitrary<RecordProof.RecordProof> = fc.record({
  index: safe,
  path: fc.array(sized(32), { maxLength: 53 }),
  head: fc.record({ head: heads, signature: sized(64) }),
  evidence: fc.uint8Array({ maxLength: 300 }),
})

/** Two batches on a chain, and the proof of a leaf of the second. */
async function proven(chain: Chain, trust: TrustRoots): Promise<Case> {
  await chain.record(batchOf(1))
  const tree = MerkleTree.build(leaves)
  const { batch, evidence, recordTx } = await chain.record({ number: 2, root: tree.root, count: tree.count })
  const head = TreeHead.sign(bank, { network: trust.network, batch, chain: chain.identity })
  return { proof: RecordProof.create({ tree, index, head, evidence }), trust, recordTx }
}

function verify(args: {
  readonly proof: RecordProof.RecordProof
  readonly trust: TrustRoots
  readonly leaf?: Uint8Array
}): Promise<Verdict> {
  return verifyRecord({ leaf, ...args })
}

/** Why the proof is refused with this transaction as its evidence; `undefined` where it is accepted. */
async function verdictOn(raw: Hex): Promise<ProofFault | undefined> {
  const evidence = fromHex(raw.slice(2))
  const verdict = await verify({ proof: { ...evm.proof, evidence }, trust: evm.trust })
  return verdict.ok ? undefined : verdict.reason
}

type Field = Hex | readonly Hex[]

/** The record transaction, its fields as they are encoded, and as they are signed. */
function parts(): {
  readonly raw: Hex
  readonly fields: readonly Field[]
  readonly transaction: TransactionSerializableEIP1559
} {
  const raw: Hex = `0x${toHex(evm.proof.evidence)}`
  const fields = fromRlp(`0x${raw.slice(4)}`) as readonly Field[]
  const number = (at: number): bigint => (fields[at] === '0x' ? 0n : BigInt(fields[at] as Hex))
  const transaction = {
    type: 'eip1559',
    chainId: Number(number(0)),
    nonce: Number(number(1)),
    maxPriorityFeePerGas: number(2),
    maxFeePerGas: number(3),
    gas: number(4),
    to: fields[5] as Hex,
    data: fields[7] as Hex,
  } as const
  return { raw, fields, transaction }
}

function encode(fields: readonly Field[]): Hex {
  return concatHex(['0x02', toRlp(fields as Hex[])])
}
