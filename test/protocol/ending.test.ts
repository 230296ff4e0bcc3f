import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { backend } from '../../src/crypto/backend.ts'
import { concat } from '../../src/crypto/bytes.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, Client, type Refusal } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import type * as Close from '../../src/wire/Close.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { forgeCheckpoint, fork } from './adversary.ts'
import { booked, claimOf, clockAt, closingOf, closingOver, releaseOf, settledChannel } from './bankWorld.ts'
import { flip } from './cheats.ts'
import {
  account,
  bytesOf,
  createWorld,
  deliver,
  must,
  now,
  payClient,
  read,
  serve,
  vendorKey,
  type World,
} from './world.ts'

const lockSchemeNames = ['schnorr', 'ecdsa-xor'] as const
const mine = account.publicKey
const stranger = Schnorr.keyPair(bytesOf('a stranger'))

function served(lockScheme: (typeof lockSchemeNames)[number], label: string, payments = 4): World {
  const world = createWorld({ lockScheme, label, funds: 1_000n, segmentLength: 8 })
  for (let count = 1; count <= payments; count++) {
    must(deliver(world, payClient(world, 15n)))
    serve(world, count, 15n)
  }
  return world
}

describe.each(lockSchemeNames)('a closing left at the bank, %s,', (lockScheme) => {
  const world = served(lockScheme, 'left')
  const channel = booked(world)
  const closing = closingOf(world)

  it('is taken from anybody who has it, again too, and another one is not', () => {
    expect(Bank.assessClosing(closing, channel, {})).toEqual({ ok: true, repeated: false })
    expect(Bank.assessClosing(closing, channel, { closing })).toEqual({ ok: true, repeated: true })
    const other = Bank.assessClosing(closingOver(world, 30n), channel, { closing })
    expect(other).toMatchObject({ reason: 'ClosingConflict' })
  })

  it('is the vendor’s, of this channel, byte for byte', () => {
    expect(Bank.assessClosing(Closing.sign(stranger, closing), channel, {})).toMatchObject({
      reason: 'SignatureInvalid',
    })
    const elsewhere = booked(served(lockScheme, 'elsewhere'))
    expect(Bank.assessClosing(closing, elsewhere, {})).toMatchObject({ reason: 'ChannelUnknown' })
    const bytes = Closing.encode(closing)
    for (let at = 0; at < bytes.length; at++) {
      const parsed = Closing.parse(flip(bytes, at))
      if (parsed.ok) expect(Bank.assessClosing(parsed.value, channel, {}).ok, `byte ${at}`).toBe(false)
    }
  })

  it('is given to the client’s account alone, if it is there', () => {
    expect(Bank.assessFetchClosing(mine, channel, { closing })).toEqual({ ok: true, closing })
    expect(Bank.assessFetchClosing(mine, channel, {})).toMatchObject({ reason: 'ClosingMissing' })
    for (const who of [vendorKey.publicKey, stranger.publicKey]) {
      expect(Bank.assessFetchClosing(who, channel, { closing })).toMatchObject({ reason: 'ChannelNotYours' })
    }
  })

  it('can be disputed by who fetched it', () => {
    expect(Bank.assessDispute(mine, channel, { closing, fetchedAt: 5n })).toEqual({ ok: true })
    expect(Bank.assessDispute(mine, channel, { closing })).toMatchObject({ reason: 'ClosingMissing' })
    expect(Bank.assessDispute(stranger.publicKey, channel, { closing, fetchedAt: 5n })).toMatchObject({
      reason: 'ChannelNotYours',
    })
  })
})

describe.each(lockSchemeNames)('a release left at the bank, %s,', (lockScheme) => {
  const world = served(lockScheme, 'released')
  const other = served(lockScheme, 'released elsewhere')
  const release = releaseOf(world)
  const closing = closingOf(world)
  const settled = settledChannel(world, claimOf(world))
  type Args = Parameters<typeof Bank.assessRelease>[0]
  const judge = (change: Partial<Args> = {}): Refusal | Bank.ReleaseVerdict =>
    Bank.assessRelease({ release, channel: settled, closing: undefined, account: undefined, ...change })

  it('after the claim makes the record proven, whoever brings it, and opens every receipt', () => {
    expect(must(Bank.assessClose(claimOf(world), world.bank, now)).record.basis).toBe('claimed')
    expect(judge()).toEqual({ ok: true, standing: 'proven' })
    expect(judge({ account: mine })).toEqual({ ok: true, standing: 'proven' })
  })

  it('before the claim is kept for the closing left here, from the client’s account alone', () => {
    const channel = booked(world)
    expect(judge({ channel, closing, account: mine })).toEqual({ ok: true, standing: 'kept' })
    expect(judge({ channel, closing })).toMatchObject({ reason: 'ReleaseInvalid' })
    expect(judge({ channel, account: mine })).toMatchObject({ reason: 'ReleaseInvalid' })
    expect(judge({ channel, closing, account: stranger.publicKey })).toMatchObject({ reason: 'ChannelNotYours' })
  })

  it('is given to the vendor alone, if it is there', () => {
    const channel = booked(world)
    const vendor = vendorKey.publicKey
    expect(Bank.assessFetchRelease(vendor, channel, { closing, release })).toEqual({ ok: true, release })
    expect(Bank.assessFetchRelease(mine, channel, { closing, release })).toMatchObject({ reason: 'ChannelNotYours' })
    expect(Bank.assessFetchRelease(vendor, channel, { closing })).toMatchObject({ reason: 'ReleaseMissing' })
    expect(Bank.assessFetchRelease(vendor, channel, { closing, disputed: true })).toMatchObject({
      reason: 'ReleaseMissing',
      detail: 'the client disputes the closing',
    })
  })

  it('is refused with a receipt on Tx_n that is not the one committed to', () => {
    const { key, scheme } = world.client
    const transaction = world.cores[3]!.slice(0, 84)
    const digest = Transaction.transactionDigest(transaction)
    const other = resigned(lockScheme, key, digest)
    expect(scheme.verify({ publicKey: key.publicKey, digest, receipt: other })).toBe(true)
    expect(judge({ release: { ...release, receipt: other } })).toMatchObject({ reason: 'ReleaseInvalid' })
  })

  it('is refused with any one byte changed', () => {
    const bytes = Closing.encodeRelease(release)
    for (let at = 0; at < bytes.length; at++) {
      const parsed = Closing.parseRelease(flip(bytes, at))
      if (parsed.ok) expect(judge({ release: parsed.value }).ok, `byte ${at}`).toBe(false)
    }
  })

  it('is refused of another channel, payment or key', () => {
    const theirs = releaseOf(other)
    expect(judge({ release: theirs })).toMatchObject({ reason: 'ChannelUnknown' })
    const { channelId } = world.client
    expect(judge({ release: { ...theirs, channelId } })).toMatchObject({ reason: 'ReleaseInvalid' })
    expect(judge({ release: { ...release, receipt: theirs.receipt } })).toMatchObject({ reason: 'ReleaseInvalid' })
    expect(judge({ release: { ...release, checkpoint: theirs.checkpoint } })).toMatchObject({ ok: false })
    const checkpoint = read(Checkpoint.parse(release.checkpoint))
    const forged = Checkpoint.encode(Checkpoint.sign(stranger, channelId, checkpoint))
    expect(judge({ release: { ...release, checkpoint: forged } })).toMatchObject({ reason: 'ReleaseInvalid' })
    const early = Checkpoint.encode(forgeCheckpoint(world, { segment: 9, amount: 60n, index: 3 }))
    expect(judge({ release: { ...release, checkpoint: early } })).toMatchObject({ reason: 'ReleaseInvalid' })
  })

  it('proves nothing where the vendor claimed on another payment, and still answers its closing', () => {
    const core = read(Transcript.coreLayout(world.vendor.scheme.lockSize).parse(world.cores[3]!))
    const lock = flip(core.lock, core.lock.length - 1)
    const encoded = Transcript.encode({ ...core, lock })
    const { previousTranscript } = claimOf(world)
    const invented = claimOf(world, { core: encoded, transcript: Transcript.next(previousTranscript, encoded) })
    const channel = settledChannel(world, invented)
    expect(judge({ channel })).toMatchObject({ reason: 'ReleaseInvalid' })
    expect(judge({ channel, closing, account: mine })).toEqual({ ok: true, standing: 'kept' })
  })

  it('is none of a channel without payments', () => {
    const unused = createWorld({ lockScheme, label: 'unused', funds: 1_000n, segmentLength: 8 })
    const channel = settledChannel(unused, claimOf(unused))
    const checkpoint = Checkpoint.encode(
      forgeCheckpoint(unused, { segment: 1, amount: 0n, transcript: unused.client.transcript }),
    )
    const none = { channelId: unused.client.channelId, receipt: release.receipt, checkpoint }
    const left = closingOf(unused)
    expect(judge({ release: none, channel, closing: left, account: mine })).toMatchObject({ reason: 'ReleaseInvalid' })
  })
})

describe('a release withheld', () => {
  const world = served('ecdsa-xor', 'withheld')
  const closing = closingOf(world)
  const release = releaseOf(world)
  const { terms } = world.bank
  const late = clockAt(Bank.BankClock.deadline(terms) + 1n)
  const graceFrom = terms.expiresAt - now
  const channel = { ...settledChannel(world, claimOf(world)), graceFrom }
  const ending: Bank.Ending = { closing, fetchedAt: 10n }

  it('is what the account fetched the closing for and did not give until grace was over', () => {
    expect(Bank.isWithheld(channel, ending, late)).toBe(true)
    expect(Bank.isWithheld({ ...channel, standing: { status: 'open' } }, ending, late)).toBe(true)
    expect(Bank.isWithheld(channel, ending, clockAt(Bank.BankClock.deadline(terms)))).toBe(false)
  })

  it('is none without a closing, without fetching it, after a release, a dispute, or while the clock is held', () => {
    expect(Bank.isWithheld(channel, {}, late)).toBe(false)
    expect(Bank.isWithheld(channel, { closing }, late)).toBe(false)
    expect(Bank.isWithheld(channel, { ...ending, release }, late)).toBe(false)
    expect(Bank.isWithheld(channel, { ...ending, disputed: true }, late)).toBe(false)
    expect(Bank.isWithheld(channel, ending, { ...late, held: 'gap' })).toBe(false)
    expect(Bank.isWithheld({ ...channel, graceFrom: undefined }, ending, late)).toBe(false)
  })

  it('leaves the account as long as the grace to answer, by the bank’s uptime, however late it fetched', () => {
    const fetchedAt = late.uptime
    const keptBack = (seconds: bigint): boolean =>
      Bank.isWithheld(channel, { closing, fetchedAt }, { ...late, uptime: late.uptime + seconds })
    expect(keptBack(600n)).toBe(false)
    expect(keptBack(601n)).toBe(true)
  })

  it('is none with schnorr, which σ_0 opens, of no payments, or where the vendor claimed by σ_n', () => {
    const native = served('schnorr', 'withheld')
    const nativeChannel = { ...settledChannel(native, claimOf(native)), graceFrom }
    expect(Bank.isWithheld(nativeChannel, { closing: closingOf(native), fetchedAt: 10n }, late)).toBe(false)
    const unused = createWorld({ lockScheme: 'ecdsa-xor', label: 'unused', funds: 1_000n, segmentLength: 8 })
    const unusedChannel = { ...settledChannel(unused, claimOf(unused)), graceFrom }
    expect(Bank.isWithheld(unusedChannel, { closing: closingOf(unused), fetchedAt: 10n }, late)).toBe(false)
    const receipts = { kind: 'receipts', first: world.opened.receipt, last: world.client.receipt } as const
    const byReceipts = { ...settledChannel(world, claimOf(world, { evidence: receipts })), graceFrom }
    expect(Bank.isWithheld(byReceipts, ending, late)).toBe(false)
  })

  it('is also a release that turns out to be none when the claim brings core_n', () => {
    const bogus = { ...release, receipt: world.client.scheme.sign(world.client.key, bytesOf('something else')) }
    const open = booked(world, { graceFrom })
    const args = { release: bogus, channel: open, closing, account: mine }
    expect(Bank.assessRelease(args)).toEqual({ ok: true, standing: 'kept' })
    expect(Bank.isWithheld(open, { ...ending, release: bogus }, late)).toBe(false)
    expect(Bank.isWithheld(channel, { ...ending, release: bogus }, late)).toBe(true)
  })

  it('cannot be pinned on a client by rubbish that the vendor leaves in its place', () => {
    // The checkpoint at n of an honest client, as at the end of a stream.
    const { client } = fork(world)
    const { checkpoint } = must(Client.checkpoint(client))
    const planted = { channelId: client.channelId, receipt: new Uint8Array(64).fill(7), checkpoint }
    const verdict = Bank.assessRelease({ release: planted, channel: booked(world), closing, account: undefined })
    expect(verdict).toMatchObject({ reason: 'ReleaseInvalid' })
    expect(Bank.assessRelease({ release: planted, channel, closing, account: undefined })).toMatchObject({ ok: false })
  })

  it('counts for a score, and a late release takes it back', () => {
    const { channelId } = world.client
    const start = Bank.Reputation.start(60, now)
    const after = unixSeconds(now + 5_000n)
    const withheld = [...start, ...Bank.Reputation.step(start, { cause: 'releaseWithheld', channelId }, after)]
    expect(Bank.Reputation.score(withheld, after)).toBe(55)
    expect(Bank.assessRelease({ release, channel, closing, account: undefined })).toMatchObject({ standing: 'proven' })
    const given = [...withheld, ...Bank.Reputation.step(withheld, { cause: 'releasedLate', channelId }, after)]
    expect(Bank.Reputation.score(given, after)).toBe(60)
  })
})

describe('a claim after a release at the bank', () => {
  it.each(lockSchemeNames)('is paid by the checkpoint in it, %s', (lockScheme) => {
    const world = served(lockScheme, 'released first')
    const { checkpoint } = releaseOf(world)
    const evidence: Close.Evidence = { kind: 'coins', checkpoint, step: 0, coin: new Uint8Array(32) }
    const claim = claimOf(world, { amount: amount(60n), evidence })
    expect(Bank.assessClose(claim, world.bank, now)).toMatchObject({ settled: 60n, record: { basis: 'proven' } })
  })
})

/** Another valid receipt on the same: by a nonce of the client's choice. */
function resigned(lockScheme: (typeof lockSchemeNames)[number], key: Schnorr.KeyPair, digest: Uint8Array): Uint8Array {
  if (lockScheme === 'ecdsa-xor') {
    return secp256k1.sign(digest, key.secret, { prehash: false, lowS: true, extraEntropy: bytesOf('entropy') })
  }
  const { secret: k, publicKey: nonce } = Schnorr.keyPair(bytesOf('another nonce'))
  const e = Schnorr.challenge({ publicKey: key.publicKey, digest, nonce })
  return concat(nonce, backend.addScalars(k, backend.multiplyScalars(e, key.secret)))
}
