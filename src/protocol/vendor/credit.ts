import { assert } from '../assert.ts'
import { type Refusal, refuse } from '../refusals.ts'
import { assessFresh, credit, type VendorChannel } from './Channel.ts'

/**
 * What is set aside for one request while its handler runs. Charged once or released once, never both: Design 3.5.
 */
export interface Reservation {
  readonly index: number
  /** What is still set aside. */
  left: bigint
  charged: bigint
  settled: boolean
}

/** Sets `price` aside before a handler runs. Nothing more once the vendor has stated its last, which says what was spent. */
export function reserve(
  channel: VendorChannel,
  index: number,
  price: bigint,
): Refusal | { readonly ok: true; readonly reservation: Reservation } {
  assert(price >= 0n, 'a price is not negative')
  if (channel.phase !== 'open') return refuse('ChannelClosed', 'the vendor has stated its last: open another channel')
  const stale = assessFresh(channel)
  if (stale !== undefined) return stale
  const available = credit(channel)
  if (available < price) {
    return refuse('CreditTooLow', `the request costs ${price}; the channel has ${available} of credit`)
  }
  channel.reserved += price
  return { ok: true, reservation: { index, left: price, charged: 0n, settled: false } }
}

/** Sets more aside for a request in progress, as a stream does for its next unit. */
export function extend(
  channel: VendorChannel,
  reservation: Reservation,
  price: bigint,
): Refusal | { readonly ok: true } {
  assert(!reservation.settled, 'a settled reservation is not extended')
  const more = reserve(channel, reservation.index, price)
  if (!more.ok) return more
  reservation.left += price
  return { ok: true }
}

/** Charges what was delivered, at most what is set aside. */
export function charge(channel: VendorChannel, reservation: Reservation, price: bigint): void {
  assert(!reservation.settled, 'a reservation is charged before it is settled')
  assert(price >= 0n && price <= reservation.left, 'charged ≤ reserved')
  reservation.left -= price
  reservation.charged += price
  channel.reserved -= price
  channel.spent += price
  assert(channel.spent + channel.reserved <= channel.paid, 'spent + reserved ≤ paid')
}

/** Ends a request: what is left set aside is credit again. */
export function settle(channel: VendorChannel, reservation: Reservation): void {
  assert(!reservation.settled, 'a reservation is settled once')
  channel.reserved -= reservation.left
  reservation.left = 0n
  reservation.settled = true
  assert(channel.reserved >= 0n, 'reserved ≥ 0')
}
