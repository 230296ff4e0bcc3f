import { taggedHash } from '../crypto/hash.ts'
import type { KeyPair } from '../crypto/Schnorr.ts'
import * as Schnorr from '../crypto/Schnorr.ts'
import { sizes } from '../wire/kinds.ts'
import { ascii, bytes, choice, layout } from '../wire/layout.ts'
import { malformed, type Parsed, parsed } from '../wire/parsed.ts'
import type { Batch, ChainIdentity, Hex } from './Chain.ts'
import { address, u53 } from './fields.ts'

/** What a bank signs about a batch: its root, and where it is recorded. Two different heads of one batch are a fraud. */
export interface TreeHead {
  /** Name of the chain, as in the terms: `eip155:31337`. */
  readonly network: string
  readonly batch: Batch
  readonly chain: ChainIdentity
}

export interface SignedTreeHead {
  readonly head: TreeHead
  readonly signature: Uint8Array
}

const head = layout('tree head', {
  network: ascii(32),
  batch: u53,
  root: bytes(sizes.hash),
  count: u53,
  kind: choice<ChainIdentity['kind']>(['embedded', 'evm']),
  /** Of an embedded log, its number. */
  chainId: u53,
  /** Zero for an embedded log, as is the recorder. */
  registry: address,
  recorder: address,
})

const hashHead = taggedHash('lockstep/tree-head')
const noAddress: Hex = `0x${'00'.repeat(20)}`

/** 129 bytes. */
export const size: number = head.size

export function encode({ network, batch, chain }: TreeHead): Uint8Array<ArrayBuffer> {
  return head.encode({
    network,
    batch: batch.number,
    root: batch.root,
    count: batch.count,
    kind: chain.kind,
    chainId: chain.kind === 'evm' ? chain.chainId : chain.log,
    registry: chain.kind === 'evm' ? chain.registry : noAddress,
    recorder: chain.kind === 'evm' ? chain.recorder : noAddress,
  })
}

export function parse(input: Uint8Array): Parsed<TreeHead> {
  const result = head.parse(input)
  if (!result.ok) return result
  const { network, batch: number, root, count, kind, chainId, registry, recorder } = result.value
  if (number === 0 || count === 0) return malformed('tree head: batches and their leaves are counted from 1')
  const hasAddresses = [registry !== noAddress, recorder !== noAddress]
  if (hasAddresses.some((has) => has !== (kind === 'evm'))) {
    return malformed('tree head: registry and recorder are addresses on an EVM chain, and zero elsewhere')
  }
  const chain: ChainIdentity = kind === 'evm' ? { kind, chainId, registry, recorder } : { kind, log: chainId }
  return parsed({ network, batch: { number, root, count }, chain })
}

/** Signs with the bank's key. The same head always has the same signature. */
export function sign(bank: KeyPair, head: TreeHead): SignedTreeHead {
  return { head, signature: Schnorr.sign(bank, hashHead(encode(head))) }
}

/** Whether the bank with this public key signed this head. */
export function verify({ head, signature }: SignedTreeHead, bank: Uint8Array): boolean {
  return Schnorr.verify({ publicKey: bank, digest: hashHead(encode(head)), signature })
}
