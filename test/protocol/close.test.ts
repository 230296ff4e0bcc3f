import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LockSchemeName } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, Client, type Refusal, Vendor } from '../../src/protocol/index.ts'
import { amount, type UnixSeconds } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { coinOf, forgeCheckpoint, fork, later, snapshot } from './adversary.ts'
import { attacks, attempt } from './attacks.ts'
import { receive, sendAll, wishes } from './history.ts'
import {
  bankKey,
  bytesOf,
  coresOf,
  createWorld,
  deliver,
  deliverCheckpoint,
  must,
  now,
  payClient,
  read,
  serve,
  vendorKey,
  type World,
} from './world.ts'

const lockSchemeNames: readonly LockSchemeName[] = ['schnorr', 'ecdsa-xor']
const deadline = later(3600n + 600n)
const stranger = Schnorr.keyPair(bytesOf('a stranger'))

/** What the vendor would claim now. */
function claim(world: World, release?: Checkpoint.SignedCheckpoint): Close.SignedClose {
  const { vendor } = fork(world)
  const chain = Vendor.chainOf(vendor, coresOf(world).slice(0, vendor.window.contiguous))
  return Vendor.createClose({ channel: vendor, vendor: vendorKey, last: Vendor.lastOf(chain), release })
}

/** The bank's verdict on a claim as it travels. */
function assess(world: World, close: Close.SignedClose, time: UnixSeconds = now): Refusal | Bank.Settlement {
  return assessBytes(world, Close.encode(close), time)
}

function assessBytes(world: World, bytes: Uint8Array, time: UnixSeconds = now): Refusal | Bank.Settlement {
  const parsed = Close.parse(bytes)
  return parsed.ok ? Bank.assessClose(parsed.value, world.bank, time) : parsed
}

/** The same claim but for some fields, signed by the vendor again. */
function signedAgain(close: Close.SignedClose, change: Partial<Close.Close>): Close.SignedClose {
  return Close.sign(vendorKey, { ...close, ...change })
}

/** Five payments of 15, all charged, over a checkpoint; the world at its end. */
function spend(options: Parameters<typeof createWorld>[0] = {}): World {
  const world = createWorld({ funds: 1_000n, unitPrice: 10n, segmentLength: 8, label: 'spent', ...options })
  for (let count = 1; count <= 5; count++) {
    const payment = payClient(world, 15n)
    must(deliver(world, payment))
    serve(world, payment.index, 15n)
    must(Client.acknowledge(world.client, Vendor.statement(world.vendor, payment.index, 15n)))
    if (count === 4) must(deliverCheckpoint(world, must(Client.checkpoint(world.client)).checkpoint))
  }
  return world
}

function receiptsOf(world: World): Close.Evidence {
  return { kind: 'receipts', first: world.opened.receipt, last: world.client.receipt }
}

function releasedCheckpoint(world: World): Checkpoint.SignedCheckpoint {
  const { client, vendor } = fork(world)
  const { release } = must(Client.release(client, must(Vendor.createClosing(vendor, vendorKey)).closing))
  return read(Checkpoint.parse(read(Closing.parseRelease(release)).checkpoint))
}

describe.each(lockSchemeNames)('a claim on a channel with %s locks', (lockScheme) => {
  const world = spend({ lockScheme })
  const other = spend({ lockScheme, label: 'another channel' })
  const fromCoins = claim(world)
  const fromRelease = claim(world, releasedCheckpoint(world))
  const fromReceipts = signedAgain(fromCoins, { evidence: receiptsOf(world) })
  const claims = [
    { by: 'a checkpoint and a coin', close: fromCoins, proven: 80n, basis: 'claimed' },
    { by: 'the checkpoint of a release', close: fromRelease, proven: 80n, basis: 'proven' },
    { by: 'the first and last receipts', close: fromReceipts, proven: 80n, basis: 'proven' },
  ] as const

  it.each(claims)('is paid by $by, up to what it proves, and the rest is refunded', ({ close, proven, basis }) => {
    expect(assess(world, close)).toEqual({
      ok: true,
      settled: 75n,
      refund: 925n,
      record: {
        channelId: world.client.channelId,
        opening: Transaction.opening(world.client.terms, world.client.channelId),
        last: read(Transcript.coreLayout(world.vendor.scheme.lockSize).parse(world.cores[4]!)).transaction,
        settled: 75n,
        basis,
      },
    })
    expect(assess(world, signedAgain(close, { amount: amount(proven) }))).toMatchObject({ settled: proven })
    expect(assess(world, signedAgain(close, { amount: amount(0n) }))).toMatchObject({ settled: 0n, refund: 1_000n })
    const more = signedAgain(close, { amount: amount(proven + 1n) })
    expect(assess(world, more)).toMatchObject({ ok: false, reason: 'AmountUnproven' })
  })

  it.each(claims)('by $by is taken until the last second of the deadline', ({ close }) => {
    expect(assess(world, close, deadline)).toMatchObject({ ok: true })
    expect(assess(world, close, (deadline + 1n) as UnixSeconds)).toMatchObject({ ok: false, reason: 'DeadlinePassed' })
  })

  it.each(claims)('by $by is refused with any one of its bytes changed', ({ close }) => {
    const bytes = Close.encode(close)
    for (let at = 0; at < bytes.length; at++) {
      const wrong = new Uint8Array(bytes)
      wrong[at]! ^= 1 << (at & 7)
      const verdict = assessBytes(world, wrong)
      expect(verdict.ok).toBe(false)
      if (!verdict.ok) expect(['Malformed', 'ChannelUnknown', 'SignatureInvalid']).toContain(verdict.reason)
    }
  })

  it.each(claims)('by $by is refused when anybody but the vendor signs it', ({ close }) => {
    for (const key of [stranger, bankKey, world.client.key]) {
      expect(assess(world, Close.sign(key, close))).toMatchObject({ ok: false, reason: 'SignatureInvalid' })
    }
  })

  it.each(claims)('by $by is refused where its payment is not what leads to its transcript', ({ close }) => {
    for (const change of [
      { previousTranscript: bytesOf('another transcript') },
      { transcript: bytesOf('another transcript') },
      { index: 4 },
      { index: 6 },
      { core: world.cores[3]! },
      { core: other.cores[4]! },
      { transcript: Transcript.next(close.previousTranscript, other.cores[4]!), core: other.cores[4]! },
    ]) {
      expect(assess(world, signedAgain(close, change))).toMatchObject({ ok: false, reason: 'EvidenceInvalid' })
    }
    const none = { index: 0, core: new Uint8Array(0), previousTranscript: new Uint8Array(32) }
    expect(assess(world, signedAgain(close, none))).toMatchObject({ ok: false, reason: 'EvidenceInvalid' })
  })

  it('is refused whole, and in each of its proofs, on another channel', () => {
    expect(assess(other, fromCoins)).toMatchObject({ ok: false, reason: 'ChannelUnknown' })
    const own = claim(other)
    for (const { close } of claims) {
      expect(assess(other, signedAgain(own, { evidence: close.evidence }))).toMatchObject({ reason: 'EvidenceInvalid' })
    }
    const checkpoint = forgeCheckpoint(world, { segment: 1, amount: 1_000n, nextLength: 0 })
    const renamed = Checkpoint.encode({ ...checkpoint, reference: other.client.channelId.slice(0, 16) })
    const evidence = { kind: 'coins', checkpoint: renamed, step: 0, coin: new Uint8Array(32) } as const
    expect(assess(other, signedAgain(own, { evidence }))).toMatchObject({ reason: 'EvidenceInvalid' })
  })

  it('is refused where a proof is not what it says it is', () => {
    const { evidence } = fromCoins
    if (evidence.kind !== 'coins' || evidence.checkpoint === undefined) throw new Error('made from a checkpoint')
    const checkpoint = read(Checkpoint.parse(evidence.checkpoint))
    const wrong: readonly Close.Evidence[] = [
      { ...evidence, coin: bytesOf('no coin') },
      { ...evidence, step: evidence.step + 1 },
      { ...evidence, step: checkpoint.nextLength + 1 },
      { ...evidence, checkpoint: Checkpoint.encode({ ...checkpoint, amount: amount(900n) }) },
      { ...evidence, checkpoint: Checkpoint.encode({ ...checkpoint, nextUnitPrice: amount(11n) }) },
      { ...evidence, checkpoint: Checkpoint.encode(forgeCheckpoint(world, { segment: 1, amount: 900n }, stranger)) },
      { kind: 'coins', step: 9, coin: evidence.coin },
      { kind: 'coins', step: 8, coin: bytesOf('no coin') },
      // Coins of a checkpoint's segment are not those of the terms.
      { kind: 'coins', step: evidence.step, coin: evidence.coin },
      { kind: 'receipts', first: world.opened.receipt, last: other.client.receipt },
      { kind: 'receipts', first: other.opened.receipt, last: world.client.receipt },
      { kind: 'receipts', first: zeroReceipt, last: world.client.receipt },
      { kind: 'receipts', first: world.opened.receipt, last: zeroReceipt },
      { kind: 'receipts', first: world.opened.receipt, last: new Uint8Array(64).fill(0xff) },
    ]
    for (const proof of wrong) {
      expect(assess(world, signedAgain(fromCoins, { evidence: proof }))).toMatchObject({ reason: 'EvidenceInvalid' })
    }
    const nothing = signedAgain(fromCoins, { evidence: { kind: 'none' } })
    expect(assess(world, nothing)).toMatchObject({ ok: false, reason: 'AmountUnproven' })
  })

  it('proves no more by a checkpoint of a segment that the funds cannot fill', () => {
    const over = forgeCheckpoint(world, { segment: 9, amount: 100n, nextUnitPrice: amount(901n), nextLength: 1 })
    const full = forgeCheckpoint(world, { segment: 9, amount: 100n, nextUnitPrice: amount(900n), nextLength: 1 })
    const coin = (checkpoint: Checkpoint.SignedCheckpoint): Close.Evidence => {
      const { segment: number, amount: base, nextUnitPrice: unitPrice, nextLength: length } = checkpoint
      const last = coinOf(world, { number, base, unitPrice, length }, 1)
      return { kind: 'coins', checkpoint: Checkpoint.encode(checkpoint), step: 1, coin: last }
    }
    const all = amount(1_000n)
    expect(assess(world, signedAgain(fromCoins, { amount: all, evidence: coin(full) }))).toMatchObject({ settled: all })
    const refused = assess(world, signedAgain(fromCoins, { amount: all, evidence: coin(over) }))
    expect(refused).toMatchObject({ ok: false, reason: 'EvidenceInvalid' })
  })

  it('proves nothing by a coin past the length of its segment, though it hashes to the anchor', () => {
    const plan = { number: 9, base: 100n, unitPrice: 10n, length: 9 }
    const [nextAnchor, coin] = [coinOf(world, plan, 0), coinOf(world, plan, 9)]
    const short = forgeCheckpoint(world, { segment: 9, amount: 100n, nextLength: 8, nextAnchor })
    const evidence = { kind: 'coins', checkpoint: Checkpoint.encode(short), step: 9, coin } as const
    expect(assess(world, signedAgain(fromCoins, { evidence }))).toMatchObject({ reason: 'EvidenceInvalid' })
  })

  it('is never paid more than the funds, whatever the client signed', () => {
    const transaction = Transaction.encode({
      channelId: world.client.channelId,
      index: 6,
      amount: amount(5_000n),
      paidAt: now,
      digest: bytesOf('goods'),
    })
    const receipt = world.client.scheme.sign(world.client.key, Transaction.transactionDigest(transaction))
    const lock = world.client.scheme.lock({
      channelId: world.client.channelId,
      index: 6,
      previous: world.client.receipt,
      receipt,
    })
    const commitment = world.client.scheme.commit(receipt)
    const core = Transcript.encode({ transaction, segment: 1, step: 0, coin: new Uint8Array(32), commitment, lock })
    const close = {
      index: 6,
      core,
      previousTranscript: fromCoins.transcript,
      transcript: Transcript.next(fromCoins.transcript, core),
      evidence: { kind: 'receipts', first: world.opened.receipt, last: receipt },
    } as const
    const all = signedAgain(fromCoins, { ...close, amount: amount(1_000n) })
    expect(assess(world, all)).toMatchObject({ ok: true, settled: 1_000n, refund: 0n })
    const more = signedAgain(fromCoins, { ...close, amount: amount(1_001n) })
    expect(assess(world, more)).toMatchObject({ ok: false, reason: 'AmountUnproven' })
  })

  it('is recorded as the vendor’s word where only money was proven', () => {
    expect(assess(world, fromCoins)).toMatchObject({ record: { basis: 'claimed' } })
    // The same money, and a last payment that the vendor made up.
    const core = new Uint8Array(world.cores[4]!)
    core[core.length - 1]! ^= 1
    const invented = { core, transcript: Transcript.next(fromCoins.previousTranscript, core) }
    expect(assess(world, signedAgain(fromCoins, invented))).toMatchObject({ ok: true, record: { basis: 'claimed' } })
    // A checkpoint over another transcript proves the money and not the payment.
    expect(assess(world, signedAgain(fromRelease, invented))).toMatchObject({ ok: true, record: { basis: 'claimed' } })
    const digest = new Uint8Array(world.cores[4]!)
    digest[83]! ^= 1
    const unsigned = { core: digest, transcript: Transcript.next(fromCoins.previousTranscript, digest) }
    expect(assess(world, signedAgain(fromReceipts, unsigned))).toMatchObject({ reason: 'EvidenceInvalid' })
  })
})

const zeroReceipt = new Uint8Array(64)

describe('a claim on a channel without payments', () => {
  const world = createWorld({ funds: 1_000n, unitPrice: 10n, segmentLength: 8, label: 'unused' })

  it('is for nothing, proves nothing, and refunds all', () => {
    const close = claim(world)
    expect(close).toMatchObject({ amount: 0n, index: 0, evidence: { kind: 'none' } })
    expect(assess(world, close)).toMatchObject({ ok: true, settled: 0n, refund: 1_000n, record: { basis: 'claimed' } })
    expect(assess(world, close)).toMatchObject({ record: { last: new Uint8Array(84) } })
    for (const change of [
      { amount: amount(1n) },
      { transcript: bytesOf('another') },
      { evidence: receiptsOf(world) },
    ]) {
      expect(assess(world, signedAgain(close, change)).ok).toBe(false)
    }
  })

  it('takes what a checkpoint alone paid', () => {
    const paid = fork(world)
    must(deliverCheckpoint(paid, must(Client.checkpoint(paid.client)).checkpoint))
    must(Vendor.acceptCheckpoint(paid.vendor, forgeCheckpoint(paid, { segment: 2, amount: 300n }), now))
    serve(paid, 1, 300n)
    expect(assess(paid, claim(paid))).toMatchObject({ ok: true, settled: 300n, record: { basis: 'proven' } })
  })
})

describe('a claim without a closing, because payments are missing', () => {
  const world = createWorld({ funds: 1_000n, unitPrice: 10n, segmentLength: 8, label: 'a gap' })
  const [, , third] = [payClient(world, 10n), payClient(world, 10n), payClient(world, 10n)]
  must(deliver(world, third!))
  serve(world, 3, 30n)

  it('is paid for all that was charged, and ends the channel', () => {
    expect(Vendor.createClosing(world.vendor, vendorKey)).toMatchObject({ ok: false, reason: 'PaymentsMissing' })
    const close = Vendor.createClose({ channel: world.vendor, vendor: vendorKey, last: undefined, release: undefined })
    expect(assess(world, close)).toMatchObject({ ok: true, settled: 30n, record: { basis: 'claimed' } })
    expect(world.vendor.phase).toBe('closing')
    expect(Vendor.reserve(world.vendor, 3, 0n)).toMatchObject({ ok: false, reason: 'ChannelClosed' })
    expect(deliver(world, payClient(world, 10n))).toMatchObject({ ok: false, reason: 'ChannelClosed' })
  })
})

describe('a closing', () => {
  it('waits for the payments that a checkpoint says were made', () => {
    const world = createWorld({ funds: 1_000n, unitPrice: 10n, segmentLength: 8, label: 'promised' })
    const [first, second] = [payClient(world, 10n), payClient(world, 10n)]
    must(deliver(world, first))
    must(deliverCheckpoint(world, must(Client.checkpoint(world.client)).checkpoint))
    const before = snapshot(world.vendor)
    expect(Vendor.createClosing(world.vendor, vendorKey)).toMatchObject({ ok: false, reason: 'PaymentsMissing' })
    expect(snapshot(world.vendor)).toEqual(before)
    must(deliver(world, second))
    expect(must(Vendor.createClosing(world.vendor, vendorKey)).closing.index).toBe(2)
  })

  it('ends it: no payment, tick or checkpoint is accepted after it', () => {
    const world = spend()
    must(Vendor.createClosing(world.vendor, vendorKey))
    const before = snapshot(world.vendor)
    const later = sendAll(world, [
      { kind: 'pay', price: 10n },
      { kind: 'tick', index: 6, units: 1 },
      { kind: 'checkpoint' },
    ])
    expect(later).toHaveLength(3)
    for (const sent of later) expect(receive(world, sent)).toMatchObject({ ok: false, reason: 'ChannelClosed' })
    expect(snapshot(world.vendor)).toEqual(before)
  })
})

describe('whatever a client does', () => {
  const funds = 600n
  const fresh = createWorld({ funds, unitPrice: 10n, segmentLength: 12, label: 'attacked' })

  it('a refusal leaves nothing behind but strikes, and paid is what the vendor can prove, never above the funds', () => {
    fc.assert(
      fc.property(attacks, (list) => {
        const world = fork(fresh)
        const { vendor } = world
        for (const one of list) {
          const before = snapshot(vendor)
          const { strikes, suspended } = vendor
          const verdict = attempt(world, one)
          if (!verdict.ok) {
            const struck = verdict.reason === 'CoinMismatch' ? 1 : 0
            expect(vendor.strikes).toBe(strikes + struck)
            expect(vendor.suspended === suspended).toBe(vendor.strikes < Vendor.strikesMax || struck === 0)
            expect(snapshot(vendor)).toEqual({ ...before, strikes: vendor.strikes, suspended: vendor.suspended })
          }
          expectSound(vendor, funds)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('the bank accepts what the vendor claims for all it charged, and no unit more than was paid', () => {
    fc.assert(
      fc.property(attacks, (list) => {
        const world = fork(fresh)
        for (const one of list) attempt(world, one)
        const { vendor } = world
        serve(world, 1, Vendor.credit(vendor))
        expect(vendor.spent).toBe(vendor.paid)
        const close = claim(world)
        expect(assess(world, close)).toMatchObject({ ok: true, settled: vendor.paid, refund: funds - vendor.paid })
        const more = signedAgain(close, { amount: amount(vendor.paid + 1n) })
        expect(assess(world, more)).toMatchObject({ ok: false, reason: 'AmountUnproven' })
      }),
      { numRuns: 200 },
    )
  })

  it('an honest one is settled for exactly what was charged, whether it releases or not', () => {
    fc.assert(
      fc.property(wishes({ priceMax: 60n, maxLength: 20 }), (list) => {
        const world = fork(fresh)
        for (const sent of sendAll(world, list)) receive(world, sent)
        const { vendor, client } = world
        const charged = vendor.paid / 2n < client.agreed ? vendor.paid / 2n : client.agreed
        serve(world, 1, charged)
        expect(assess(world, claim(world))).toMatchObject({ ok: true, settled: charged })
        if (client.index === 0) return
        const released = must(assess(world, claim(world, releasedCheckpoint(world))))
        expect(released).toMatchObject({ settled: charged, record: { basis: 'proven' } })
      }),
      { numRuns: 60 },
    )
  })
})

/** What is always true of a vendor's record. */
function expectSound(vendor: Vendor.VendorChannel, funds: bigint): void {
  const { paid, spent, reserved, segments, window } = vendor
  expect(0n <= spent && 0n <= reserved && spent + reserved <= paid && paid <= funds).toBe(true)
  let proven = 0n
  for (const [at, segment] of segments.entries()) {
    const previous = segments[at - 1]
    if (previous !== undefined) {
      expect(segment.number).toBeGreaterThan(previous.number)
      expect(segment.base >= proven).toBe(true)
    }
    proven = Vendor.proven(segment, segment.step)
    expect(Vendor.proven(segment, segment.length) <= funds).toBe(true)
  }
  expect(paid).toBe(proven)
  for (const index of window.ahead.keys()) {
    expect(index).toBeGreaterThan(window.contiguous + 1)
    expect(index).toBeLessThanOrEqual(window.contiguous + 1024)
  }
}
