import { concat, equal, toHex, utf8 } from '../../../src/crypto/bytes.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { lockSchemes } from '../../../src/crypto/locks.ts'
import * as Schnorr from '../../../src/crypto/Schnorr.ts'
import { bankPaths } from '../../../src/http/bank.ts'
import { headerNames } from '../../../src/http/headers.ts'
import { requestDigest } from '../../../src/http/requestDigest.ts'
import type { Client } from '../../../src/protocol/index.ts'
import * as Attachment from '../../../src/wire/Attachment.ts'
import { amount } from '../../../src/wire/amount.ts'
import { toBase64url } from '../../../src/wire/base64url.ts'
import * as Checkpoint from '../../../src/wire/Checkpoint.ts'
import * as Close from '../../../src/wire/Close.ts'
import * as Closing from '../../../src/wire/Closing.ts'
import * as Frame from '../../../src/wire/Frame.ts'
import { channelMacs } from '../../../src/wire/mac.ts'
import * as Terms from '../../../src/wire/Terms.ts'
import { grantDigest } from '../../../src/wire/Transaction.ts'
import { identityOf, urlOf } from '../parties/cast.ts'
import type { ClientParty } from '../parties/client.ts'
import type { VendorParty } from '../parties/vendor.ts'
import type { World } from '../world.ts'

/** What a client and a vendor without scruples do with the keys of both: at the bank, or to somebody else. */
export type Collusion =
  /** All that is in the channel, proven by a checkpoint over nothing that was bought. */
  | 'whole deposit'
  | 'more than the deposit'
  /** The claim and the refund at once. */
  | 'both ends'
  /** The claim of a channel that is another vendor's. */
  | 'channel of another vendor'
  /** A closing that says less than was claimed: what is returned comes from the vendor, or is owed. */
  | 'overcharge'
  /** A channel that no bank has opened, shown to the vendors. */
  | 'grant of no bank'

export const collusions: readonly Collusion[] = [
  'whole deposit',
  'more than the deposit',
  'both ends',
  'channel of another vendor',
  'overcharge',
  'grant of no bank',
]

/** `at` chooses among the channels that the client's program knows. Does nothing where nothing fits. */
export function collude(
  world: World,
  pair: { readonly client: ClientParty; readonly vendor: VendorParty },
  how: Collusion,
  at: number,
): void {
  const { client, vendor } = pair
  const channel = client.channels[at % Math.max(1, client.channels.length)]?.state as Client.ClientChannel | undefined
  if (channel === undefined) return
  world.ground.count(`collusion: ${how}`)
  if (how === 'grant of no bank') {
    for (const one of world.vendors) if (isFor(channel, one)) showForged(world, one, channel.terms, at)
    return
  }
  const { funds } = channel.terms
  const claimed = how === 'more than the deposit' ? funds + 1n : funds
  const send = (path: string, body: Uint8Array): void =>
    void world.network.inject({ from: vendor.name, to: 'bank', method: 'POST', path, headers: [], body })
  const claim = (): void => send(bankPaths.close, claimOf(channel, vendor, claimed))
  if (how === 'both ends') client.sync()
  claim()
  if (how !== 'overcharge') return
  const closing = Closing.sign(identityOf(vendor.name).key, {
    channelId: channel.channelId,
    index: channel.index,
    spent: amount(0n),
    transcript: channel.transcript,
  })
  if (isFor(channel, vendor)) world.guilt.lowClosings.set(toHex(channel.channelId), Closing.encode(closing))
  send(bankPaths.overcharge, Closing.encode(closing))
}

function isFor({ terms }: Client.ClientChannel, { name }: VendorParty): boolean {
  return equal(terms.vendor, identityOf(name).key.publicKey)
}

/** All that the channel's key can prove, in the vendor's name. */
function claimOf(channel: Client.ClientChannel, vendor: VendorParty, claimed: bigint): Uint8Array {
  const { channelId, index, transcript, terms } = channel
  const checkpoint = Checkpoint.sign(channel.key, channelId, {
    segment: channel.segment.number + 1,
    index,
    amount: amount(claimed),
    transcript,
    nextAnchor: new Uint8Array(32),
    nextUnitPrice: terms.unitPrice,
    nextLength: 0,
  })
  const evidence = {
    kind: 'coins' as const,
    checkpoint: Checkpoint.encode(checkpoint),
    step: 0,
    coin: new Uint8Array(32),
  }
  return Close.encode(
    Close.sign(identityOf(vendor.name).key, {
      channelId,
      amount: amount(claimed),
      index: 0,
      previousTranscript: new Uint8Array(32),
      core: new Uint8Array(0),
      transcript,
      evidence,
    }),
  )
}

/** A channel under keys of their own, funded by nothing, paid into with a coin that is in order. */
function showForged({ ground, network }: World, vendor: VendorParty, terms: Terms.Terms, at: number): void {
  const own = identityOf('eve').key
  const coin = sha256(utf8(`${ground.plan.seed} ${at}`))
  const forged = Terms.encode({
    ...terms,
    // One names a bank that has not signed, the other one a bank that the vendor does not name.
    bank: at % 2 === 0 ? terms.bank : own.publicKey,
    channelKey: own.publicKey,
    anchor: sha256(concat(coin, terms.coinSalt)),
  })
  const channelId = Terms.channelId(forged)
  const commitment = own.publicKey
  const grant = Schnorr.sign(own, grantDigest(channelId, commitment))
  const macs = channelMacs({ secret: own.secret, publicKey: terms.vendorFrameKey, channelId })
  const path = `/item/forged-${at}`
  const payment = {
    reference: Terms.reference(channelId),
    segment: 0,
    step: 1,
    index: 1,
    paidAt: ground.clockOf('eve'),
    digest: requestDigest({ method: 'GET', target: urlOf(vendor.name) + path }),
    coin,
    commitment: own.publicKey,
    lock: new Uint8Array(lockSchemes[terms.lockScheme].lockSize).fill(1),
  }
  const headers = Object.entries({
    [headerNames.channel]: toBase64url(payment.reference),
    [headerNames.payment]: toBase64url(Frame.encodePayment(payment, macs.frame)),
    [headerNames.attachment]: toBase64url(Attachment.encode({ terms: forged, commitment, grant })),
  })
  const body = new Uint8Array(0)
  network.inject({ from: 'eve', to: vendor.name, method: 'GET', path, headers, body })
}
