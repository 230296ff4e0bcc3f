import type * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Client, type Refusal, type Vendor } from '../../src/protocol/index.ts'
import { amount, type UnixSeconds } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Frame from '../../src/wire/Frame.ts'
import * as Terms from '../../src/wire/Terms.ts'
import { bytesOf, now, type World } from './world.ts'

/** Everything of a record but its functions, as it is now: compare it with what it is later. */
export function snapshot(channel: Vendor.VendorChannel | Client.ClientChannel): object {
  const { macs: _macs, scheme: _scheme, ...data } = channel
  return structuredClone(data)
}

/** A second channel in the same state: what happens to one leaves the other alone. */
export function clone<T extends Vendor.VendorChannel | Client.ClientChannel>(channel: T): T {
  const { macs, scheme } = channel
  return { ...snapshot(channel), macs, scheme } as T
}

/** The same world, to be led elsewhere. */
export function fork(world: World): World {
  return { ...world, client: clone(world.client), vendor: clone(world.vendor), cores: [...world.cores] }
}

/** A segment by what its coins derive from. */
export type SegmentPlan = Pick<Client.Spending, 'number' | 'base' | 'unitPrice' | 'length'>

/** Segment 0 of a world, as its terms have it. */
export function segmentZero(world: World): SegmentPlan {
  const { unitPrice, segmentLength: length } = world.client.terms
  return { number: 0, base: 0n, unitPrice, length }
}

/** w_step of a segment that the client of this world would make. */
export function coinOf(world: World, segment: SegmentPlan, step: number): Uint8Array {
  return coinsOf(world, segment)[step]!
}

export function coinsOf(world: World, segment: SegmentPlan): readonly Uint8Array[] {
  const { coinSalt, channelSeed } = world.secrets
  return Client.createSegment({ coinSalt, channelSeed }, { ...segment, index: 0 }).coins
}

/** A payment frame with any content, sealed with the client's own MAC. Its lock and commitment open nothing. */
export function forgePayment(
  world: World,
  fields: Pick<Frame.Payment, 'index' | 'segment' | 'step' | 'coin'> & Partial<Frame.Payment>,
): Uint8Array {
  const { scheme, channelId, macs } = world.client
  return Frame.encodePayment(
    {
      reference: Terms.reference(channelId),
      paidAt: now,
      digest: bytesOf(`goods ${fields.index}`),
      commitment: bytesOf(`commitment ${fields.index}`),
      // Below the group order, so that it is a lock in either scheme.
      lock: new Uint8Array(scheme.lockSize).fill(7),
      ...fields,
    },
    macs.frame,
  )
}

export function forgeTick(world: World, fields: Omit<Frame.Tick, 'reference'> & Partial<Frame.Tick>): Uint8Array {
  const { channelId, macs } = world.client
  return Frame.encodeTick({ reference: Terms.reference(channelId), ...fields }, macs.frame)
}

/** A checkpoint with any content, signed by the channel key or by whom you will, over coins that the client can make. */
export function forgeCheckpoint(
  world: World,
  fields: { readonly segment: number; readonly amount: bigint } & Partial<Omit<Checkpoint.Checkpoint, 'amount'>>,
  key: Schnorr.KeyPair = world.client.key,
): Checkpoint.SignedCheckpoint {
  const { nextUnitPrice = amount(10n), nextLength = 8, segment } = fields
  return Checkpoint.sign(key, world.client.channelId, {
    index: 0,
    transcript: world.vendor.window.transcript,
    nextAnchor: coinOf(
      world,
      { number: segment, base: fields.amount, unitPrice: nextUnitPrice, length: nextLength },
      0,
    ),
    ...fields,
    nextUnitPrice,
    nextLength,
    amount: amount(fields.amount),
  })
}

/** One way in which something that was right goes wrong. */
export interface Fault<A> {
  /** What the refusal says of it. */
  readonly reason: Refusal['reason']
  readonly detail: RegExp
  /** Fields that it changes: two faults of one field never meet. */
  readonly fields: readonly string[]
  readonly apply: (attempt: A) => void
}

/** Every two faults that can meet, the one that is found first first. */
export function pairs<A>(faults: readonly Fault<A>[]): { readonly first: Fault<A>; readonly second: Fault<A> }[] {
  return faults.flatMap((first, at) =>
    faults
      .slice(at + 1)
      .filter((second) => !second.fields.some((field) => first.fields.includes(field)))
      .map((second) => ({ first, second })),
  )
}

/** The verdicts at another time than {@link now}. */
export function later(seconds: bigint): UnixSeconds {
  return (now + seconds) as UnixSeconds
}
