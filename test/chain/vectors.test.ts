import { encodeFunctionData, parseAbi } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import type { Hex } from '../../src/chain/Chain.ts'
import { openLog } from '../../src/chain/embedded.ts'
import { type ProofFault, verifyRecord } from '../../src/chain/evidence.ts'
import * as RecordProof from '../../src/chain/RecordProof.ts'
import { registrySignatures } from '../../src/chain/registry.ts'
import * as TreeHead from '../../src/chain/TreeHead.ts'
import { fromHex, toHex } from '../../src/crypto/bytes.ts'
import * as MerkleTree from '../../src/crypto/MerkleTree.ts'
import { unixSeconds } from '../../src/wire/amount.ts'
import { bank, digest, leavesOf, memoryLog, network, otherBank } from './support.ts'

const leaves = leavesOf(1, 7)
const tree = MerkleTree.build(leaves)
const batch = { number: 1, root: tree.root, count: tree.count }
const index = 6
const leaf = leaves[index]!
const registry: Hex = `0x${toHex(digest('registry')).slice(24)}`

interface Vector {
  readonly name: string
  readonly valid: boolean
  readonly reason?: ProofFault
  readonly leaf: string
  readonly trust: { readonly bank: string; readonly network: string; readonly registry?: Hex }
  /** The text of the file, line by line. */
  readonly proof: readonly string[]
}

/** Update with `npx vitest run test/chain/vectors.test.ts -u`. */
test('the shared vectors are what the code makes, and are judged as they say', async () => {
  const vectors = [...(await vectorsOf('embedded')), ...(await vectorsOf('evm'))]
  for (const { valid, reason, leaf, trust, proof } of vectors) {
    const parsed = RecordProof.parse(`${proof.join('\n')}\n`)
    if (!parsed.ok) throw new Error(parsed.detail)
    const roots = { ...trust, bank: fromHex(trust.bank) }
    const verdict = await verifyRecord({ leaf: fromHex(leaf), proof: parsed.value, trust: roots })
    expect(verdict).toMatchObject(valid ? { ok: true } : { ok: false, reason })
  }
  const file = { description: 'Record proofs, and what is wrong with those that prove nothing.', cases: vectors }
  await expect(`${JSON.stringify(file, null, 2)}\n`).toMatchFileSnapshot('../vectors/recordProofs.json')
})

async function vectorsOf(kind: 'embedded' | 'evm'): Promise<readonly Vector[]> {
  const key = kind === 'embedded' ? 'log entry' : 'transaction'
  const { head, evidence, forged } = kind === 'embedded' ? await onLog() : await onEvm()
  const proof = RecordProof.create({ tree, index, head: TreeHead.sign(bank, head), evidence })
  const trust = { bank: toHex(bank.publicKey), network: head.network, ...(kind === 'evm' && { registry }) }
  const vector = (name: string, reason: ProofFault | undefined, changes: Partial<RecordProof.RecordProof>): Vector => ({
    name: `${kind}: ${name}`,
    valid: reason === undefined,
    ...(reason !== undefined && { reason }),
    leaf: toHex(leaf),
    trust,
    proof: RecordProof.encode({ ...proof, ...changes })
      .trimEnd()
      .split('\n'),
  })
  const otherRegistry: Hex = `0x${'12'.repeat(20)}`
  return [
    vector('a leaf that is recorded', undefined, {}),
    vector('a head that another bank signed', 'HeadSignature', { head: TreeHead.sign(otherBank, head) }),
    vector('another place in the batch', 'Inclusion', { index: 5 }),
    vector('a path that is too long', 'Inclusion', { path: [...proof.path, digest('more')] }),
    vector(`a ${key} with a byte left over`, 'EvidenceForm', { evidence: Uint8Array.from([...evidence, 0]) }),
    vector(`a ${key} of another batch`, 'EvidenceContent', {
      head: TreeHead.sign(bank, { ...head, batch: { ...batch, number: 2 } }),
    }),
    vector(`a ${key} that somebody else signed`, 'EvidenceSigner', { evidence: forged }),
    { ...vector('terms of another network', 'Network', {}), trust: { ...trust, network: 'lockstep:other' } },
    { ...vector('another registry', 'Registry', {}), trust: { ...trust, registry: otherRegistry } },
  ]
}

interface Made {
  readonly head: TreeHead.TreeHead
  readonly evidence: Uint8Array
  /** The same, signed by somebody else. */
  readonly forged: Uint8Array
}

async function onLog(): Promise<Made> {
  const recordBy = async (key: typeof bank): Promise<Uint8Array> => {
    const now = (): ReturnType<typeof unixSeconds> => unixSeconds(1_767_225_600n)
    return (await openLog({ store: memoryLog(), key, now }, { network }).record(batch)).evidence
  }
  const head = { network, batch, chain: { kind: 'embedded', log: 0 } } as const
  return { head, evidence: await recordBy(bank), forged: await recordBy(otherBank) }
}

async function onEvm(): Promise<Made> {
  const [recorder, stranger] = [accountOf('recorder'), accountOf('stranger')]
  const transaction = {
    type: 'eip1559',
    chainId: 31_337,
    nonce: 1,
    gas: 100_000n,
    maxFeePerGas: 2n * 10n ** 9n,
    maxPriorityFeePerGas: 10n ** 9n,
    to: registry,
    data: encodeFunctionData({
      abi: parseAbi(registrySignatures),
      functionName: 'record',
      args: [1n, `0x${toHex(batch.root)}`, BigInt(batch.count)],
    }),
  } as const
  const bytes = (raw: Hex): Uint8Array => fromHex(raw.slice(2))
  return {
    head: {
      network: 'eip155:31337',
      batch,
      chain: { kind: 'evm', chainId: 31_337, registry, recorder: recorder.address.toLowerCase() as Hex },
    },
    evidence: bytes(await recorder.signTransaction(transaction)),
    forged: bytes(await stranger.signTransaction(transaction)),
  }
}

function accountOf(name: string): ReturnType<typeof privateKeyToAccount> {
  return privateKeyToAccount(`0x${toHex(digest(name))}`)
}
