/** Clients that cheat with their receipts, made from the machines: all they send passes the vendor's verdict. */

import { backend } from '../../src/crypto/backend.ts'
import { concat } from '../../src/crypto/bytes.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Client, type Opened, openFromLast, Vendor } from '../../src/protocol/index.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Frame from '../../src/wire/Frame.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import {
  bytesOf,
  coresOf,
  deliverBytes,
  deliverCheckpoint,
  must,
  payClient,
  read,
  vendorKey,
  type World,
} from './world.ts'

/** What the client sends instead of an honest core, and the receipt that it goes on from. */
interface Cheat {
  readonly commitment?: Uint8Array
  readonly lock?: Uint8Array
  readonly receipt?: Uint8Array
}

/** Makes a cheat of an honest payment; `previous` is the receipt before it. */
export type Trick = (world: World, payment: Client.Paid, previous: Uint8Array) => Cheat

/**
 * Makes so many payments, one of them with a trick in it; the client goes on as if nothing were wrong. Gives the receipts
 * from `σ_0` on, as the client has them.
 */
export function cheat(
  world: World,
  plan: { readonly payments: number; readonly at?: number; readonly trick?: Trick },
): readonly Uint8Array[] {
  const receipts = [world.client.receipt]
  for (let count = 1; count <= plan.payments; count++) {
    if (count === plan.at && plan.trick !== undefined) payWithTrick(world, plan.trick)
    else {
      const payment = payClient(world, 10n, `goods ${count}`)
      must(deliverBytes(world, payment.frame, payment.checkpoint))
    }
    receipts.push(world.client.receipt)
  }
  return receipts
}

function payWithTrick(world: World, trick: Trick): void {
  const { client, vendor } = world
  const { receipt: previous, transcript } = client
  const payment = payClient(world, 10n, 'goods')
  const core = read(Transcript.coreLayout(vendor.scheme.lockSize).parse(payment.core))
  const { commitment = core.commitment, lock = core.lock, receipt = payment.receipt } = trick(world, payment, previous)
  client.transcript = Transcript.next(transcript, Transcript.encode({ ...core, commitment, lock }))
  client.receipt = receipt
  const frame = read(Frame.parsePayment(payment.frame))
  must(deliverBytes(world, Frame.encodePayment({ ...frame, commitment, lock }, client.macs.frame), payment.checkpoint))
}

/** One bit of the lock is another. */
export const wrongLock: Trick = (_world, { core }) => ({ lock: flip(core.subarray(156), 31) })

/** The lock of one payment, on another one. */
export const lockOfAnother: Trick = ({ client }, { receipt, index }) => ({
  lock: client.scheme.lock({ channelId: client.channelId, index, previous: madeUp(client, 'other'), receipt }),
})

/** The commitment is to a receipt of the client's on something else. */
export const wrongCommitment: Trick = ({ client }) => ({ commitment: client.scheme.commit(madeUp(client, 'else')) })

/** `schnorr`: 32 bytes that are no x-coordinate. */
export const noCommitment: Trick = () => ({ commitment: new Uint8Array(32) })

/** `schnorr`: a nonce point of odd y, whose x is the commitment. The lock adds up; no receipt has it. */
export const oddNonce: Trick = ({ client }, payment, previous) => {
  let k = bytesOf('odd nonce')
  if (backend.multiplyBase(k)[0] === 2) k = backend.negateScalar(k)
  const commitment = backend.multiplyBase(k).slice(1)
  const digest = Transaction.transactionDigest(payment.core.subarray(0, 84))
  const e = Schnorr.challenge({ publicKey: client.key.publicKey, digest, nonce: commitment })
  const s = backend.addScalars(k, backend.multiplyScalars(e, client.key.secret))
  return { commitment, lock: backend.addScalars(previous.subarray(32), s), receipt: concat(commitment, s) }
}

/**
 * `schnorr`, payment 1: `R_1 = b·G − e_0·P_B` cancels the bank's key from the sum with an `R_0` of the client's own. That `R_0` is
 * not the one under γ.
 */
export const rogueNonce: Trick = ({ client }, payment) => {
  const { terms, channelId } = client
  const a = Schnorr.keyPair(bytesOf('R_0 = a·G')).secret
  const opening = Transaction.openingDigest(Transaction.opening(terms, channelId))
  const own = Schnorr.keyPair(a).publicKey
  const e0 = Schnorr.challenge({ publicKey: terms.bank, digest: opening, nonce: own })
  for (let count = 0; ; count++) {
    const b = bytesOf(`b ${count}`)
    const R = backend.multiplyAdd(b, backend.negateScalar(e0), Schnorr.lift(terms.bank))!
    if (R[0] !== 2) continue
    const commitment = R.slice(1)
    const digest = Transaction.transactionDigest(payment.core.subarray(0, 84))
    const e1 = Schnorr.challenge({ publicKey: client.key.publicKey, digest, nonce: commitment })
    const s1 = backend.addScalars(b, backend.multiplyScalars(e1, client.key.secret))
    return { commitment, lock: backend.addScalars(a, s1), receipt: concat(commitment, s1) }
  }
}

/** `ecdsa-xor`: everything fits together, but for a receipt with high s. */
export const highS: Trick = ({ client }, { receipt: low, index }, previous) => {
  const receipt = raised(low)
  const { scheme, channelId } = client
  return { commitment: scheme.commit(receipt), lock: scheme.lock({ channelId, index, previous, receipt }), receipt }
}

/** The same ECDSA signature with the other s. */
export function raised(receipt: Uint8Array): Uint8Array {
  return concat(receipt.subarray(0, 32), backend.negateScalar(receipt.subarray(32)))
}

function madeUp(client: Client.ClientChannel, label: string): Uint8Array {
  return client.scheme.sign(client.key, bytesOf(label))
}

/** What the vendor finds when the client releases: how far receipts open, and the checkpoint that covers them all. */
export function findOut(world: World): { readonly opened: Opened; readonly checkpoint: Uint8Array } {
  const { checkpoint } = must(Client.checkpoint(world.client))
  must(deliverCheckpoint(world, checkpoint))
  const { release } = must(Client.release(world.client, must(Vendor.createClosing(world.vendor, vendorKey)).closing))
  const { receipt } = read(Closing.parseRelease(release))
  return { opened: openFromLast(Vendor.chainOf(world.vendor, coresOf(world)), receipt), checkpoint }
}

/** The vendor's proof that lock `index` is bad. */
export function accuse(
  world: World,
  proof: { readonly index: number; readonly checkpoint: Uint8Array; readonly receipt?: Uint8Array | undefined },
): BadOpening.BadOpening {
  const { channelId, terms, attachment } = world.vendor
  const { index, checkpoint, receipt } = proof
  return BadOpening.create({
    channelId,
    lockScheme: terms.lockScheme,
    index,
    checkpoint,
    first: Transcript.first(channelId, attachment.commitment),
    cores: world.cores,
    receipt: terms.lockScheme === 'schnorr' ? undefined : receipt,
  })
}

export function flip(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const flipped = new Uint8Array(bytes)
  flipped[at]! ^= mask
  return flipped
}
