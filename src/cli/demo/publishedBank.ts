import { type Chain, type Recorded, RecordProof, TreeHead } from '../../chain/index.ts'
import { concat, toHex, u64 } from '../../crypto/bytes.ts'
import * as MerkleTree from '../../crypto/MerkleTree.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import { Bank, messages } from '../../published/index.ts'
import { leafOf } from '../archive/published.ts'
import { type OctetAnswer, type OctetServer, refuse, serveOctets } from './octets.ts'

/** Where the bank listens for what. Bodies are fixed-width rows of bytes, integers big-endian. */
export const bankPaths = {
  /** Client key 33 `‖ O_C ‖ O_V ‖ F u64 ‖ ts_0 u64`, answered by the opening message. */
  open: '/open',
  /** `O_C ‖ O_V`, answered by `Tx_0`: a vendor needs it to verify `σ_0`. */
  opening: '/opening',
  /** `Tx_0 ‖ Tx_n ‖ σ_n`, answered by what goes to the vendor and back to the client, u64 each. */
  settle: '/settle',
} as const

export interface PublishedBank extends OctetServer {
  /** Books a deposit. */
  deposit(identity: Uint8Array, amount: bigint): void
  /** Gives an account a score above the threshold: how it is earned, the paper does not say. */
  register(identity: Uint8Array): void
  balance(identity: Uint8Array): bigint
  /** Writes the channel settled last to the chain, as a batch of one leaf. */
  record(): Promise<PublishedRecord>
}

export interface PublishedRecord {
  /** 32 random bytes: without them nobody can guess the leaf. */
  readonly salt: Uint8Array
  /** `Tx_0 ‖ Tx_n`. */
  readonly record: Uint8Array
  readonly leaf: Uint8Array
  readonly recorded: Recorded
  readonly proof: RecordProof.RecordProof
}

export interface PublishedBankDeps {
  /** One key for both signatures: ECDSA on `σ_0`, as printed, and BIP-340 on tree heads, as on any chain of this project. */
  readonly key: Schnorr.KeyPair
  readonly chain: Chain
  readonly network: string
  readonly random: (size: number) => Uint8Array
}

/** The bank of the published scheme as a server, with a ledger and a chain. It keeps everything in memory. */
export async function openPublishedBank(deps: PublishedBankDeps): Promise<PublishedBank> {
  const { key, random } = deps
  const bank: Bank.Bank = {
    ...Bank.createBank(random),
    key: { secretKey: key.secret, publicKey: concat(Uint8Array.of(evenY), key.publicKey) },
  }
  const books: Books = { bank, balances: new Map(), openings: new Map(), settled: undefined }
  const server = await serveOctets([
    { path: bankPaths.open, bodyMax: openSize, answer: (body) => open(books, body, random) },
    { path: bankPaths.opening, bodyMax: 64, answer: (body) => findOpening(books, body) },
    { path: bankPaths.settle, bodyMax: settleSize, answer: (body) => settle(books, body) },
  ])
  return {
    ...server,
    register: (identity) => Bank.register(bank, identity, Bank.scoreThreshold + 1),
    deposit: (identity, amount) => credit(books, identity, amount),
    balance: (identity) => balanceOf(books, identity),
    record: () => record(books, deps),
  }
}

interface Books {
  readonly bank: Bank.Bank
  /** By hex of the identification part. */
  readonly balances: Map<string, bigint>
  /** `Tx_0` by hex of `O_C ‖ O_V`. */
  readonly openings: Map<string, Uint8Array>
  settled: messages.ChainRecord | undefined
}

const evenY = 0x02
const openSize = 33 + 32 + 32 + 8 + 8
const settleSize = 2 * messages.sizes.transaction + 64

function open(books: Books, body: Uint8Array, random: (size: number) => Uint8Array): OctetAnswer {
  if (body.length !== openSize) return refuse(400, `a request to open has ${openSize} bytes`)
  const view = new DataView(body.buffer, body.byteOffset)
  const request: Bank.OpenRequest = {
    clientKey: body.slice(0, 33),
    client: body.slice(33, 65),
    vendor: body.slice(65, 97),
    total: view.getBigUint64(97),
    at: view.getBigUint64(105),
  }
  const { client, vendor, total } = request
  if (balanceOf(books, client) < total) return refuse(409, `the account has less than ${total}`)
  const opened = Bank.open(books.bank, request, random)
  if (!opened.ok) return refuse(409, opened.reason)
  credit(books, client, -total)
  books.openings.set(toHex(concat(client, vendor)), messages.encodeTransaction(opened.opening.transaction))
  return { ok: true, body: messages.encodeOpening(opened.opening) }
}

function findOpening({ openings }: Books, parties: Uint8Array): OctetAnswer {
  const found = openings.get(toHex(parties))
  return found === undefined ? refuse(404, 'no channel between these two') : { ok: true, body: found }
}

/** `amount_n` to the vendor, the rest back to the client. */
function settle(books: Books, body: Uint8Array): OctetAnswer {
  const size = messages.sizes.transaction
  const first = messages.parseTransaction(body.subarray(0, size))
  const last = messages.parseTransaction(body.subarray(size, 2 * size))
  if (body.length !== settleSize || first === undefined || last === undefined) {
    return refuse(400, `a claim has ${settleSize} bytes`)
  }
  const result = Bank.record(books.bank, { first, last, receipt: body.slice(2 * size) })
  if (!result.ok) return refuse(409, result.reason)
  const refund = first.amount - last.amount
  credit(books, first.vendor, last.amount)
  credit(books, first.client, refund)
  books.settled = result.record
  return { ok: true, body: concat(u64(last.amount), u64(refund)) }
}

async function record(books: Books, { key, chain, network, random }: PublishedBankDeps): Promise<PublishedRecord> {
  if (books.settled === undefined) throw new Error('no channel is settled')
  const [salt, encoded] = [random(32), messages.encodeRecord(books.settled)]
  const leaf = leafOf(salt, encoded)
  const tree = MerkleTree.build([leaf])
  const batch = { number: (await chain.last()) + 1, root: tree.root, count: tree.count }
  const recorded = await chain.record(batch)
  const head = TreeHead.sign(key, { network, batch, chain: chain.identity })
  const proof = RecordProof.create({ tree, index: 0, head, evidence: recorded.evidence })
  return { salt, record: encoded, leaf, recorded, proof }
}

function balanceOf({ balances }: Books, identity: Uint8Array): bigint {
  return balances.get(toHex(identity)) ?? 0n
}

function credit(books: Books, identity: Uint8Array, amount: bigint): void {
  books.balances.set(toHex(identity), balanceOf(books, identity) + amount)
}
