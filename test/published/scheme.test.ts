import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/crypto/bytes.ts'
import { Bank, Client, ecdsa, LockableSignature, messages, run, Vendor } from '../../src/published/index.ts'
import { openChannel, paid, seeded } from './support.ts'

const clock = () => 0
const startedAt = 1_700_000_000n

function runOf(payments: number, reading: messages.Reading) {
  return run({ payments, reading, entropy: seeded(`${reading} ${payments}`), now: clock, startedAt })
}

describe('the lockable signature', () => {
  it('gives back the locked signature under the locking signature, and noise under another', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.uint8Array({ maxLength: 80 }),
        fc.uint8Array({ maxLength: 80 }),
        (seed, message, lockingMessage) => {
          const entropy = seeded(seed)
          const { signing, locking } = LockableSignature.keyGen(entropy)
          const locked = LockableSignature.lock({ signing, message, locking, lockingMessage }, entropy)
          const signature = LockableSignature.unlock(locked)
          expect(signature).toEqual(locked.signature)
          expect(ecdsa.verify({ publicKey: signing.publicKey, message, signature })).toBe(true)
          const lockingSignature = ecdsa.sign(locking, lockingMessage, entropy)
          const other = LockableSignature.unlock({ lock: locked.lock, lockingSignature })
          expect(ecdsa.verify({ publicKey: signing.publicKey, message, signature: other })).toBe(false)
        },
      ),
      { numRuns: 20 },
    )
  })
})

describe('the signature', () => {
  const entropy = seeded('signature')
  const key = ecdsa.createKeyPair(entropy)
  const message = Uint8Array.of(1, 2, 3)

  it('comes high and low, and verifies either way', () => {
    const signatures = Array.from({ length: 64 }, () => ecdsa.sign(key, message, entropy))
    const high = signatures.filter(ecdsa.isHigh).length
    expect(high).toBeGreaterThan(10)
    expect(high).toBeLessThan(54)
    for (const signature of signatures.slice(0, 8)) {
      expect(ecdsa.verify({ publicKey: key.publicKey, message, signature })).toBe(true)
      const flipped = ecdsa.flip(signature)
      expect(ecdsa.isHigh(flipped)).toBe(!ecdsa.isHigh(signature))
      expect(ecdsa.verify({ publicKey: key.publicKey, message, signature: flipped })).toBe(true)
    }
  })

  it('fails under any changed byte of signature, message or key', () => {
    const signature = ecdsa.sign(key, message, entropy)
    for (let index = 0; index < 64; index++) {
      expect(ecdsa.verify({ publicKey: key.publicKey, message, signature: changed(signature, index) })).toBe(false)
    }
    expect(ecdsa.verify({ publicKey: key.publicKey, message: changed(message, 1), signature })).toBe(false)
    const other = ecdsa.createKeyPair(entropy)
    expect(ecdsa.verify({ publicKey: other.publicKey, message, signature })).toBe(false)
  })

  it('throws on a signature of another length', () => {
    expect(() => ecdsa.verify({ publicKey: key.publicKey, message, signature: new Uint8Array(63) })).toThrow(RangeError)
  })

  it('gives up on a source of randomness that never gives a scalar', () => {
    expect(() => ecdsa.createKeyPair((size) => new Uint8Array(size))).toThrow('16 draws')
  })
})

describe('the continuous micropayment scheme', () => {
  it('read literally, opens 0 of 10', () => {
    const { opened, receipts } = runOf(10, 'literal')
    expect(opened).toBe(0)
    expect(receipts.slice(0, 10).every((receipt) => receipt === undefined)).toBe(true)
    expect(receipts[10]).toBeDefined()
  })

  it('repaired, opens 10 of 10', () => {
    const { opened, receipts } = runOf(10, 'repaired')
    expect(opened).toBe(10)
    expect(receipts).toHaveLength(11)
    expect(receipts.every((receipt) => receipt !== undefined)).toBe(true)
  })

  it.each([1, 2, 3, 7, 33])('opens 0 of %i literally and every one repaired', (payments) => {
    expect(runOf(payments, 'literal').opened).toBe(0)
    expect(runOf(payments, 'repaired').opened).toBe(payments)
  })

  it('opens receipts that anybody can verify against the transactions', () => {
    const { receipts, transactions, bankKey, clientKey } = runOf(4, 'repaired')
    receipts.forEach((signature, i) => {
      const transaction = transactions[i]!
      const signed =
        i === 0
          ? { publicKey: bankKey, message: messages.openingMessage(transaction) }
          : { publicKey: clientKey, message: messages.receiptMessage(transaction) }
      expect(ecdsa.verify({ ...signed, signature: signature! })).toBe(true)
    })
  })

  it('stops opening at the first lock that was changed', () => {
    for (let broken = 1; broken <= 5; broken++) {
      const { bank, client, vendor, entropy } = openChannel({ seed: 'broken lock' })
      for (let i = 1; i <= 4; i++) {
        const payment = paid(Client.pay(client, { price: 1n, at: startedAt }, entropy))
        Vendor.receive(vendor, i === broken ? { ...payment, lock: changed(payment.lock, 5) } : payment)
      }
      const last = paid(Client.payLast(client, { price: 1n, at: startedAt, reading: 'repaired' }, entropy))
      Vendor.receiveLast(vendor, broken === 5 ? { ...last, lock: changed(last.lock!, 5) } : last)
      const first = client.opening.transaction
      expect(Vendor.release(vendor, { bankKey: bank.key.publicKey, first }).opened).toBe(5 - broken)
    }
  })

  it('records the first and the last transaction, once', () => {
    const { record, transactions } = runOf(10, 'repaired')
    expect(messages.parseRecord(record)).toEqual({ first: transactions[0], last: transactions[10] })

    const { bank, client, entropy } = openChannel({ seed: 'record' })
    const last = paid(Client.payLast(client, { price: 9n, at: startedAt, reading: 'repaired' }, entropy))
    const claim = { first: client.opening.transaction, last: last.transaction, receipt: last.receipt }
    expect(Bank.record(bank, { ...claim, last: { ...last.transaction, amount: 10n } })).toMatchObject({
      reason: 'BadReceipt',
    })
    expect(Bank.record(bank, { ...claim, last: { ...last.transaction, amount: 1_001n } })).toMatchObject({
      reason: 'OverTotal',
    })
    expect(Bank.record(bank, { ...claim, last: { ...last.transaction, vendor: claim.first.client } })).toMatchObject({
      reason: 'OtherParties',
    })
    expect(Bank.record(bank, { ...claim, first: { ...claim.first, at: 0n } })).toMatchObject({
      reason: 'UnknownChannel',
    })
    expect(Bank.record(bank, claim)).toMatchObject({ ok: true })
    expect(Bank.record(bank, claim)).toMatchObject({ reason: 'AlreadyRecorded' })
  })
})

describe('the parties', () => {
  const entropy = seeded('parties')
  const [client, vendor] = [entropy(32), entropy(32)]

  it('open a channel only when both score more than 50', () => {
    const bank = Bank.createBank(entropy)
    const { publicKey: clientKey } = ecdsa.createKeyPair(entropy)
    const request = { clientKey, client, vendor, total: 5n, at: startedAt }
    expect(Bank.open(bank, request, entropy)).toEqual({ ok: false, reason: 'ClientScore' })
    Bank.register(bank, client, 51)
    Bank.register(bank, vendor, 50)
    expect(Bank.open(bank, request, entropy)).toEqual({ ok: false, reason: 'VendorScore' })
    Bank.register(bank, vendor, 51)
    Bank.deduct(bank, client, 1)
    expect(Bank.open(bank, request, entropy)).toEqual({ ok: false, reason: 'ClientScore' })
    Bank.register(bank, client, 51)
    expect(Bank.open(bank, { ...request, total: 0n }, entropy)).toEqual({ ok: false, reason: 'TotalOutOfRange' })
    expect(Bank.open(bank, { ...request, total: 1n << 63n }, entropy)).toEqual({ ok: false, reason: 'TotalOutOfRange' })
    expect(Bank.open(bank, request, entropy)).toMatchObject({ ok: true })
    expect(Bank.open(bank, request, entropy)).toEqual({ ok: false, reason: 'SameOpening' })
    Bank.deduct(bank, client, 1_000)
    expect(bank.accounts.get(toHex(client))).toEqual({ score: 0 })
  })

  it('refuse an opening that the bank did not sign', () => {
    const { client: honest, bank } = openChannel({ seed: 'opening' })
    const { key, opening } = honest
    const bankKey = bank.key.publicKey
    const join = (forged: messages.Opening) => Client.joinChannel({ key, bankKey, opening: forged }, entropy).ok
    expect(join(opening)).toBe(true)
    expect(join({ ...opening, total: opening.total + 1n })).toBe(false)
    expect(join({ ...opening, transaction: { ...opening.transaction, at: 0n } })).toBe(false)
    expect(join({ ...opening, receipt: changed(opening.receipt, 40) })).toBe(false)
  })

  it('stop at the total, and after the last payment', () => {
    const channel = openChannel({ seed: 'total', total: 10n })
    const purchase = { price: 6n, at: startedAt }
    const first = paid(Client.pay(channel.client, purchase, entropy))
    expect(Client.pay(channel.client, purchase, entropy)).toEqual({ ok: false, reason: 'OverTotal' })
    expect(Client.pay(channel.client, { ...purchase, price: -1n }, entropy)).toEqual({ ok: false, reason: 'OverTotal' })
    const last = paid(Client.payLast(channel.client, { price: 4n, at: startedAt, reading: 'repaired' }, entropy))
    expect(Client.pay(channel.client, { ...purchase, price: 0n }, entropy)).toEqual({ ok: false, reason: 'AfterLast' })
    expect(Vendor.receive(channel.vendor, first)).toEqual({ ok: true })
    expect(Vendor.receiveLast(channel.vendor, last)).toEqual({ ok: true })
    expect(Vendor.receive(channel.vendor, first)).toEqual({ ok: false, reason: 'AfterLast' })
  })

  it('refuse what is out of order, and keep nothing of it', () => {
    const channel = openChannel({ seed: 'order' })
    const purchase = { price: 1n, at: startedAt }
    const [one, two] = [1, 2].map(() => paid(Client.pay(channel.client, purchase, entropy))) as [
      messages.Payment,
      messages.Payment,
    ]
    expect(Vendor.receive(channel.vendor, one)).toEqual({ ok: true })
    const refused: [Partial<messages.Payment>, string][] = [
      [{ transaction: { ...two.transaction, vendor: two.transaction.client } }, 'OtherVendor'],
      [{ f: one.f }, 'BrokenChain'],
      [{ transaction: { ...two.transaction, amount: 0n } }, 'AmountFell'],
      [{ transaction: { ...two.transaction, at: 0n } }, 'TimeFell'],
    ]
    for (const [change, reason] of refused) {
      expect(Vendor.receive(channel.vendor, { ...two, ...change })).toEqual({ ok: false, reason })
    }
    expect(channel.vendor.payments).toEqual([one])
    expect(Vendor.receive(channel.vendor, two)).toEqual({ ok: true })
  })
})

describe('what is sent and computed', () => {
  it('is the formula of the paper literally, and one lock more repaired', () => {
    const literal = runOf(10, 'literal').sent
    const repaired = runOf(10, 'repaired').sent
    expect(literal.client).toEqual({ sig: 1, f: 10, h: 9, tx: 10, bytes: 10 * 176 })
    expect(repaired.client).toEqual({ sig: 1, f: 10, h: 10, tx: 10, bytes: 9 * 176 + 240 })
    for (const sent of [literal, repaired]) {
      expect(sent.vendor).toEqual({ sig: 0, f: 0, h: 0, tx: 0, bytes: 0 })
      expect(sent.bank).toEqual({ sig: 1, f: 0, h: 0, tx: 1, bytes: 216 })
    }
  })

  it('is one signature, one chain step and one lock a payment; the vendor verifies what it opens', () => {
    const literal = runOf(10, 'literal').operations
    const repaired = runOf(10, 'repaired').operations
    expect(literal.client).toEqual({ sig: 10, vf: 1, f: 10, h: 9 })
    expect(repaired.client).toEqual({ sig: 10, vf: 1, f: 10, h: 10 })
    // f_1 can be held against nothing, so ten payments are nine checks; the literal release tries two locks and stops.
    expect(literal.vendor).toEqual({ sig: 0, vf: 3, f: 9, h: 2 })
    expect(repaired.vendor).toEqual({ sig: 0, vf: 11, f: 9, h: 10 })
    expect(repaired.bank).toEqual({ sig: 1, vf: 1, f: 0, h: 0 })
  })
})

function changed(bytes: Uint8Array, index: number): Uint8Array {
  return bytes.map((byte, each) => (each === index ? byte ^ 1 : byte))
}
