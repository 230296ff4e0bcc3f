import { describe, expect, it } from 'vitest'
import { backend } from '../../src/crypto/backend.ts'
import type { LockSchemeName } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, Client, type Refusal } from '../../src/protocol/index.ts'
import { amount } from '../../src/wire/amount.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { forgeCheckpoint, fork } from './adversary.ts'
import {
  accuse,
  cheat,
  findOut,
  flip,
  highS,
  lockOfAnother,
  noCommitment,
  oddNonce,
  raised,
  rogueNonce,
  type Trick,
  wrongCommitment,
  wrongLock,
} from './cheats.ts'
import { bytesOf, createWorld, deliver, deliverCheckpoint, must, payClient, read, type World } from './world.ts'

const payments = 6

/** The bank's judgement of evidence as it travels. */
function judge(world: World, evidence: BadOpening.BadOpening, bank = world.bank): Refusal | Bank.Proven {
  return judgeBytes(BadOpening.encode(evidence), bank)
}

function judgeBytes(bytes: Uint8Array, bank: Bank.BankChannel): Refusal | Bank.Proven {
  const parsed = BadOpening.parse(bytes)
  return parsed.ok ? Bank.assessBadOpening(parsed.value, bank) : parsed
}

interface Case {
  readonly lockScheme: LockSchemeName
  readonly how: string
  readonly trick: Trick
  /** Payments in which the trick works. */
  readonly places: readonly number[]
}

const everywhere = [1, 2, 3, payments]
const cases: readonly Case[] = [
  { lockScheme: 'schnorr', how: 'a wrong lock', trick: wrongLock, places: everywhere },
  { lockScheme: 'schnorr', how: 'the lock of another receipt', trick: lockOfAnother, places: everywhere },
  { lockScheme: 'schnorr', how: 'another commitment', trick: wrongCommitment, places: everywhere },
  { lockScheme: 'schnorr', how: 'a commitment that is no point', trick: noCommitment, places: everywhere },
  { lockScheme: 'schnorr', how: 'a nonce of odd y', trick: oddNonce, places: everywhere },
  { lockScheme: 'schnorr', how: 'a rogue nonce', trick: rogueNonce, places: [1] },
  { lockScheme: 'ecdsa-xor', how: 'a wrong lock', trick: wrongLock, places: everywhere },
  { lockScheme: 'ecdsa-xor', how: 'the lock of another receipt', trick: lockOfAnother, places: everywhere },
  // A σ_n that nobody committed to is no release at all.
  { lockScheme: 'ecdsa-xor', how: 'another commitment', trick: wrongCommitment, places: [1, 2, 3, payments - 1] },
  { lockScheme: 'ecdsa-xor', how: 'a receipt of high s', trick: highS, places: [1, 2, 3, payments - 1] },
]

describe.each(cases)('a client with $how, $lockScheme,', ({ lockScheme, trick, places }) => {
  it.each(places)('in payment %i passes every verdict, and is proven a cheat by the opening that fails', (at) => {
    const world = createWorld({ lockScheme, label: 'cheat', segmentLength: 16 })
    cheat(world, { payments, at, trick })
    expect(world.vendor).toMatchObject({ suspended: undefined, strikes: 0, window: { contiguous: payments } })
    const { opened, checkpoint } = findOut(world)
    if (opened.ok) throw new Error('every receipt opens')
    const index = opened.index + 1
    // With schnorr a σ_n of no commitment is shown up by its own lock.
    const evidence = accuse(world, { index: Math.min(index, payments), checkpoint, receipt: opened.receipts[index] })
    expect(judge(world, evidence)).toEqual({ ok: true, cause: 'badOpening' })
  })
})

describe.each(['schnorr', 'ecdsa-xor'] as const)('evidence of a bad opening, %s,', (lockScheme) => {
  const world = createWorld({ lockScheme, label: 'accused', segmentLength: 16 })
  const other = createWorld({ lockScheme, label: 'another', segmentLength: 16 })
  const honest = createWorld({ lockScheme, label: 'honest', segmentLength: 16 })
  const receipts = cheat(world, { payments, at: 3, trick: wrongLock })
  cheat(other, { payments, at: 3, trick: wrongLock })
  cheat(honest, { payments })
  const { checkpoint } = findOut(world)
  const good = accuse(world, { index: 3, checkpoint, receipt: receipts[3] })

  it('is accepted from the lock to any later checkpoint, and the sooner the shorter', () => {
    for (const at of [3, 4, 5]) {
      const early = createWorld({ lockScheme, label: 'accused', segmentLength: 16 })
      cheat(early, { payments: at, at: 3, trick: wrongLock })
      const sooner = must(Client.checkpoint(early.client)).checkpoint
      const evidence = accuse(early, { index: 3, checkpoint: sooner, receipt: receipts[3] })
      expect(evidence.cores).toHaveLength(at - 1)
      expect(judge(world, evidence)).toEqual({ ok: true, cause: 'badOpening' })
    }
  })

  it('is refused of every lock but the wrong one', () => {
    for (const index of [1, 2, 4, 5, 6]) {
      const evidence = accuse(world, { index, checkpoint, receipt: receipts[index] })
      const detail = `lock ${index} ${lockScheme === 'schnorr' ? 'holds' : 'opens'}`
      expect(judge(world, evidence)).toMatchObject({ reason: 'EvidenceInvalid', detail })
    }
  })

  it('is refused with any one of its bytes changed', () => {
    const bytes = BadOpening.encode(good)
    const step = backend.name === 'portable' ? 7 : 1
    for (let at = 0; at < bytes.length; at += step) {
      const verdict = judgeBytes(flip(bytes, at, 1 << (at & 7)), world.bank)
      expect(verdict.ok, `byte ${at}`).toBe(false)
      if (!verdict.ok) expect(['Malformed', 'ChannelUnknown', 'EvidenceInvalid']).toContain(verdict.reason)
    }
  })

  it('is refused on another channel, also where that one was cheated in the same way', () => {
    expect(judge(world, good, other.bank)).toMatchObject({ reason: 'ChannelUnknown' })
    const { channelId } = other.client
    expect(judge(world, { ...good, channelId }, other.bank)).toMatchObject({ reason: 'EvidenceInvalid' })
    // The other's checkpoint over its own cores, renamed.
    const theirs = findOut(fork(other))
    const evidence = accuse(other, { index: 3, checkpoint: theirs.checkpoint, receipt: theirs.opened.receipts[3] })
    expect(judge(other, evidence)).toEqual({ ok: true, cause: 'badOpening' })
    const moved = { ...evidence, channelId: world.client.channelId }
    expect(judge(world, moved)).toMatchObject({ reason: 'EvidenceInvalid' })
  })

  it('is refused with cores or a transcript that the client did not sign', () => {
    const swapped = [good.cores[1]!, good.cores[0]!, ...good.cores.slice(2)]
    const wrong: readonly Partial<BadOpening.BadOpening>[] = [
      { cores: swapped },
      { cores: good.cores.slice(0, -1) },
      { cores: [...good.cores, good.cores.at(-1)!] },
      { cores: [good.cores[0]!, other.cores[2]!, ...good.cores.slice(2)] },
      { previousTranscript: bytesOf('another transcript') },
      { index: 2 },
      { index: 4 },
      { checkpoint: Checkpoint.encode(signedBy(world, Schnorr.keyPair(bytesOf('a stranger')), checkpoint)) },
      { checkpoint: Checkpoint.encode({ ...read(Checkpoint.parse(checkpoint)), amount: amount(1n) }) },
    ]
    for (const change of wrong) {
      expect(judge(world, { ...good, ...change })).toMatchObject({ reason: 'EvidenceInvalid' })
    }
  })

  it('is refused where the vendor made up the fraud and has no checkpoint over it', () => {
    const cores = honest.cores.map((core, at) => (at === 2 ? flip(core, 187) : core))
    const framed = { ...honest, cores }
    const receipt = honest.client.receipt
    const truth = must(Client.checkpoint(fork(honest).client)).checkpoint
    expect(judge(honest, accuse(framed, { index: 3, checkpoint: truth, receipt }))).toMatchObject({ ok: false })
    const transcript = cores.reduce(
      Transcript.next,
      Transcript.first(honest.client.channelId, honest.opened.commitment),
    )
    for (const key of [Schnorr.keyPair(bytesOf('vendor')), Schnorr.keyPair(bytesOf('bank'))]) {
      const made = forgeCheckpoint(honest, { segment: 1, index: payments, amount: 60n, transcript }, key)
      const evidence = accuse(framed, { index: 3, checkpoint: Checkpoint.encode(made), receipt })
      expect(judge(honest, evidence)).toMatchObject({ reason: 'EvidenceInvalid' })
    }
  })

  it('is of the channel’s own lock scheme', () => {
    const { lockScheme: ours } = good
    const theirs = ours === 'schnorr' ? 'ecdsa-xor' : 'schnorr'
    const size = theirs === 'schnorr' ? 188 : 220
    const cores = good.cores.map((core) => new Uint8Array(size).map((_, at) => core[at] ?? 0))
    const receipt = new Uint8Array(theirs === 'schnorr' ? 0 : 64)
    expect(judge(world, { ...good, lockScheme: theirs, cores, receipt })).toMatchObject({
      reason: 'EvidenceInvalid',
      detail: `the channel has ${ours} locks, not ${theirs}`,
    })
  })

  it('is over payments where they stand, also where the client signed it otherwise', () => {
    const { client } = honest
    const signed = (cores: readonly Uint8Array[], index: number): Uint8Array => {
      const transcript = cores.reduce(Transcript.next, Transcript.first(client.channelId, honest.opened.commitment))
      return Checkpoint.encode(forgeCheckpoint(honest, { segment: 9, index, amount: 60n, transcript }))
    }
    const late = signed(honest.cores, payments + 1)
    const misplaced = accuse(honest, { index: 3, checkpoint: late, receipt: client.receipt })
    expect(judge(honest, misplaced)).toMatchObject({
      detail: expect.stringMatching(/stands at payment 7, the cores end at 6/),
    })
    // Payments 3 and 4 in each other's place, and one of another channel: no vendor takes them, whoever signs them.
    const swapped = [0, 1, 3, 2, 4, 5].map((at) => honest.cores[at]!)
    const foreign = honest.cores.map((core, at) => (at === 2 ? other.cores[2]! : core))
    for (const cores of [swapped, foreign]) {
      for (const index of [3, 4]) {
        const checkpoint = signed(cores, payments)
        const evidence = accuse({ ...honest, cores }, { index, checkpoint, receipt: client.receipt })
        expect(judge(honest, evidence)).toMatchObject({
          detail: expect.stringMatching(/^the core is not payment [34] of this channel$/),
        })
      }
    }
  })
})

describe('evidence of a bad opening, ecdsa-xor,', () => {
  const world = createWorld({ lockScheme: 'ecdsa-xor', label: 'receipts matter' })
  cheat(world, { payments, at: 3, trick: wrongLock })
  const { opened, checkpoint } = findOut(world)

  it('needs σ_i itself: no other receipt, signature or bytes', () => {
    const { client } = world
    const third = opened.receipts[3]!
    const wrong = [
      opened.receipts[4]!,
      opened.receipts[6]!,
      flip(third, 0),
      flip(third, 63),
      new Uint8Array(64),
      new Uint8Array(64).fill(0xff),
      // Valid on Tx_3, and not the one committed to: high s.
      raised(third),
      client.scheme.sign(client.key, bytesOf('something else')),
    ]
    for (const receipt of wrong) {
      expect(judge(world, accuse(world, { index: 3, checkpoint, receipt }))).toMatchObject({
        reason: 'EvidenceInvalid',
      })
    }
    expect(judge(world, accuse(world, { index: 3, checkpoint, receipt: third }))).toMatchObject({ ok: true })
  })
})

describe('evidence about lock 1', () => {
  it.each(['schnorr', 'ecdsa-xor'] as const)(
    'is judged by the σ_0 that this bank gave, whatever the vendor says, %s',
    (lockScheme) => {
      const world = createWorld({ lockScheme, label: 'lock one' })
      cheat(world, { payments: 3, at: 1, trick: wrongLock })
      const { opened, checkpoint } = findOut(world)
      const evidence = accuse(world, { index: 1, checkpoint, receipt: opened.receipts[1] })
      expect(judge(world, evidence)).toEqual({ ok: true, cause: 'badOpening' })
      // Books of another opening: the transcript starts elsewhere.
      const commitment = createWorld({ lockScheme, label: 'another' }).opened.commitment
      expect(judge(world, evidence, { ...world.bank, commitment })).toMatchObject({ reason: 'EvidenceInvalid' })
    },
  )

  it('cannot be turned on an honest client by a vendor that shows another c_0', () => {
    const world = createWorld({ label: 'another c_0' })
    cheat(world, { payments: 3 })
    const { checkpoint } = findOut(world)
    for (const index of [1, 2, 3]) {
      expect(judge(world, accuse(world, { index, checkpoint }))).toMatchObject({ reason: 'EvidenceInvalid' })
    }
    // Another t_0 as t_{i-2} of lock 2, or core_1 as if it were core_0.
    const evidence = accuse(world, { index: 2, checkpoint })
    const first = Transcript.first(world.client.channelId, bytesOf('another c_0'))
    expect(judge(world, { ...evidence, previousTranscript: first })).toMatchObject({ reason: 'EvidenceInvalid' })
    expect(judge(world, { ...evidence, index: 1, previousTranscript: new Uint8Array(32) })).toMatchObject({
      reason: 'EvidenceInvalid',
      detail: 'lock 1 holds',
    })
  })
})

describe('between two checkpoints', () => {
  it('every lock can be proven wrong within 1,025 cores, also the first after a checkpoint', () => {
    const world = createWorld({ label: 'long' })
    for (let count = 1; count <= 1024; count++) must(deliver(world, payClient(world, 0n)))
    // Payment 1,025 takes a checkpoint along that signs the first 1,024.
    cheat(world, { payments: 1, at: 1, trick: wrongLock })
    for (let count = 2; count <= 1024; count++) must(deliver(world, payClient(world, 0n)))
    expect(world.client.index).toBe(2048)
    const { checkpoint } = must(Client.checkpoint(world.client))
    must(deliverCheckpoint(world, checkpoint))
    const evidence = accuse(world, { index: 1025, checkpoint })
    expect(evidence.cores).toHaveLength(BadOpening.coresMax)
    expect(judge(world, evidence)).toEqual({ ok: true, cause: 'badOpening' })
  })
})

function signedBy(world: World, key: Schnorr.KeyPair, checkpoint: Uint8Array): Checkpoint.SignedCheckpoint {
  return Checkpoint.sign(key, world.client.channelId, read(Checkpoint.parse(checkpoint)))
}
