/** Any value of every wire type, edges included. */

import fc from 'fast-check'
import { utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import type { LockSchemeName } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import type { Attachment } from '../../src/wire/Attachment.ts'
import { type Amount, amount, amountMax, type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import type { BadOpening } from '../../src/wire/BadOpening.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import type { Evidence, SignedClose } from '../../src/wire/Close.ts'
import * as Closings from '../../src/wire/Closing.ts'
import type { Action, ChannelActionKind, SignedCommand } from '../../src/wire/Command.ts'
import * as Equivocation from '../../src/wire/Equivocation.ts'
import type { Ask, Payment, Tick } from '../../src/wire/Frame.ts'
import { segmentLengthMax } from '../../src/wire/kinds.ts'
import type { Open, Opened } from '../../src/wire/Open.ts'
import type { Record } from '../../src/wire/Record.ts'
import type { Statement } from '../../src/wire/Statement.ts'
import * as Terms from '../../src/wire/Terms.ts'
import * as Transactions from '../../src/wire/Transaction.ts'
import type { Core } from '../../src/wire/Transcript.ts'

export function bytesOf(size: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: size, maxLength: size })
}

export const secrets: fc.Arbitrary<Uint8Array> = fc.string().map((text) => sha256(utf8(`secret ${text}`)))

/** From a few: a public key costs a multiplication. */
const publicKeys: fc.Arbitrary<Uint8Array> = fc
  .nat({ max: 15 })
  .map((n) => Schnorr.keyPair(sha256(utf8(`party ${n}`))).publicKey)

export const amounts: fc.Arbitrary<Amount> = integers(0n, amountMax).map(amount)
const times: fc.Arbitrary<UnixSeconds> = integers(0n, amountMax).map(unixSeconds)
export const anyU32: fc.Arbitrary<number> = fc.oneof(fc.nat({ max: 0xffffffff }), fc.constantFrom(0, 1, 0xffffffff))
const indices = anyU32.map((index) => Math.max(1, index))
const steps = fc.oneof(fc.nat({ max: segmentLengthMax }), fc.constantFrom(0, 1, segmentLengthMax))
const hashes = bytesOf(32)
const references = bytesOf(16)
const signatures = bytesOf(64)
const lockSchemeNames = fc.constantFrom<LockSchemeName>('schnorr', 'ecdsa-xor')

const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index))
const networks = fc.string({ unit: fc.constantFrom(...printable), minLength: 1, maxLength: 32 })
const codes = fc.string({ unit: fc.constantFrom(...'ABCZabcz019.:_-'.split('')), minLength: 1, maxLength: 30 })
export const assets: fc.Arbitrary<string> = fc
  .tuple(codes, fc.nat({ max: 9 }))
  .map(([code, decimals]) => `${code}/${decimals}`)

export const terms: fc.Arbitrary<Terms.Terms> = fc
  .record({
    version: fc.constant(1),
    lockScheme: lockSchemeNames,
    segmentLength: fc.integer({ min: 1, max: segmentLengthMax }),
    graceSeconds: anyU32,
    unitPrice: integers(1n, amountMax / 1024n),
    spare: integers(0n, amountMax / 1024n),
    openedAt: integers(0n, amountMax >> 1n),
    life: integers(1n, amountMax >> 2n),
    coinSalt: references,
    network: networks,
    asset: assets,
    bank: publicKeys,
    channelKey: publicKeys,
    vendor: publicKeys,
    vendorFrameKey: publicKeys,
    anchor: hashes,
    clientIdentity: hashes,
    vendorIdentity: hashes,
  })
  .map(({ spare, life, unitPrice, openedAt, ...rest }) => {
    const worth = BigInt(rest.segmentLength) * unitPrice
    return {
      ...rest,
      unitPrice: amount(unitPrice),
      funds: amount(worth + spare > amountMax ? amountMax : worth + spare),
      openedAt: unixSeconds(openedAt),
      expiresAt: unixSeconds(openedAt + life),
    }
  })

export const openings: fc.Arbitrary<Transactions.Opening> = fc.record({
  channelId: hashes,
  funds: amounts,
  openedAt: times,
  clientIdentity: hashes,
  vendorIdentity: hashes,
})

export const transactions: fc.Arbitrary<Transactions.Transaction> = fc.record({
  channelId: hashes,
  index: anyU32,
  amount: amounts,
  paidAt: times,
  digest: hashes,
})

export function cores(lockSize: number): fc.Arbitrary<Core> {
  return fc.record({
    transaction: bytesOf(84),
    segment: anyU32,
    step: anyU32,
    coin: hashes,
    commitment: hashes,
    lock: bytesOf(lockSize),
  })
}

export const checkpoints: fc.Arbitrary<Checkpoint.SignedCheckpoint> = fc.record({
  reference: references,
  segment: indices,
  index: anyU32,
  amount: amounts,
  transcript: hashes,
  nextAnchor: hashes,
  nextUnitPrice: integers(1n, amountMax).map(amount),
  nextLength: steps,
  signature: signatures,
})

export function payments(lockSize: number): fc.Arbitrary<Payment> {
  return fc.record({
    reference: references,
    segment: anyU32,
    step: steps,
    index: indices,
    paidAt: times,
    digest: hashes,
    coin: hashes,
    commitment: hashes,
    lock: bytesOf(lockSize),
  })
}

export const ticks: fc.Arbitrary<Tick> = fc.record({
  reference: references,
  segment: anyU32,
  step: steps.map((step) => Math.max(1, step)),
  coin: hashes,
})

export const asks: fc.Arbitrary<Ask> = fc.record({
  reference: references,
  ask: fc.constantFrom<Ask['ask']>('statement', 'closing'),
})

export const statements: fc.Arbitrary<Statement> = fc.record({
  index: anyU32,
  charged: amounts,
  spent: amounts,
  paid: amounts,
  credit: amounts,
  contiguous: anyU32,
  segment: anyU32,
})

export const attachments: fc.Arbitrary<Attachment> = fc.record({
  terms: terms.map(Terms.encode),
  commitment: hashes,
  grant: signatures,
})

export const closings: fc.Arbitrary<Closings.Closing> = fc.record({
  channelId: hashes,
  index: anyU32,
  spent: amounts,
  transcript: hashes,
  signature: signatures,
})

export const releases: fc.Arbitrary<Closings.Release> = fc.record({
  channelId: hashes,
  receipt: signatures,
  checkpoint: checkpoints.map(Checkpoint.encode),
})

const coinEvidence = fc.record({ kind: fc.constant<'coins'>('coins'), step: steps, coin: hashes })

export const evidences: { readonly [name: string]: fc.Arbitrary<Evidence> } = {
  none: fc.constant<Evidence>({ kind: 'none' }),
  coins: coinEvidence,
  'checkpoint and coins': fc
    .tuple(coinEvidence, checkpoints.map(Checkpoint.encode))
    .map(([coins, checkpoint]) => ({ ...coins, checkpoint })),
  receipts: fc.record({ kind: fc.constant<'receipts'>('receipts'), first: signatures, last: signatures }),
}

/** `coreSize` 0: of a channel without payments. */
export function closes(evidence: fc.Arbitrary<Evidence>, coreSize: number): fc.Arbitrary<SignedClose> {
  return fc.record({
    channelId: hashes,
    amount: amounts,
    index: coreSize === 0 ? fc.constant(0) : indices,
    previousTranscript: coreSize === 0 ? fc.constant(new Uint8Array(32)) : hashes,
    core: bytesOf(coreSize),
    transcript: hashes,
    evidence,
    signature: signatures,
  })
}

export const opens: fc.Arbitrary<Open> = fc.record({
  account: publicKeys,
  id: references,
  validUntil: times,
  terms: terms.map(Terms.encode),
  channelSignature: signatures,
  signature: signatures,
})

export const actions: { readonly [name: string]: fc.Arbitrary<Action> } = {
  'about a channel': fc.record({
    kind: fc.constantFrom<ChannelActionKind>('expire', 'fetchClosing', 'dispute', 'fetchRelease'),
    channelId: hashes,
  }),
  'to leave a release': fc.record({
    kind: fc.constant<'release'>('release'),
    release: releases.map(Closings.encodeRelease),
  }),
  'to withdraw': fc.record({
    kind: fc.constant<'withdraw'>('withdraw'),
    asset: assets,
    amount: amounts,
    destination: hashes,
  }),
  'to register': fc.record({ kind: fc.constant<'register'>('register'), asset: assets }),
}

export function commands(action: fc.Arbitrary<Action>): fc.Arbitrary<SignedCommand> {
  return fc.record({
    bank: publicKeys,
    network: networks,
    account: publicKeys,
    id: references,
    validUntil: times,
    action,
    signature: signatures,
  })
}

/** Of so many cores, their content anything. */
export function badOpenings(lockScheme: LockSchemeName, count: number): fc.Arbitrary<BadOpening> {
  const [receipt, core] = lockScheme === 'schnorr' ? [0, 188] : [64, 220]
  return fc.record({
    channelId: hashes,
    lockScheme: fc.constant(lockScheme),
    index: count === 1 ? fc.constant(1) : indices.map((index) => Math.max(2, index)),
    previousTranscript: count === 1 ? fc.constant(new Uint8Array(32)) : hashes,
    checkpoint: checkpoints.map(Checkpoint.encode),
    receipt: bytesOf(receipt),
    cores: fc.array(bytesOf(core), { minLength: count, maxLength: count }),
  })
}

/** Two transactions of one payment that differ in what is bought, at least. */
export const equivocations: fc.Arbitrary<Equivocation.Equivocation> = fc
  .record({ one: transactions, other: transactions, index: indices, receipt: signatures, otherReceipt: signatures })
  .map(({ one, other, index, receipt, otherReceipt }) => {
    const { channelId } = one
    const digest = other.digest.map((byte, at) => (at === 0 ? one.digest[0]! ^ 1 : byte))
    return Equivocation.create(
      { transaction: Transactions.encode({ ...one, index }), receipt },
      { transaction: Transactions.encode({ ...other, channelId, index, digest }), receipt: otherReceipt },
    )
  })

export const openeds: fc.Arbitrary<Opened> = fc.record({ receipt: signatures, commitment: hashes, grant: signatures })

export const records: fc.Arbitrary<Record> = fc.record({
  salt: hashes,
  channelId: hashes,
  opening: bytesOf(112),
  last: bytesOf(84),
  settled: amounts,
  basis: fc.constantFrom<Record['basis']>('proven', 'claimed'),
})

function integers(min: bigint, max: bigint): fc.Arbitrary<bigint> {
  return fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max))
}
