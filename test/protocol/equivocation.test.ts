import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, type Client, type Refusal } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Equivocation from '../../src/wire/Equivocation.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import { fork } from './adversary.ts'
import { flip, raised } from './cheats.ts'
import { account, bankKey, bytesOf, createWorld, now, payClient, read, vendorKey, type World } from './world.ts'

function judge(world: World, evidence: Equivocation.Equivocation): Refusal | Bank.Proven {
  return judgeBytes(world, Equivocation.encode(evidence))
}

function judgeBytes({ bank }: World, bytes: Uint8Array): Refusal | Bank.Proven {
  const parsed = Equivocation.parse(bytes)
  return parsed.ok ? Bank.assessEquivocation(parsed.value, bank) : parsed
}

function signed({ core, receipt }: Client.Paid): Equivocation.SignedTransaction {
  return { transaction: core.slice(0, 84), receipt }
}

describe.each(['schnorr', 'ecdsa-xor'] as const)('two receipts for one payment, %s,', (lockScheme) => {
  const world = createWorld({ lockScheme, label: 'equivocates' })
  const other = createWorld({ lockScheme, label: 'equivocates too' })
  payClient(world, 10n)
  // One backup, two lives: each goes on from payment 1.
  const [here, there] = [fork(world), fork(world)]
  const [bread, wine] = [payClient(here, 10n, 'bread'), payClient(there, 20n, 'wine')]
  const good = Equivocation.create(signed(bread), signed(wine))
  const again = (transaction: Transaction.Transaction, key: Schnorr.KeyPair): Equivocation.SignedTransaction => {
    const encoded = Transaction.encode(transaction)
    return { transaction: encoded, receipt: here.client.scheme.sign(key, Transaction.transactionDigest(encoded)) }
  }
  const breadTransaction = read(Transaction.transactionLayout.parse(signed(bread).transaction))

  it('of a client that went on twice from one state are accepted, in either order of finding', () => {
    expect(bread.index).toBe(wine.index)
    expect(judge(world, good)).toEqual({ ok: true, cause: 'equivocation' })
    expect(Equivocation.create(signed(wine), signed(bread))).toEqual(good)
  })

  it('are accepted whatever the two differ in', () => {
    const { key } = here.client
    for (const change of [
      { amount: amount(breadTransaction.amount + 1n) },
      { paidAt: unixSeconds(now + 1n) },
      { digest: bytesOf('wine') },
    ]) {
      const evidence = Equivocation.create(signed(bread), again({ ...breadTransaction, ...change }, key))
      expect(judge(world, evidence)).toEqual({ ok: true, cause: 'equivocation' })
    }
  })

  it('are refused with any one byte changed', () => {
    const bytes = Equivocation.encode(good)
    for (let at = 0; at < bytes.length; at++) {
      const verdict = judgeBytes(world, flip(bytes, at, 1 << (at & 7)))
      expect(verdict.ok, `byte ${at}`).toBe(false)
    }
  })

  it('are refused where one is anybody else’s', () => {
    const changed = { ...breadTransaction, digest: bytesOf('wine') }
    for (const key of [vendorKey, bankKey, account, other.client.key]) {
      const evidence = Equivocation.create(signed(bread), again(changed, key))
      expect(judge(world, evidence)).toMatchObject({ reason: 'EvidenceInvalid' })
    }
  })

  it('are refused of two payments, of two channels, of one transaction, and on another channel', () => {
    const later = payClient(fork(here), 10n, 'cheese')
    const apart = { first: signed(bread), second: signed(later) }
    expect(judge(world, apart)).toMatchObject({ detail: 'equivocation: two indices' })
    payClient(other, 10n)
    const elsewhere = Equivocation.create(signed(bread), signed(payClient(fork(other), 10n, 'bread')))
    expect(judge(world, elsewhere)).toMatchObject({ detail: 'equivocation: two channels' })
    expect(judge(other, good)).toMatchObject({ reason: 'ChannelUnknown' })
    expect(judge(world, { first: signed(bread), second: signed(bread) })).toMatchObject({ reason: 'Malformed' })
  })

  it('are refused with two signatures on one transaction, and under the other scheme', () => {
    const { first, second } = good
    if (lockScheme === 'ecdsa-xor') {
      expect(judge(world, { first, second: { ...second, receipt: raised(second.receipt) } })).toMatchObject({
        ok: false,
      })
    }
    const terms = { ...world.bank.terms, lockScheme: lockScheme === 'schnorr' ? 'ecdsa-xor' : 'schnorr' } as const
    const parsed = read(Equivocation.parse(Equivocation.encode(good)))
    expect(Bank.assessEquivocation(parsed, { ...world.bank, terms })).toMatchObject({ reason: 'EvidenceInvalid' })
  })

  it('are refused in whatever a vendor makes up beside one receipt', () => {
    const made = fc.record({
      amount: fc.bigInt(0n, 1_000_000n).map(amount),
      digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      receipt: fc.oneof(
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        fc.constantFrom(bread.receipt, wine.receipt, new Uint8Array(64), new Uint8Array(64).fill(0xff)),
      ),
    })
    fc.assert(
      fc.property(made, ({ receipt, ...change }) => {
        const transaction = Transaction.encode({ ...breadTransaction, ...change })
        expect(judge(world, Equivocation.create(signed(bread), { transaction, receipt })).ok).toBe(false)
      }),
      { numRuns: 30 },
    )
  })
})
