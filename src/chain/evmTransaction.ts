import type { TransactionSerializableEIP1559 } from 'viem'
import { toHex } from '../crypto/bytes.ts'
import type { Batch, EvmIdentity, Hex } from './Chain.ts'
import { registrySignatures } from './registry.ts'
import type { Viem } from './viem.ts'

/** Half the order of secp256k1: a chain takes no signature with a higher `s` (EIP-2). */
const sMax = 0x7fffffff_ffffffff_ffffffff_ffffffff_5d576e73_57a4501d_dfe92f46_681b20a0n

export type TransactionVerdict = { readonly ok: true; readonly hash: Hex } | Refused

interface Refused {
  readonly ok: false
  readonly reason: 'EvidenceForm' | 'EvidenceContent' | 'EvidenceSigner'
  readonly detail: string
}

/** Whether these bytes are, in their one encoding, the recorder's transaction that records this batch in this registry. */
export async function verifyTransaction(
  viem: Viem,
  bytes: Uint8Array,
  expected: { readonly batch: Batch; readonly chain: EvmIdentity },
): Promise<TransactionVerdict> {
  const { batch, chain } = expected
  const raw: Hex = `0x${toHex(bytes)}`
  const transaction = parse(viem, raw)
  if (transaction === undefined) return refused('EvidenceForm', 'no signed EIP-1559 transaction in its canonical form')
  if (transaction.chainId !== chain.chainId) {
    return refused('EvidenceContent', `a transaction for chain ${transaction.chainId}, not ${chain.chainId}`)
  }
  if (transaction.to !== chain.registry)
    return refused('EvidenceContent', `a transaction to ${transaction.to}, not to ${chain.registry}`)
  const args = [BigInt(batch.number), `0x${toHex(batch.root)}`, BigInt(batch.count)] as const
  const call = viem.encodeFunctionData({ abi: viem.parseAbi(registrySignatures), functionName: 'record', args })
  // Encoded again and compared whole, where decoding would leave room beside the arguments.
  if (transaction.data !== call || transaction.value !== undefined || transaction.accessList !== undefined) {
    return refused(
      'EvidenceContent',
      `a transaction that does not record batch ${batch.number} with this root, and only that`,
    )
  }
  const signer = await signerOf(viem, raw)
  return signer === chain.recorder
    ? { ok: true, hash: viem.keccak256(raw) }
    : refused('EvidenceSigner', `a transaction signed by ${signer ?? 'nobody'}, not by ${chain.recorder}`)
}

function parse(viem: Viem, raw: Hex): TransactionSerializableEIP1559 | undefined {
  try {
    const { r, s, yParity, v: _, ...transaction } = viem.parseTransaction(raw as `0x02${string}`)
    if (transaction.type !== 'eip1559' || r === undefined || s === undefined || yParity === undefined) return undefined
    // viem reads more forms than it writes: leading zeros, bytes left over. The network knows one.
    if (viem.serializeTransaction(transaction, { r, s, yParity }) !== raw || BigInt(s) > sMax) return undefined
    return transaction
  } catch {
    // viem has a dozen errors for bytes that are no transaction; here they are one.
    return undefined
  }
}

async function signerOf(viem: Viem, raw: Hex): Promise<Hex | undefined> {
  try {
    return (
      await viem.recoverTransactionAddress({ serializedTransaction: raw as `0x02${string}` })
    ).toLowerCase() as Hex
  } catch {
    // An `r` that is no x-coordinate: nobody signed this.
    return undefined
  }
}

function refused(reason: Refused['reason'], detail: string): Refused {
  return { ok: false, reason, detail }
}
