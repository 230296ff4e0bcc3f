import { toHex } from '../../../src/crypto/bytes.ts'
import { requestDigest } from '../../../src/http/requestDigest.ts'
import type { PaidContext } from '../../../src/vendor/routes.ts'
import type { VendorParty } from '../parties/vendor.ts'
import { charged, chargedFor, liveValue, streaming } from './served.ts'
import { type Channel, findChannel, type Stream, type Truth } from './truth.ts'

/** A stream's source is asked for its units. Gives what to tell of each of them as it leaves. */
export function checkStream(
  truth: Truth,
  vendor: VendorParty,
  { node, url, context }: { readonly node: string; readonly url: string; readonly context: PaidContext },
): () => void {
  const { ground } = truth
  const channel = findChannel(truth, context.payer)
  if (channel === undefined || vendor.plan.isByzantine) return () => undefined
  const digest = toHex(requestDigest({ method: 'GET', target: url }))
  const known = channel.streams.get(digest)
  if (known?.begunBy === context.index && !channel.isRolledBack)
    ground.violate('G5', `the stream of payment ${context.index} runs again`)
  const stream: Stream = known ?? {
    node,
    begunBy: context.index,
    price: BigInt(vendor.plan.unitPrice),
    delivered: 0n,
    isLive: true,
  }
  stream.node = node
  stream.begunBy = context.index
  stream.isLive = true
  channel.streams.set(digest, stream)
  if (!channel.client.plan.isByzantine && truth.purchases.get(digest)?.client !== channel.client.name) {
    ground.violate('G9', `a stream runs for ${url}, which its client did not ask for`)
  }
  return () => {
    stream.delivered += 1n
    const { books } = channel
    const served = charged(channel) + liveValue(channel) + streaming(channel)
    if (served > books.paid) ground.violate('G2', `${vendor.name} has delivered ${served} and can claim ${books.paid}`)
  }
}

/** G5: a stream is charged for what it delivered, and no more. */
export function checkStreamCharge({ ground }: Pick<Truth, 'ground'>, channel: Channel, digest: string): void {
  const stream = channel.streams.get(digest)
  const [delivered, price] = stream === undefined ? [0n, 0n] : [stream.delivered, stream.price]
  const sum = chargedFor(channel, digest)
  if (sum > delivered * price) ground.violate('G5', `a stream was charged ${sum} for ${delivered} units at ${price}`)
}
