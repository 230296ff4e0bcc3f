import { type Recorded, type RecordProof, verifyRecord } from '../../chain/index.ts'
import type { PayingChannel } from '../../client/index.ts'
import { backend } from '../../crypto/backend.ts'
import { toHex } from '../../crypto/bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { lockSchemes } from '../../crypto/locks.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import { openFromLast, signed, Vendor } from '../../protocol/index.ts'
import { collect, type Held } from '../../vendor/index.ts'
import * as Closing from '../../wire/Closing.ts'
import * as Record from '../../wire/Record.ts'
import * as Transcript from '../../wire/Transcript.ts'
import type { Files } from '../archive/archive.ts'
import { encodeArchive } from '../archive/lockstep.ts'
import { LossyLine } from './lossyLine.ts'
import { isPaymentOf, openShop, type Plan, planPayments } from './shop.ts'
import type { Stage } from './stage.ts'
import { tokenize } from './tokens.ts'
import { openTown, type Town, unitPrice } from './town.ts'
import type { DemoOptions, DemoRun } from './types.ts'
import { measure, openWireMeter } from './wireMeter.ts'

/** Base units: 0.001 USD a request. */
const requestPrice = 1000n
/** Seconds: no demo takes a day, however many payments it is asked for. */
const life = 86_400n

/**
 * A client buys a file: some payments buy one request each, the others a stream that is paid token by token, with ticks
 * between its payments. One response is lost on the way and asked for again.
 */
export async function runLockstep(options: DemoOptions, stage: Stage, bankKey: Schnorr.KeyPair): Promise<DemoRun> {
  const tokens = tokenize(options.content)
  const plan = planPayments(options.payments, tokens.length)
  const line = new LossyLine()
  const shop = openShop(tokens, { perRequest: requestPrice, perToken: unitPrice })
  const price = BigInt(plan.requests) * requestPrice + BigInt(tokens.length) * unitPrice
  const funds = price + price / 4n + 1024n * unitPrice
  using meter = openWireMeter()
  const town = await openTown(stage, {
    bankKey,
    deposit: 2n * funds,
    routes: [shop.route],
    streams: [shop.stream],
    fetch: line.fetch,
  })
  try {
    const { lockScheme } = options
    const measured = measure(() => meter.bytes([town.bankUrl, town.vendor.url]))
    const setup = await measured(() => town.wallet.open(town.vendor.url, { funds, lockScheme, life }))
    const channel = setup.value
    const transaction = await measured(() => buy(channel, plan, stage.progress))
    const release = await measured(() => channel.close())
    const held = await heldOf(town, channel)
    const settlement = await collect(town.vendor, held, town.bankUrl)
    const record = await measured(() => town.bank.record())

    const receipts = await openReceipts(town, held)
    const proven = await prove(stage, bankKey, town, channel)
    const { index, paid, channelId } = channel.state
    const { chain, leaf, proofVerified } = proven
    return {
      result: {
        profile: 'lockstep',
        lockScheme,
        backend: backend.name,
        channelId: toHex(channelId),
        payments: index,
        ticks: plan.ticks,
        paid: paid.toString(),
        charged: release.value.closing.spent.toString(),
        refunded: settlement.refund.toString(),
        retry: { sent: line.sent, handlerRuns: shop.runs(1), charges: await chargesOf(town, channelId, 1) },
        receiptsOpened: receipts.opened.length,
        receiptsVerified: receipts.verified,
        contentSha256: toHex(sha256(transaction.value.content)),
        chain: {
          kind: chain.kind,
          chainId: chain.kind === 'evm' ? chain.chainId : null,
          registry: chain.kind === 'evm' ? chain.registry : null,
          recordTx: chain.recordTx,
          leaf: toHex(leaf),
          proofVerified,
        },
        ms: { setup: setup.ms, transaction: transaction.ms, release: release.ms, record: record.ms },
        bytes: {
          setup: setup.bytes,
          transaction: transaction.bytes - transaction.value.goods,
          release: release.bytes,
          perPayment: Math.round((transaction.bytes - transaction.value.goods) / index),
        },
      },
      files: await filesOf(town, held, receipts.opened, proven),
      recorded: { first: proven.record.opening, last: proven.record.last },
    }
  } finally {
    await town.close()
  }
}

interface Bought {
  /** What came through the stream. */
  readonly content: Uint8Array
  /** Bytes of all that was bought. */
  readonly goods: number
}

/** Makes every payment of the plan. */
async function buy(channel: PayingChannel, plan: Plan, progress: Stage['progress']): Promise<Bought> {
  const total = plan.requests + plan.inStream + plan.ticks
  let [done, answered] = [0, 0]
  for (let number = 0; number < plan.requests; number++) {
    const response = await channel.fetch(`${channel.vendorUrl}/tokens/${number}`, requestPrice)
    if (!response.ok)
      throw new Error(`payment ${channel.state.index} bought a ${response.status}: ${await response.text()}`)
    answered += (await response.arrayBuffer()).byteLength
    progress('requests', ++done, total)
  }
  const received: Uint8Array[] = []
  const units = plan.inStream + plan.ticks
  const options = { price: unitPrice, isPayment: isPaymentOf(plan), unitsMax: units }
  if (plan.inStream === 0) return { content: new Uint8Array(0), goods: answered }
  for await (const token of channel.stream(`${channel.vendorUrl}/file`, options)) {
    received.push(token)
    progress('tokens', ++done, total)
  }
  const content = new Uint8Array(Buffer.concat(received))
  return { content, goods: answered + content.length }
}

async function heldOf(town: Town, channel: PayingChannel): Promise<Held> {
  const found = await town.vendor.till.find(channel.state.channelId.subarray(0, 16), undefined)
  if (!found.ok) throw new Error(found.detail)
  return found.held
}

/** Opens every receipt from the release that the vendor stored, then verifies each on its own. */
async function openReceipts(
  town: Town,
  held: Held,
): Promise<{ readonly opened: readonly Uint8Array[]; readonly verified: number }> {
  const release = held.release && Closing.parseRelease(held.release)
  if (!release?.ok) throw new Error('the vendor holds no release')
  const chain = Vendor.chainOf(held.channel, await coresOf(town, held))
  const opened = openFromLast(chain, release.value.receipt)
  if (!opened.ok) throw new Error(`receipt ${opened.index} does not open`)
  const scheme = lockSchemes[chain.terms.lockScheme]
  const verified = opened.receipts.filter((receipt, index) =>
    scheme.verify({ ...signed(chain, index), receipt }),
  ).length
  return { opened: opened.receipts, verified }
}

async function coresOf(town: Town, held: Held): Promise<Transcript.Core[]> {
  const { channelId, scheme, window } = held.channel
  const layout = Transcript.coreLayout(scheme.lockSize)
  const cores = await town.vendor.store.cores(channelId, window.contiguous)
  return cores.map((bytes) => {
    const core = layout.parse(bytes)
    if (!core.ok) throw new Error(core.detail)
    return core.value
  })
}

async function chargesOf(town: Town, channelId: Uint8Array, index: number): Promise<number> {
  const payment = await town.vendor.store.payment(channelId, index)
  return Number((payment?.charged ?? 0n) / requestPrice)
}

interface Proven {
  readonly chain: Recorded
  readonly leaf: Uint8Array
  readonly proofVerified: boolean
  readonly record: Record.Record
  readonly encoded: Uint8Array
  readonly proof: RecordProof.RecordProof
}

/** Asks the bank for the proof of the record, and the chain for what stands on it, and verifies both. */
async function prove(stage: Stage, bankKey: Schnorr.KeyPair, town: Town, channel: PayingChannel): Promise<Proven> {
  const answer = await town.bank.proof(channel.state.channelId)
  if (answer === undefined) throw new Error('the bank has no proof of what it recorded')
  const record = Record.parse(answer.record)
  const chain = await stage.chain.prove(await stage.chain.last())
  if (!record.ok || chain === undefined) throw new Error('the record is not on the chain')
  const leaf = Record.leaf(answer.record)
  const verdict = await verifyRecord({
    leaf,
    proof: answer.proof,
    trust: {
      bank: bankKey.publicKey,
      network: stage.network,
      registry: chain.kind === 'evm' ? chain.registry : undefined,
    },
  })
  const proofVerified = verdict.ok && verdict.recordTx === chain.recordTx
  return { chain, leaf, proofVerified, record: record.value, encoded: answer.record, proof: answer.proof }
}

/** Everything that a verifier needs. */
async function filesOf(
  town: Town,
  held: Held,
  receipts: readonly Uint8Array[],
  { encoded: record, proof }: Proven,
): Promise<Files> {
  const { channelId, attachment, window } = held.channel
  const release = held.release && Closing.parseRelease(held.release)
  if (!release?.ok || held.closing === undefined) throw new Error('the channel was not released')
  return encodeArchive({
    ...attachment,
    cores: await town.vendor.store.cores(channelId, window.contiguous),
    checkpoints: [...(await town.vendor.store.checkpoints(channelId)), release.value.checkpoint],
    receipts,
    closing: held.closing,
    record,
    proof,
  })
}
