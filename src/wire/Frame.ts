import { concat } from '../crypto/bytes.ts'
import type { UnixSeconds } from './amount.ts'
import { kinds, segmentLengthMax, sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { bytes, choice, constant, layout, timeField, u16, u32 } from './layout.ts'
import { malformed, type Parsed } from './parsed.ts'

/** One purchase as it travels: 179 bytes with `schnorr`, 211 with `ecdsa-xor`. Design 3.4. */
export interface Payment {
  readonly reference: Uint8Array
  readonly segment: number
  /** j, or 0 where a checkpoint alone pays. */
  readonly step: number
  /** i, from 1. */
  readonly index: number
  /** ts_i, the client's word. */
  readonly paidAt: UnixSeconds
  /** d_i. */
  readonly digest: Uint8Array
  /** w_j, or zero where a checkpoint alone pays. */
  readonly coin: Uint8Array
  /** c_i. */
  readonly commitment: Uint8Array
  /** lk_i. */
  readonly lock: Uint8Array
}

/** A coin alone, for the payment in progress: 71 bytes. */
export interface Tick {
  readonly reference: Uint8Array
  readonly segment: number
  readonly step: number
  readonly coin: Uint8Array
}

/** What a client asks of a vendor beside paying: 34 bytes. Only the channel's holder can ask. */
export interface Ask {
  readonly reference: Uint8Array
  /** `statement`: where does the channel stand? `closing`: state your last. */
  readonly ask: 'statement' | 'closing'
}

/** Computes the 16-byte MAC over all of a message but its MAC. */
export type Mac = (message: Uint8Array) => Uint8Array

const tick: Layout<Tick & { readonly kind: number }> = layout('tick', {
  kind: constant(kinds.tick),
  reference: bytes(sizes.reference),
  segment: u32,
  step: u16,
  coin: bytes(sizes.coin),
})

const ask: Layout<Ask & { readonly kind: number }> = layout('ask', {
  kind: constant(kinds.ask),
  reference: bytes(sizes.reference),
  ask: choice<Ask['ask']>(['statement', 'closing']),
})

const paymentOfScalarLock = paymentWith(32)
const paymentOfMaskLock = paymentWith(64)
const payments = [paymentOfScalarLock, paymentOfMaskLock]

export const tickSize: number = tick.size + sizes.mac
export const askSize: number = ask.size + sizes.mac

export function paymentSize(lockSize: number): number {
  return paymentLayout(lockSize).size + sizes.mac
}

export function encodePayment(payment: Payment, mac: Mac): Uint8Array<ArrayBuffer> {
  return seal(paymentLayout(payment.lock.length).encode({ ...payment, kind: kinds.payment }), mac)
}

/** Everything but the MAC, which only the channel's vendor can check: {@link isSealed}. */
export function parsePayment(input: Uint8Array): Parsed<Payment> {
  const payment = payments.find(({ size }) => input.length === size + sizes.mac)
  if (payment === undefined) {
    return malformed(`payment has ${paymentSize(32)} or ${paymentSize(64)} bytes; got ${input.length}`)
  }
  const result = payment.parse(input.subarray(0, input.length - sizes.mac))
  if (!result.ok) return result
  if (result.value.index < 1) return malformed('payment: indices start at 1')
  return result.value.step > segmentLengthMax ? malformed('payment: a segment has at most 1,024 coins') : result
}

export function encodeTick(value: Tick, mac: Mac): Uint8Array<ArrayBuffer> {
  return seal(tick.encode({ ...value, kind: kinds.tick }), mac)
}

/** See {@link parsePayment}. */
export function parseTick(input: Uint8Array): Parsed<Tick> {
  if (input.length !== tickSize) return malformed(`tick has ${tickSize} bytes; got ${input.length}`)
  const result = tick.parse(input.subarray(0, tick.size))
  if (!result.ok) return result
  const { step } = result.value
  return step < 1 || step > segmentLengthMax ? malformed('tick: a coin is number 1 to 1,024 of its segment') : result
}

export function encodeAsk(value: Ask, mac: Mac): Uint8Array<ArrayBuffer> {
  return seal(ask.encode({ ...value, kind: kinds.ask }), mac)
}

/** See {@link parsePayment}. */
export function parseAsk(input: Uint8Array): Parsed<Ask> {
  if (input.length !== askSize) return malformed(`ask has ${askSize} bytes; got ${input.length}`)
  return ask.parse(input.subarray(0, ask.size))
}

/** A message with its MAC behind it. */
export function seal(message: Uint8Array, mac: Mac): Uint8Array<ArrayBuffer> {
  return concat(message, mac(message))
}

function paymentLayout(lockSize: number): Layout<Payment & { readonly kind: number }> {
  return lockSize === 64 ? paymentOfMaskLock : paymentOfScalarLock
}

function paymentWith(lockSize: number): Layout<Payment & { readonly kind: number }> {
  return layout('payment', {
    kind: constant(kinds.payment),
    reference: bytes(sizes.reference),
    segment: u32,
    step: u16,
    index: u32,
    paidAt: timeField,
    digest: bytes(sizes.hash),
    coin: bytes(sizes.coin),
    commitment: bytes(sizes.commitment),
    lock: bytes(lockSize),
  })
}
