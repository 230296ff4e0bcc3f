import { utf8 } from '../../../src/crypto/bytes.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import * as Schnorr from '../../../src/crypto/Schnorr.ts'
import { headerNames } from '../../../src/http/headers.ts'
import { requestDigest } from '../../../src/http/requestDigest.ts'
import { Bank, Client } from '../../../src/protocol/index.ts'
import * as Attachment from '../../../src/wire/Attachment.ts'
import { amount, unixSeconds } from '../../../src/wire/amount.ts'
import { toBase64url } from '../../../src/wire/base64url.ts'
import * as Frame from '../../../src/wire/Frame.ts'
import { channelMacs } from '../../../src/wire/mac.ts'
import * as Terms from '../../../src/wire/Terms.ts'
import type { Message } from '../engine/network.ts'
import { graceSeconds } from '../parties/bank.ts'
import { asset, identityOf, network, urlOf } from '../parties/cast.ts'
import type { World } from '../world.ts'

/**
 * A channel with keys, coins and frames as they should be, which no bank of the vendor’s has opened: it is at a bank of the
 * counterfeiter's own, or names the right one, whose grant it makes up.
 */
export function counterfeit({ vendors, ground }: World, at: number): Omit<Message, 'id' | 'answer'> {
  const vendor = vendors[at % vendors.length]!
  const { key, frameKey, identity } = identityOf(vendor.name)
  const eve = identityOf('eve').key
  const secret = (what: string): Uint8Array => sha256(utf8(`eve ${what} ${at} ${ground.plan.seed}`))
  const entropy = {
    channelKey: secret('key'),
    channelSeed: secret('seed'),
    coinSalt: secret('salt').slice(0, 16),
    commandId: secret('id').slice(0, 16),
  }
  const now = ground.clockOf(vendor.name)
  const unitPrice = amount(BigInt(vendor.plan.unitPrice))
  const { terms } = Client.propose(
    eve,
    {
      lockScheme: 'schnorr',
      funds: amount(unitPrice * 1000n),
      unitPrice,
      segmentLength: 16,
      openedAt: now,
      expiresAt: unixSeconds(now + 3600n),
      graceSeconds,
      network,
      asset,
      bank: at % 2 === 0 ? identityOf('bank').key.publicKey : eve.publicKey,
      vendor: key.publicKey,
      vendorFrameKey: frameKey.publicKey,
      clientIdentity: secret('identity'),
      vendorIdentity: identity,
      validUntil: now,
    },
    entropy,
  )
  const agreed = Terms.parse(terms)
  if (!agreed.ok) throw new Error(`a counterfeit cannot be read: ${agreed.detail}`)
  const { commitment, grant } = Bank.grant(eve, terms, agreed.value)
  const channelId = Terms.channelId(terms)
  const path = `/item/eve-${at}`
  const [, coin] = Client.createSegment(
    { channelSeed: entropy.channelSeed, coinSalt: entropy.coinSalt },
    { number: 0, base: 0n, unitPrice, length: 16, index: 0 },
  ).coins
  const frame = Frame.encodePayment(
    {
      reference: Terms.reference(channelId),
      segment: 0,
      step: 1,
      index: 1,
      paidAt: now,
      digest: requestDigest({ method: 'GET', target: urlOf(vendor.name) + path }),
      coin: coin!,
      commitment: Schnorr.keyPair(secret('receipt')).publicKey,
      lock: secret('lock').with(0, 0),
    },
    channelMacs({ secret: entropy.channelKey, publicKey: frameKey.publicKey, channelId }).frame,
  )
  const headers: readonly (readonly [string, Uint8Array])[] = [
    [headerNames.channel, Terms.reference(channelId)],
    [headerNames.payment, frame],
    [headerNames.attachment, Attachment.encode({ terms, commitment, grant })],
  ]
  return {
    from: 'eve',
    to: vendor.name,
    method: 'GET',
    path,
    headers: headers.map(([name, bytes]) => [name.toLowerCase(), toBase64url(bytes)] as const),
    body: new Uint8Array(0),
  }
}
