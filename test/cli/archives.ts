/** Archives to verify: one that the machines made and a chain recorded, and what attackers make of it. */

import type { Chain } from '../../src/chain/Chain.ts'
import { openLog } from '../../src/chain/embedded.ts'
import * as RecordProof from '../../src/chain/RecordProof.ts'
import * as TreeHead from '../../src/chain/TreeHead.ts'
import type { LockstepArchive } from '../../src/cli/archive/lockstep.ts'
import { type LockSchemeName, lockSchemes } from '../../src/crypto/locks.ts'
import * as MerkleTree from '../../src/crypto/MerkleTree.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, Client, Vendor } from '../../src/protocol/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Record from '../../src/wire/Record.ts'
import * as Terms from '../../src/wire/Terms.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { leavesOf, memoryLog } from '../chain/support.ts'
import {
  bankKey,
  bytesOf,
  coresOf,
  createWorld,
  deliver,
  deliverCheckpoint,
  deliverTick,
  frameKey,
  must,
  now,
  payClient,
  read,
  serve,
  vendorKey,
  type World,
} from '../protocol/world.ts'

export const network = 'lockstep:test'
export const channelKey: Schnorr.KeyPair = Schnorr.keyPair(bytesOf('channel key'))
export const attacker: Schnorr.KeyPair = Schnorr.keyPair(bytesOf('attacker'))
export const otherBank: Schnorr.KeyPair = Schnorr.keyPair(bytesOf('another bank'))

/** The log of a bank, fresh. */
export function logOf(bank: Schnorr.KeyPair): Chain {
  return openLog({ store: memoryLog(), key: bank, now: () => now }, { network })
}

export interface ArchiveOptions {
  readonly lockScheme?: LockSchemeName
  readonly payments?: number
  readonly chain?: Chain
  /** As in the terms. */
  readonly network?: string
}

/**
 * A channel from its first payment to its record, through the machines of all three: three ticks a payment, segments of 8 and
 * then 1,024 coins, one payment that only a checkpoint can pay, more charged at once than one segment holds.
 */
export async function recordedChannel(options: ArchiveOptions = {}): Promise<LockstepArchive> {
  const { lockScheme = 'schnorr', payments = 9, chain = logOf(bankKey) } = options
  const world = onNetwork(createWorld({ lockScheme, funds: 100_000n, segmentLength: 8 }), options.network ?? network)
  const checkpoints = new Map<number, Uint8Array>()
  const keep = (checkpoint: Uint8Array | undefined): void => {
    if (checkpoint !== undefined) checkpoints.set(read(Checkpoint.parse(checkpoint)).segment, checkpoint)
  }
  const receipts = [world.opened.receipt]
  for (let count = 1; count <= payments; count++) {
    const price = count === 7 ? 17_777n : 15n
    const payment = payClient(world, price, `goods ${count}`)
    keep(payment.checkpoint)
    receipts.push(payment.receipt)
    must(deliver(world, payment))
    for (let ticks = 0; ticks < 3; ticks++) {
      const tick = must(Client.tick(world.client, { index: payment.index, units: 1, now }))
      keep(tick.checkpoint)
      if (tick.checkpoint !== undefined) must(deliverCheckpoint(world, tick.checkpoint))
      must(deliverTick(world, tick.frame))
    }
    serve(world, payment.index, price + 30n)
    must(Client.acknowledge(world.client, Vendor.statement(world.vendor, payment.index, price + 30n)))
  }
  must(Client.checkpoint(world.client))
  keep(world.client.checkpoint)
  must(deliverCheckpoint(world, world.client.checkpoint!))

  const { closing } = must(Vendor.createClosing(world.vendor, vendorKey))
  const release = read(Closing.parseRelease(must(Client.release(world.client, closing)).release))
  const coins = Vendor.chainOf(world.vendor, coresOf(world))
  const released = must(Vendor.acceptRelease(world.vendor, release, coins))
  const last = Vendor.lastOf(coins)
  const close = Vendor.createClose({ channel: world.vendor, vendor: vendorKey, last, release: released.checkpoint })
  const { record } = must(Bank.assessClose(close, world.bank, now))
  return {
    terms: world.terms,
    commitment: world.opened.commitment,
    grant: world.opened.grant,
    cores: world.cores,
    checkpoints: [...checkpoints.values(), release.checkpoint],
    receipts: released.receipts,
    closing: Closing.encode(closing),
    ...(await recordOn(chain, bankKey, { ...record, salt: bytesOf('record salt') })),
  }
}

/** Records a channel among others, and proves it. */
export async function recordOn(
  chain: Chain,
  bank: Schnorr.KeyPair,
  value: Record.Record,
  on: string = chain.identity.kind === 'evm' ? `eip155:${chain.identity.chainId}` : network,
): Promise<{ readonly record: Uint8Array; readonly proof: RecordProof.RecordProof }> {
  const record = Record.encode(value)
  const number = (await chain.last()) + 1
  const tree = MerkleTree.build([...leavesOf(number, 2), Record.leaf(record), ...leavesOf(number + 100, 3)])
  const batch = { number, root: tree.root, count: tree.count }
  const { evidence } = await chain.record(batch)
  const head = TreeHead.sign(bank, { network: on, batch, chain: chain.identity })
  return { record, proof: RecordProof.create({ tree, index: 2, head, evidence }) }
}

/** Who remakes an archive, and how. */
export interface Forgery {
  readonly terms?: Partial<Terms.Terms>
  /** Remakes `σ_0`, `c_0` and `γ`; left out, they stay as the bank made them. */
  readonly bank?: Schnorr.KeyPair
  /** Remakes checkpoints and all receipts. */
  readonly channelKey?: Schnorr.KeyPair
  /** Remakes one receipt. */
  readonly receipt?: { readonly index: number; readonly key: Schnorr.KeyPair }
  readonly vendor?: Schnorr.KeyPair
  /** What the payments become: `undefined` leaves one out. */
  readonly payment?: (transaction: Transaction.Transaction) => Transaction.Transaction | undefined
  readonly spent?: bigint
  /** What the locks become, by the index of their payment. */
  readonly lock?: (lock: Uint8Array, index: number) => Uint8Array
}

/**
 * Remakes an archive with every hash, number, commitment, lock and transcript in it rebuilt, as one with these keys can. The
 * record is made to fit; its proof stays.
 */
export function forge(archive: LockstepArchive, forgery: Forgery): LockstepArchive {
  const agreed = read(Terms.parse(archive.terms))
  const terms = { ...agreed, ...forgery.terms }
  const encoded = Terms.encode(terms)
  const channelId = Terms.channelId(encoded)
  const scheme = lockSchemes[terms.lockScheme]
  const opened =
    forgery.bank === undefined
      ? { receipt: archive.receipts[0]!, commitment: archive.commitment, grant: archive.grant }
      : Bank.grant(forgery.bank, encoded, terms)
  const receipts = [opened.receipt]
  const transcripts = [Transcript.first(channelId, opened.commitment)]
  /** The new index of each payment, by the old one. */
  const indices = [0]
  const cores: Uint8Array[] = []
  for (const bytes of archive.cores) {
    const core = read(Transcript.coreLayout(scheme.lockSize).parse(bytes))
    const old = read(Transaction.transactionLayout.parse(core.transaction))
    const transaction = (forgery.payment ?? ((same) => same))({ ...old, channelId, index: cores.length + 1 })
    if (transaction !== undefined) {
      const { index } = transaction
      const signed = Transaction.encode(transaction)
      const key = forgery.receipt?.index === index ? forgery.receipt.key : (forgery.channelKey ?? channelKey)
      const receipt = scheme.sign(key, Transaction.transactionDigest(signed))
      const made = scheme.lock({ channelId, index, previous: receipts.at(-1)!, receipt })
      const lock = forgery.lock?.(made, index) ?? made
      const remade = Transcript.encode({ ...core, transaction: signed, commitment: scheme.commit(receipt), lock })
      cores.push(remade)
      receipts.push(receipt)
      transcripts.push(Transcript.next(transcripts.at(-1)!, remade))
    }
    indices.push(cores.length)
  }
  const closing = read(Closing.parse(archive.closing))
  const record = read(Record.parse(archive.record))
  const statement = {
    channelId,
    index: cores.length,
    spent: (forgery.spent as typeof closing.spent | undefined) ?? closing.spent,
    transcript: transcripts.at(-1)!,
  }
  return {
    ...archive,
    terms: encoded,
    commitment: opened.commitment,
    grant: opened.grant,
    cores,
    receipts,
    checkpoints: archive.checkpoints.map((bytes) => {
      const old = read(Checkpoint.parse(bytes))
      const index = indices[old.index]!
      const next = { ...old, index, transcript: transcripts[index]! }
      return Checkpoint.encode(Checkpoint.sign(forgery.channelKey ?? channelKey, channelId, next))
    }),
    closing:
      forgery.vendor === undefined
        ? Closing.encode({ ...closing, ...statement })
        : Closing.encode(Closing.sign(forgery.vendor, statement)),
    record: Record.encode({
      ...record,
      channelId,
      opening: Transaction.opening(terms, channelId),
      last: cores.at(-1)?.subarray(0, Transaction.transactionLayout.size) ?? new Uint8Array(84),
      settled: statement.spent,
    }),
  }
}

/** The same channel, to be recorded elsewhere. */
function onNetwork(world: World, name: string): World {
  if (name === network) return world
  const agreed = { ...read(Terms.parse(world.terms)), network: name }
  const terms = Terms.encode(agreed)
  const opened = Bank.grant(bankKey, terms, agreed)
  const client = must(Client.create(world.secrets, terms, opened)).channel
  const vendor = Vendor.create(read(Attachment.parse(Attachment.encode(client.attachment))), frameKey.secret)
  const bank = { channelId: client.channelId, terms: client.terms, ...opened }
  return { ...world, client, vendor, opened, terms, bank, cores: [] }
}
