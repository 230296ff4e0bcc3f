/**
 * Nobody honest is framed: whatever an honest client signed, in any history of payments, retries, crashes and restores that
 * the generation reveals, no evidence made of it, nor of it mixed with anything else, is one that the bank accepts. The same
 * for an honest vendor, whatever its clients do.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backend } from '../../src/crypto/backend.ts'
import { concat } from '../../src/crypto/bytes.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, Client, Vendor } from '../../src/protocol/index.ts'
import { amount } from '../../src/wire/amount.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Equivocation from '../../src/wire/Equivocation.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { clone, forgeCheckpoint, fork } from './adversary.ts'
import { attacks, attempt } from './attacks.ts'
import { booked, claimOf, clockAt, closingOf, settledChannel } from './bankWorld.ts'
import { grantWish, receive, type Wish, wishes } from './history.ts'
import { account, bankKey, bytesOf, createWorld, now, read, vendorKey, type World } from './world.ts'

const runs = backend.name === 'portable' ? 4 : 40

/** What the client itself may meet, beside what it is asked to do. */
type Fate =
  | { readonly kind: 'wish'; readonly wish: Wish; readonly lost: boolean }
  /** A payment was signed, and the process died before it was stored: nothing left it. */
  | { readonly kind: 'unstored'; readonly price: bigint }
  /** An old backup came back; the generation shows it, and the channel signs nothing more. */
  | { readonly kind: 'restored' }

const fates: fc.Arbitrary<Fate[]> = fc
  .tuple(
    wishes({ priceMax: 60n, maxLength: 9 }),
    fc.array(fc.tuple(fc.boolean(), fc.nat(14)), { minLength: 9, maxLength: 9 }),
  )
  .map(([list, rolls]) =>
    list.flatMap((wish, at): Fate[] => {
      const [lost, roll] = rolls[at]!
      const fate: Fate = { kind: 'wish', wish, lost }
      if (roll === 0) return [fate, { kind: 'unstored', price: 10n }]
      return roll === 1 && at > 4 ? [fate, { kind: 'restored' }] : [fate]
    }),
  )

/** All that ever left one honest client, or can be computed of it. More than any one adversary has. */
interface Seen {
  readonly world: World
  readonly cores: Uint8Array[]
  /** t_0, t_1, … */
  readonly transcripts: Uint8Array[]
  readonly checkpoints: Uint8Array[]
  /** Tx_i with σ_i. */
  readonly signed: Equivocation.SignedTransaction[]
  restored: boolean
}

const bases = (['schnorr', 'ecdsa-xor', 'schnorr', 'ecdsa-xor'] as const).map((lockScheme, n) =>
  createWorld({ lockScheme, funds: 600n, unitPrice: 10n, segmentLength: 6, label: `honest ${n}` }),
)

function live(base: World, list: readonly Fate[]): Seen {
  const world = fork(base)
  const seen: Seen = {
    world,
    cores: [],
    transcripts: [world.client.transcript],
    checkpoints: [],
    signed: [],
    restored: false,
  }
  const backups = [clone(world.client)]
  for (const fate of list) {
    const { client } = world
    if (fate.kind === 'unstored') {
      Client.pay(clone(client), { price: fate.price, digest: bytesOf('never sent'), now })
      continue
    }
    if (fate.kind === 'restored') {
      Object.assign(client, clone(backups[Math.floor(backups.length / 2)]!), { frozen: 'an old backup' })
      seen.restored = true
      continue
    }
    const made = grantWish(world, fate.wish)
    if (!made.ok) continue
    backups.push(clone(client))
    const { core, checkpoint, bytes, wish } = made.sent
    if (checkpoint !== undefined) seen.checkpoints.push(checkpoint)
    if (wish === 'checkpoint') seen.checkpoints.push(bytes)
    if (core !== undefined) {
      seen.cores.push(core)
      seen.transcripts.push(Transcript.next(seen.transcripts.at(-1)!, core))
      seen.signed.push({ transaction: core.slice(0, 84), receipt: client.receipt })
    }
    // Sent again or not at all, it is the same bytes.
    if (!fate.lost) for (let copy = 0; copy < 2; copy++) receive(world, made.sent)
  }
  return seen
}

/** What the client gives in the end: to the vendor's closing where that is right. */
function finish(seen: Seen): void {
  const { client } = seen.world
  const closing = Closing.sign(vendorKey, {
    channelId: client.channelId,
    index: client.index,
    spent: amount(0n),
    transcript: client.transcript,
  })
  const released = Client.release(clone(client), closing)
  if (released.ok) seen.checkpoints.push(read(Closing.parseRelease(released.release)).checkpoint)
}

/** Right evidence but for some faults, each a number that picks something else from what is there. */
const mix = fc.record({
  from: fc.nat(3),
  checkpoint: fc.nat(),
  index: fc.nat(),
  faults: fc.uniqueArray(
    fc.record({
      part: fc.constantFrom('target', 'index', 'previous', 'checkpoint', 'receipt', 'bit', 'core', 'order', 'length'),
      pick: fc.nat(),
      other: fc.nat(),
    }),
    { minLength: 1, maxLength: 3, selector: ({ part }) => part },
  ),
})
type Mix = typeof mix extends fc.Arbitrary<infer T> ? T : never

describe('an honest client', () => {
  it('is shown to have made no bad opening: every lock it signed holds, under every checkpoint', () => {
    let judged = 0
    fc.assert(
      fc.property(fc.constantFrom(...bases), fates, (base, list) => {
        const seen = live(base, list)
        finish(seen)
        const { world, cores, checkpoints, signed } = seen
        for (const checkpoint of checkpoints) {
          const { index: last } = read(Checkpoint.parse(checkpoint))
          for (let index = 1; index <= last; index++) {
            const { receipt } = signed[index - 1]!
            const evidence = create(world, { index, cores: cores.slice(0, last), checkpoint, receipt })
            const verdict = judge(world, evidence)
            expect(verdict).toMatchObject({ reason: 'EvidenceInvalid' })
            expect(verdict.ok ? '' : verdict.detail).toMatch(/^lock \d+ (?:holds|opens)$/)
            judged += 1
          }
        }
      }),
      { numRuns: runs },
    )
    expect(judged).toBeGreaterThan(0)
  })

  it('is not framed by any mixture of cores, transcripts, checkpoints and receipts of its channels', () => {
    const verdicts = new Map<string, number>()
    const mixes = fc.array(mix, { minLength: 60, maxLength: 60 })
    fc.assert(
      fc.property(fc.tuple(fates, fates, fates, fates), mixes, (lists, list) => {
        const all = bases.map((base, at) => live(base, lists[at]!))
        for (const seen of all) finish(seen)
        for (const one of list) {
          const mixed = assemble(all, one)
          if (mixed === undefined) continue
          const parsed = BadOpening.parse(BadOpening.encode(mixed.evidence))
          const verdict = parsed.ok ? Bank.assessBadOpening(parsed.value, mixed.world.bank) : parsed
          expect(verdict.ok).toBe(false)
          const said = verdict.ok ? '' : verdict.detail.replaceAll(/\d+/g, 'n')
          verdicts.set(said, (verdicts.get(said) ?? 0) + 1)
        }
      }),
      { numRuns: runs },
    )
    // They come as far as they can: past the checkpoint and the transcript, down to the lock itself.
    const lastChecks = ['lock n holds', 'lock n opens', 'the receipt is not the σ_n that the client committed to']
    if (backend.name === 'native') for (const said of lastChecks) expect(verdicts.get(said)).toBeGreaterThan(5)
  })

  it('is not framed by what others sign in its place: vendor, bank, account, or the client itself elsewhere', () => {
    fc.assert(
      fc.property(fates, fc.nat(187), fc.nat(8), (list, at, which) => {
        const seen = live(bases[0]!, list)
        const { world, cores } = seen
        if (cores.length === 0) return
        const changed = cores.map((core, n) => (n === which % cores.length ? flip(core, at) : core))
        const transcript = changed.reduce(Transcript.next, seen.transcripts[0]!)
        for (const key of [vendorKey, bankKey, account, bases[1]!.client.key, bases[2]!.client.key]) {
          const index = cores.length
          const forged = forgeCheckpoint(world, { segment: 9, index, amount: 0n, nextLength: 0, transcript }, key)
          const evidence = create(world, {
            index: (which % index) + 1,
            cores: changed,
            checkpoint: Checkpoint.encode(forged),
            receipt: seen.signed[which % index]!.receipt,
          })
          expect(judge(world, evidence)).toMatchObject({ ok: false })
        }
      }),
      { numRuns: runs },
    )
  })

  it('never signed two transactions for one payment, as far as anybody can show', () => {
    fc.assert(
      fc.property(fc.tuple(fates, fates), (lists) => {
        // Twice the same scheme, and once each.
        const all = [live(bases[0]!, lists[0]), live(bases[2]!, lists[1]), live(bases[1]!, lists[1])]
        const pool = all.flatMap(({ signed, world }) => [
          ...signed,
          // The bank's σ_0, as if it were the client's.
          { transaction: concat(world.client.channelId, new Uint8Array(52)), receipt: world.opened.receipt },
        ])
        for (const one of pool) {
          for (const other of pool) {
            if (equalBytes(one.transaction, other.transaction)) continue
            for (const evidence of [
              Equivocation.create(one, other),
              Equivocation.create(one, { ...other, receipt: one.receipt }),
              Equivocation.create(one, { ...one, transaction: moved(other.transaction, one.transaction) }),
            ]) {
              const parsed = Equivocation.parse(Equivocation.encode(evidence))
              if (!parsed.ok) continue
              for (const { world } of all) expect(Bank.assessEquivocation(parsed.value, world.bank).ok).toBe(false)
            }
          }
        }
      }),
      { numRuns: Math.ceil(runs / 4) },
    )
  })

  it('that answers what it fetched never withheld a release, whatever closing the vendor left', () => {
    let [released, disputed] = [0, 0]
    const lie = fc.record({ index: fc.integer({ min: -1, max: 1 }), spent: fc.bigInt(0n, 200n), wrong: fc.nat(3) })
    fc.assert(
      fc.property(fates, lie, fc.bigInt(0n, 5_000n), fc.bigInt(0n, 5_000n), (list, said, fetched, waited) => {
        const seen = live(bases[1]!, list)
        const { world } = seen
        const { client } = world
        // The vendor says what it likes.
        const closing = Closing.sign(vendorKey, {
          channelId: client.channelId,
          index: Math.max(0, client.index + (said.wrong === 1 ? said.index : 0)),
          spent: amount(said.wrong === 2 ? said.spent : 0n),
          transcript: said.wrong === 3 ? bytesOf('another transcript') : client.transcript,
        })
        let channel = booked(world)
        expect(Bank.assessClosing(closing, channel, {})).toMatchObject({ ok: true })
        let ending: Bank.Ending = { closing, fetchedAt: fetched }
        // An honest client answers: with a release where it can, else with a dispute.
        const answer = Client.release(clone(client), closing)
        if (answer.ok) {
          const release = read(Closing.parseRelease(answer.release))
          const args = { release, channel, closing, account: account.publicKey }
          expect(Bank.assessRelease(args)).toMatchObject({ ok: true })
          ending = { ...ending, release }
          released += 1
        } else {
          expect(Bank.assessDispute(account.publicKey, channel, ending)).toEqual({ ok: true })
          ending = { ...ending, disputed: true }
          disputed += 1
        }
        const { expiresAt } = client.terms
        const clock = clockAt(expiresAt + waited)
        const graceFrom = expiresAt - now
        for (const standing of [channel.standing, { status: 'expired' } as const]) {
          channel = booked(world, { graceFrom, standing })
          expect(Bank.isWithheld(channel, ending, clock)).toBe(false)
        }
        // The vendor claims what it can, also with a last payment that it made up.
        for (const close of [claimOf(world), inventedClaim(world)]) {
          if (close === undefined) continue
          const settled = { ...settledChannel(world, close), graceFrom }
          expect(Bank.isWithheld(settled, ending, clock)).toBe(false)
        }
      }),
      { numRuns: runs },
    )
    if (backend.name === 'native') expect(Math.min(released, disputed)).toBeGreaterThan(2)
  })
})

/** What an honest vendor meets, beside what its clients send. */
type Turn =
  | { readonly kind: 'attack' }
  | { readonly kind: 'reserve'; readonly eighths: number }
  | { readonly kind: 'charge'; readonly which: number; readonly eighths: number }
  | { readonly kind: 'settle'; readonly which: number }
  | { readonly kind: 'closing' }
  | { readonly kind: 'claim' }
  /** The process dies and starts from its store, which has all that ever left it. What ran is in doubt, and is released. */
  | { readonly kind: 'crash' }
  /** An old copy of the store came back, which the generation reveals. */
  | { readonly kind: 'restore'; readonly which: number }

const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constant({ kind: 'attack' as const }) },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('reserve' as const), eighths: fc.integer({ min: 1, max: 8 }) }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('charge' as const),
        which: fc.nat(9),
        eighths: fc.integer({ min: 0, max: 8 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('settle' as const), which: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'closing' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'claim' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'crash' as const }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restore' as const), which: fc.nat() }) },
  ),
  { maxLength: 50, size: 'max' },
)

describe('an honest vendor', () => {
  it('has signed no closing that shows an overcharge, whatever its clients did, crashes and restores included', () => {
    let [closings, claims, restores, positive] = [0, 0, 0, 0]
    fc.assert(
      fc.property(attacks, turns, (sent, list) => {
        const world = fork(bases[0]!)
        const signedClosings: Closing.Closing[] = []
        const signedClaims: ReturnType<typeof claimOf>[] = []
        const copies = [clone(world.vendor)]
        let running: Vendor.Reservation[] = []
        const queue = [...sent]
        for (const turn of list) {
          const { vendor } = world
          switch (turn.kind) {
            case 'attack': {
              const one = queue.shift()
              if (one !== undefined) attempt(world, one)
              break
            }
            case 'reserve': {
              const price = (Vendor.credit(vendor) * BigInt(turn.eighths)) / 8n
              const reserved = Vendor.reserve(vendor, 1, price)
              if (reserved.ok) running.push(reserved.reservation)
              break
            }
            case 'charge': {
              const one = running[turn.which % running.length]
              if (one !== undefined) Vendor.charge(vendor, one, (one.left * BigInt(turn.eighths)) / 8n)
              break
            }
            case 'settle': {
              const [one] = running.splice(turn.which % running.length, 1)
              if (one !== undefined) Vendor.settle(vendor, one)
              break
            }
            case 'closing': {
              const stated = Vendor.createClosing(vendor, vendorKey)
              if (stated.ok) signedClosings.push(stated.closing)
              break
            }
            case 'claim':
              vendor.phase = vendor.phase === 'open' ? 'closing' : vendor.phase
              signedClaims.push(claimOf(world))
              break
            case 'crash':
              for (const one of running.splice(0)) Vendor.settle(vendor, one)
              break
            case 'restore': {
              const copy = clone(copies[turn.which % copies.length]!)
              // What ran when the copy was made holds nothing. Whoever loads it knows that it is old.
              Object.assign(vendor, copy, { reserved: 0n, stale: true })
              running = []
              restores += 1
              break
            }
          }
          copies.push(clone(world.vendor))
        }
        closings += signedClosings.length
        claims += signedClaims.length
        for (const close of [...signedClaims, claimOf(world)]) {
          const channel = settledChannel(world, close)
          if (close.amount > 0n) positive += 1
          for (const closing of signedClosings) {
            const args = { closing, channel, returned: 0n, vendor: { balance: 0n, locked: 0n }, now }
            expect(Bank.assessOvercharge(args).ok).toBe(false)
          }
        }
      }),
      { numRuns: runs * 10 },
    )
    for (const count of [closings, claims, restores, positive]) expect(count).toBeGreaterThan(0)
  })

  it('is not shown to have overcharged by closings of its other channels, or of other vendors', () => {
    const [one, other] = [bases[0]!, bases[2]!]
    const channel = settledChannel(one, claimOf(one))
    const stranger = Schnorr.keyPair(bytesOf('another vendor'))
    const { channelId } = one.client
    for (const closing of [
      closingOf(other),
      { ...closingOf(other), channelId },
      Closing.sign(stranger, { ...closingOf(one), spent: amount(0n) }),
      Closing.sign(one.client.key, { ...closingOf(one), spent: amount(0n) }),
    ]) {
      const args = { closing, channel, returned: 0n, vendor: { balance: 0n, locked: 0n }, now }
      expect(Bank.assessOvercharge(args).ok).toBe(false)
    }
  })
})

function create(
  world: World,
  proof: {
    readonly index: number
    readonly cores: readonly Uint8Array[]
    readonly checkpoint: Uint8Array
    readonly receipt: Uint8Array
  },
): BadOpening.BadOpening {
  const { channelId, terms } = world.client
  const receipt = terms.lockScheme === 'schnorr' ? undefined : proof.receipt
  const first = Transcript.first(channelId, world.opened.commitment)
  return BadOpening.create({ ...proof, channelId, lockScheme: terms.lockScheme, first, receipt })
}

function judge(world: World, evidence: BadOpening.BadOpening): ReturnType<typeof Bank.assessBadOpening> {
  const parsed = BadOpening.parse(BadOpening.encode(evidence))
  return parsed.ok ? Bank.assessBadOpening(parsed.value, world.bank) : parsed
}

/** Evidence against one of the channels, of pieces from all of them. */
function assemble(
  all: readonly Seen[],
  how: Mix,
): { readonly world: World; readonly evidence: BadOpening.BadOpening } | undefined {
  const from = all[how.from]!
  const covering = from.checkpoints.filter((checkpoint) => read(Checkpoint.parse(checkpoint)).index > 0)
  if (covering.length === 0) return undefined
  const checkpoint = covering[how.checkpoint % covering.length]!
  const { index: last } = read(Checkpoint.parse(checkpoint))
  const index = 1 + (how.index % last)
  const { receipt } = from.signed[index - 1]!
  let target = from
  let evidence = create(from.world, { index, cores: from.cores.slice(0, last), checkpoint, receipt })
  for (const { part, pick, other } of how.faults) {
    const { cores } = evidence
    const at = pick % cores.length
    const instead = (core: Uint8Array): readonly Uint8Array[] => cores.toSpliced(at, 1, core)
    const change = (): Partial<BadOpening.BadOpening> | undefined => {
      switch (part) {
        case 'target':
          target = all[pick % all.length]!
          return undefined
        case 'index':
          return { index: 1 + (pick % 10) }
        case 'previous':
          return {
            previousTranscript: chosen([...all.flatMap(({ transcripts }) => transcripts), bytesOf('any')], pick),
          }
        case 'checkpoint':
          return {
            checkpoint: chosen(
              all.flatMap(({ checkpoints }) => checkpoints),
              pick,
            ),
          }
        case 'receipt': {
          const receipts = all.flatMap(({ signed, world }) => [
            world.opened.receipt,
            ...signed.map((one) => one.receipt),
          ])
          return evidence.receipt.length === 0 ? undefined : { receipt: chosen(receipts, pick) }
        }
        case 'bit':
          return { cores: instead(flip(cores[at]!, other % cores[at]!.length, 1 << (pick & 7))) }
        case 'core': {
          const same = all.flatMap((seen) => seen.cores).filter(({ length }) => length === cores[at]!.length)
          return { cores: instead(chosen(same, other)) }
        }
        case 'order':
          return { cores: instead(cores[other % cores.length]!).toSpliced(other % cores.length, 1, cores[at]!) }
        case 'length':
          return { cores: pick % 2 === 0 ? cores.slice(0, 1 + at) : [...cores, cores[at]!] }
      }
    }
    evidence = { ...evidence, ...change() }
  }
  return { world: target.world, evidence: { ...evidence, channelId: target.world.client.channelId } }
}

function chosen<T>(list: readonly T[], pick: number): T {
  return list[pick % list.length]!
}

/** A claim on coins with a last payment that the vendor made up. */
function inventedClaim(world: World): ReturnType<typeof claimOf> | undefined {
  const honest = claimOf(world)
  if (honest.index === 0) return undefined
  const core = flip(honest.core, honest.core.length - 1)
  return claimOf(world, { core, transcript: Transcript.next(honest.previousTranscript, core) })
}

/** A transaction with channel and index of another. */
function moved(transaction: Uint8Array, to: Uint8Array): Uint8Array {
  const copy = new Uint8Array(transaction)
  copy.set(to.subarray(0, 36))
  // Never the same as the other, which would be no equivocation.
  copy[83]! ^= 1
  return copy
}

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0
}

function flip(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const flipped = new Uint8Array(bytes)
  flipped[at]! ^= mask
  return flipped
}
