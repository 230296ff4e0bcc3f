import { toHex } from '../../../src/crypto/bytes.ts'
import { headerNames } from '../../../src/http/headers.ts'
import { parseBase64url } from '../../../src/wire/base64url.ts'
import * as Frame from '../../../src/wire/Frame.ts'
import type { World } from '../world.ts'

/**
 * G6: whoever recorded everything computes: each scalar that was on the wire, and each sum and difference of two. None of
 * them may be the half of a receipt that its commitment does not show. A receipt that was released, or whose channel was
 * closed, is for everybody.
 */
export function openFromWire(world: World): void {
  const { ground } = world
  const hidden = hiddenReceipts(world)
  if (hidden.size === 0) return
  const scalars = scalarsOnWire(world)
  const attempt = (scalar: bigint): void => {
    const receipt = hidden.get(scalar)
    if (receipt !== undefined) ground.violate('G6', `${receipt} can be computed from what was on the wire`)
  }
  for (const one of scalars) {
    attempt(one)
    for (const other of scalars) {
      attempt(one >= other ? one - other : one - other + order)
      attempt((one + other) % order)
    }
  }
  ground.count('eavesdropper: open')
}

/** Order of secp256k1. */
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** Scalars of receipts that nobody but client and bank may have, and what they are. */
function hiddenReceipts({ clients, bank }: World): ReadonlyMap<bigint, string> {
  const closed = new Set(
    bank.disk
      .look(`SELECT channel_id FROM channels WHERE status <> 'open'`)
      .map((row) => toHex(row.channel_id as never)),
  )
  const hidden = new Map<bigint, string>()
  for (const { plan, disk } of clients) {
    if (plan.isByzantine || plan.lockScheme !== 'schnorr') continue
    for (const [id, { state, payments }] of disk.files) {
      if (closed.has(id) || state?.release !== undefined) continue
      for (const { index, receipt } of payments.values()) {
        hidden.set(bigOf(receipt.subarray(32)), `receipt ${index} of an open channel`)
      }
    }
  }
  return hidden
}

/** Locks and what else of payments is as long as a scalar, the newest first. */
function scalarsOnWire({ network }: World): readonly bigint[] {
  const scalars = new Set<bigint>()
  for (const { headers } of network.wire.toReversed()) {
    if (scalars.size >= scalarsMax) break
    const carried = headers.find(([name]) => name === headerNames.payment.toLowerCase())
    const bytes = carried && parseBase64url(carried[1], Frame.paymentSize(64))
    const frame = bytes?.ok ? Frame.parsePayment(bytes.value) : undefined
    if (frame?.ok !== true || frame.value.lock.length !== 32) continue
    for (const field of [frame.value.lock, frame.value.commitment, frame.value.coin]) scalars.add(bigOf(field))
  }
  return [...scalars]
}

const scalarsMax = 60

function bigOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`)
}
