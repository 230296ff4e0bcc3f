import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { concat, u64 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { lockSchemes } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import {
  Bank as LockstepBank,
  Client as LockstepClient,
  Vendor as LockstepVendor,
  openFromFirst,
  signed,
} from '../../src/protocol/index.ts'
import { Bank, Client, ecdsa, Vendor } from '../../src/published/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import { amount } from '../../src/wire/amount.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Frame from '../../src/wire/Frame.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import {
  bankKey,
  bytesOf,
  coresOf,
  createWorld,
  deliver,
  deliverBytes,
  frameKey,
  now,
  payClient,
  serve,
  must as unwrap,
  vendorKey,
  type World,
} from '../protocol/world.ts'
import { type Channel, openChannel, paid, seeded } from './support.ts'

/** The six things the published scheme leaves open: each attack works against it, and fails against Lockstep/1. */

const at = 1_700_000_000n

describe('(1) f_i runs forward', () => {
  it('published: who saw f_1 pays in the client’s name', () => {
    const { client, vendor, entropy } = openChannel({ seed: 'forward' })
    const seen = paid(Client.pay(client, { price: 1n, at }, entropy))
    Vendor.receive(vendor, seen)

    const forged = { f: sha256(seen.f), transaction: { ...seen.transaction, amount: 900n }, lock: entropy(64) }
    expect(Vendor.receive(vendor, forged)).toEqual({ ok: true })
    // The client's own second payment is now the one that is out of order.
    const honest = paid(Client.pay(client, { price: 1n, at }, entropy))
    expect(Vendor.receive(vendor, honest)).toEqual({ ok: false, reason: 'BrokenChain' })
  })

  it('Lockstep/1: a coin gives the coins before it and none after', () => {
    const world = createWorld()
    const first = payClient(world, 10n)
    unwrap(deliver(world, first))
    const seen = framePayment(first)

    const before = hashCoin(world, seen.coin)
    expect(before).toEqual(world.client.terms.anchor)
    for (const coin of [seen.coin, before]) {
      const forged = { ...seen, index: 2, step: 2, coin }
      const stranger = Frame.encodePayment(forged, () => bytesOf('a guess', 16))
      expect(deliverBytes(world, stranger)).toMatchObject({ reason: 'MacMismatch' })
      // Even who holds the vendor's frame key, and so makes any MAC, makes no coin.
      const insider = Frame.encodePayment(forged, world.vendor.macs.frame)
      expect(deliverBytes(world, insider)).toMatchObject({ reason: 'CoinMismatch' })
    }
    expect(world.vendor.paid).toBe(10n)
    expect(deliver(world, payClient(world, 20n))).toMatchObject({ ok: true })
  })
})

describe('(2) a client that stops before σ_n', () => {
  it('published: leaves the vendor nothing to show', () => {
    const { bank, client, vendor, entropy } = openChannel({ seed: 'stops' })
    for (let i = 1; i <= 9; i++) Vendor.receive(vendor, paid(Client.pay(client, { price: 10n, at }, entropy)))
    const first = client.opening.transaction
    const { opened, receipts } = Vendor.release(vendor, { bankKey: bank.key.publicKey, first })
    expect(opened).toBe(0)
    expect(receipts).toEqual(Array.from({ length: 10 }))

    const { transaction, lock } = vendor.payments.at(-1)!
    expect(Bank.record(bank, { first, last: transaction, receipt: lock })).toEqual({ ok: false, reason: 'BadReceipt' })
  })

  it.each(['schnorr', 'ecdsa-xor'] as const)(
    'Lockstep/1 with %s: the vendor is paid from the last coin',
    (lockScheme) => {
      const world = createWorld({ lockScheme })
      for (let i = 1; i <= 9; i++) buy(world, 10n)
      unwrap(LockstepVendor.createClosing(world.vendor, vendorKey))
      expect(LockstepBank.assessClose(closeWithoutRelease(world), world.bank, now)).toMatchObject({ settled: 90n })
    },
  )

  it('Lockstep/1 with schnorr: every receipt opens from σ_0, which the bank gives at Close', () => {
    const world = createWorld()
    for (let i = 1; i <= 9; i++) buy(world, 10n)
    const opened = openFromFirst(chainOf(world), world.opened.receipt)
    expect(opened.ok && opened.receipts).toHaveLength(10)
  })
})

describe('(3) a lock that locks nothing', () => {
  it('published: is accepted, and found out only in the release', () => {
    const { bank, client, vendor, entropy } = openChannel({ seed: 'noise' })
    for (let i = 1; i <= 9; i++) {
      const payment = paid(Client.pay(client, { price: 10n, at }, entropy))
      expect(Vendor.receive(vendor, i === 9 ? { ...payment, lock: entropy(64) } : payment)).toEqual({ ok: true })
    }
    Vendor.receiveLast(vendor, paid(Client.payLast(client, { price: 10n, at, reading: 'repaired' }, entropy)))
    const first = client.opening.transaction
    // σ_9 alone: everything below is locked under what payment 9 should have carried.
    expect(Vendor.release(vendor, { bankKey: bank.key.publicKey, first })).toMatchObject({
      lastVerified: true,
      opened: 1,
    })
  })

  it('Lockstep/1 with schnorr: is seen at once, and costs the vendor no money', () => {
    const world = createWorld()
    for (let i = 1; i <= 8; i++) buy(world, 10n)
    const honest = payClient(world, 10n)
    const forged = { ...framePayment(honest), lock: bytesOf('noise') }
    unwrap(deliverBytes(world, Frame.encodePayment(forged, world.client.macs.frame)))
    serve(world, 9, 10n)

    const chain = chainOf(world)
    const verdicts = chain.cores.map(({ lock }, at) =>
      lockSchemes.schnorr.check!({ lock, previous: signed(chain, at), current: signed(chain, at + 1) }),
    )
    expect(verdicts).toEqual([...Array<boolean>(8).fill(true), false])
    expect(LockstepBank.assessClose(closeWithoutRelease(world), world.bank, now)).toMatchObject({ settled: 90n })
    const verified = openFromFirst({ ...chain, cores: chain.cores.slice(0, 8) }, world.opened.receipt)
    expect(verified.ok && verified.receipts).toHaveLength(9)
  })
})

describe('(4) another valid σ_n', () => {
  /** Ten payments, the last one's receipt replaced on its way. */
  function releaseWith(replace: (receipt: Uint8Array, channel: Channel) => Uint8Array): Vendor.Release {
    const channel = openChannel({ seed: 'malleable' })
    const { bank, client, vendor, entropy } = channel
    for (let i = 1; i <= 9; i++) Vendor.receive(vendor, paid(Client.pay(client, { price: 10n, at }, entropy)))
    const last = paid(Client.payLast(client, { price: 10n, at, reading: 'repaired' }, entropy))
    Vendor.receiveLast(vendor, { ...last, receipt: replace(last.receipt, channel) })
    return Vendor.release(vendor, { bankKey: bank.key.publicKey, first: client.opening.transaction })
  }

  it('published: who flips s on the path leaves a valid last receipt that opens nothing', () => {
    expect(releaseWith((receipt) => receipt)).toMatchObject({ lastVerified: true, opened: 10 })
    expect(releaseWith(ecdsa.flip)).toMatchObject({ lastVerified: true, opened: 0 })
  })

  it('published: a client that signs again does the same', () => {
    const again = releaseWith((_receipt, { client, entropy }) =>
      ecdsa.sign(client.key, concat(u64(at), u64(client.paid)), entropy),
    )
    expect(again).toMatchObject({ lastVerified: true, opened: 0 })
  })

  it.each(['schnorr', 'ecdsa-xor'] as const)(
    'Lockstep/1 with %s: only the receipt committed to is a release',
    (lockScheme) => {
      const world = createWorld({ lockScheme })
      for (let i = 1; i <= 10; i++) buy(world, 10n)
      const chain = chainOf(world)
      const { closing } = unwrap(LockstepVendor.createClosing(world.vendor, vendorKey))
      const parsed = Closing.parseRelease(unwrap(LockstepClient.release(world.client, closing)).release)
      if (!parsed.ok) throw new Error(parsed.detail)
      const release = parsed.value

      const flipped = ecdsa.flip(release.receipt)
      const resigned = signAgain(world, signed(chain, 10).digest)
      expect(lockSchemes[lockScheme].verify({ ...signed(chain, 10), receipt: resigned })).toBe(true)
      for (const receipt of [flipped, resigned]) {
        expect(LockstepVendor.acceptRelease(world.vendor, { ...release, receipt }, chain)).toMatchObject({
          reason: 'ReleaseInvalid',
        })
      }
      // The refusal blames nobody: the client's own bytes are accepted as before.
      expect(unwrap(LockstepVendor.acceptRelease(world.vendor, release, chain)).receipts).toHaveLength(11)
    },
  )
})

describe('(5) a channel that no bank opened', () => {
  it('published: is paid over like any other, and nothing is recorded', () => {
    const { bank, entropy } = openChannel({ seed: 'no bank' })
    const key = ecdsa.createKeyPair(entropy)
    // The client plays its own bank, and gives itself what it likes.
    const own = openChannel({ seed: 'own bank', bank: Bank.createBank(entropy), key, total: 1n << 40n })
    const { client, vendor } = own
    for (let i = 1; i <= 9; i++) {
      const payment = paid(Client.pay(client, { price: 1n << 36n, at }, entropy))
      expect(Vendor.receive(vendor, payment)).toEqual({ ok: true })
    }
    const last = paid(Client.payLast(client, { price: 1n << 36n, at, reading: 'repaired' }, entropy))
    expect(Vendor.receiveLast(vendor, last)).toEqual({ ok: true })

    const first = client.opening.transaction
    // All but σ_0 open: by then ten purchases were served.
    expect(Vendor.release(vendor, { bankKey: bank.key.publicKey, first })).toMatchObject({
      lastVerified: true,
      opened: 9,
    })
    const claim = { first, last: last.transaction, receipt: last.receipt }
    expect(Bank.record(bank, claim)).toEqual({ ok: false, reason: 'UnknownChannel' })
  })

  it('Lockstep/1: is refused with the first frame, for want of a grant by a bank the vendor names', () => {
    const { client, terms } = createWorld()
    const acceptance: LockstepVendor.Acceptance = {
      banks: [bankKey.publicKey],
      vendor: vendorKey.publicKey,
      vendorFrameKey: frameKey.publicKey,
      network: client.terms.network,
      asset: client.terms.asset,
      lockSchemes: ['schnorr'],
      lifeMin: 60n,
      graceMin: 60,
    }
    const assess = (attachment: Attachment.Attachment, banks = acceptance.banks) => {
      const parsed = Attachment.parse(Attachment.encode(attachment))
      return parsed.ok ? LockstepVendor.assessAttachment(parsed.value, { ...acceptance, banks }, now) : parsed
    }
    expect(assess(client.attachment)).toEqual({ ok: true })
    const commitment = bytesOf('a commitment of its own')
    const digest = Transaction.grantDigest(client.channelId, commitment)
    const grants = [client.key, Schnorr.keyPair(bytesOf('own bank'))].map((key) => Schnorr.sign(key, digest))
    for (const grant of [...grants, client.attachment.grant]) {
      expect(assess({ terms, commitment, grant })).toMatchObject({ reason: 'GrantInvalid' })
    }
    expect(assess(client.attachment, [bytesOf('another bank')])).toMatchObject({ reason: 'BankUnknown' })
  })
})

describe('(6) a receipt that names no channel', () => {
  it('published: is cashed at another vendor, in another channel', () => {
    const entropy = seeded('two channels')
    const bank = Bank.createBank(entropy)
    const [key, identity] = [ecdsa.createKeyPair(entropy), entropy(32)]
    const [one, two] = ['one', 'two'].map((seed) => openChannel({ seed, bank, key, identity, at })) as [
      Channel,
      Channel,
    ]
    const large = paid(Client.payLast(one.client, { price: 500n, at, reading: 'repaired' }, entropy))
    const small = paid(Client.payLast(two.client, { price: 1n, at, reading: 'repaired' }, entropy))
    const settle = ({ client }: Channel, last: typeof large) =>
      Bank.record(bank, { first: client.opening.transaction, last: last.transaction, receipt: last.receipt })

    // Vendor two has seen the receipt of channel one, and writes its own name into the part that σ_n leaves out.
    const replayed = { ...large, transaction: { ...large.transaction, vendor: small.transaction.vendor } }
    expect(settle(two, replayed)).toMatchObject({ ok: true, record: { last: { amount: 500n } } })
    expect(settle(one, large)).toMatchObject({ ok: true, record: { last: { amount: 500n } } })
  })

  it.each(['schnorr', 'ecdsa-xor'] as const)(
    'Lockstep/1 with %s: is worth nothing in another channel, even of one key',
    (lockScheme) => {
      // One label is one channel key, which a bank refuses to open twice: the receipts hold even so.
      const [one, two] = [900_000n, 800_000n].map((funds) => createWorld({ lockScheme, funds })) as [World, World]
      expect(one.client.key).toEqual(two.client.key)
      const large = payClient(one, 500n)
      unwrap(deliver(one, large))
      buy(two, 10n)

      expect(deliverBytes(two, large.frame)).toMatchObject({ reason: 'ChannelUnknown' })
      const readdressed = new Uint8Array(large.frame)
      readdressed.set(two.client.channelId.subarray(0, 16), 1)
      expect(deliverBytes(two, readdressed)).toMatchObject({ reason: 'MacMismatch' })
      const ownCore = two.cores[0]!
      const relabelled = relabel(two, large.core)
      for (const core of [ownCore, large.core, relabelled]) {
        const close = Close.sign(vendorKey, {
          channelId: two.client.channelId,
          amount: amount(500n),
          index: 1,
          previousTranscript: Transcript.first(two.client.channelId, two.opened.commitment),
          core,
          transcript: Transcript.next(Transcript.first(two.client.channelId, two.opened.commitment), core),
          evidence: { kind: 'receipts', first: two.opened.receipt, last: large.receipt },
        })
        expect(LockstepBank.assessClose(close, two.bank, now)).toMatchObject({ reason: 'EvidenceInvalid' })
      }
    },
  )
})

function framePayment({ frame }: LockstepClient.Paid): Frame.Payment {
  const parsed = Frame.parsePayment(frame)
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.value
}

/** One hash from a coin, the way everybody can walk. */
function hashCoin(world: World, coin: Uint8Array): Uint8Array {
  return sha256(concat(coin, world.client.terms.coinSalt))
}

/** Pays, is served and is charged. */
function buy(world: World, price: bigint): void {
  const { index, frame, checkpoint } = payClient(world, price)
  unwrap(deliverBytes(world, frame, checkpoint))
  serve(world, index, price)
  unwrap(LockstepClient.acknowledge(world.client, LockstepVendor.statement(world.vendor, index, price)))
}

function chainOf(world: World): ReturnType<typeof LockstepVendor.chainOf> {
  return LockstepVendor.chainOf(world.vendor, coresOf(world))
}

function closeWithoutRelease(world: World): Close.SignedClose {
  const last = LockstepVendor.lastOf(chainOf(world))
  return LockstepVendor.createClose({ channel: world.vendor, vendor: vendorKey, last, release: undefined })
}

/** A second valid receipt over one digest: the client's own key, another nonce. */
function signAgain({ client }: World, digest: Uint8Array): Uint8Array {
  if (client.scheme.name === 'schnorr') return schnorr.sign(digest, client.key.secret, bytesOf('another nonce'))
  const options = { prehash: false, lowS: true, extraEntropy: bytesOf('another nonce') }
  return secp256k1.sign(digest, client.key.secret, options)
}

/** A core of one channel with the id of another written into its `Tx_i`. */
function relabel(world: World, encoded: Uint8Array): Uint8Array {
  return concat(world.client.channelId, encoded.subarray(32))
}
