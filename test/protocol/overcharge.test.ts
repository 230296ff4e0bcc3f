import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Bank, Client, type Refusal, Vendor } from '../../src/protocol/index.ts'
import { amount, type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import * as Closing from '../../src/wire/Closing.ts'
import { fork } from './adversary.ts'
import { booked, claimOf, clockAt, closingOf, closingOver, nameOf, post, settledChannel } from './bankWorld.ts'
import { flip } from './cheats.ts'
import { account, bytesOf, createWorld, deliver, must, now, payClient, serve, vendorKey, type World } from './world.ts'

const rich = { balance: 1_000_000n, locked: 500n }

/** Ten payments of 10, charged for 60: the rest of 100 is credit. */
function served(label: string): World {
  const world = createWorld({ label, funds: 1_000n, segmentLength: 64 })
  for (let count = 0; count < 10; count++) must(deliver(world, payClient(world, 10n)))
  for (let count = 1; count <= 6; count++) serve(world, count, 10n)
  return world
}

const world = served('overcharged')
const other = served('another')
/** The vendor claims 40 more than its closing says: all that the coins prove. */
const cheated = settledChannel(world, claimOf(world, { amount: amount(100n) }))
const deadline = Bank.BankClock.deadline(world.bank.terms)

function judge(
  closing: Closing.Closing,
  change: { channel?: Bank.BookedChannel; returned?: bigint; vendor?: typeof rich; at?: UnixSeconds } = {},
): Refusal | Bank.Overcharge {
  const { channel = cheated, returned = 0n, vendor = rich, at = now } = change
  return Bank.assessOvercharge({ closing, channel, returned, vendor, now: at })
}

describe('an overcharge', () => {
  it('is shown by the closing alone, and given back to the client', () => {
    const verdict = judge(closingOf(world))
    expect(verdict).toMatchObject({ ok: true, cause: 'overcharge', difference: 40n, debt: undefined })
    const balances = new Map([[`USD/6 ${nameOf({ place: 'account', owner: vendorKey.publicKey })}`, 1_000n]])
    post(balances, must(verdict).entries)
    expect(balances.get(`USD/6 ${nameOf({ place: 'account', owner: vendorKey.publicKey })}`)).toBe(960n)
    expect(balances.get(`USD/6 ${nameOf({ place: 'account', owner: account.publicKey })}`)).toBe(40n)
  })

  it('is no overcharge where the claim is what the closing says, or less', () => {
    for (const claimed of [0n, 59n, 60n]) {
      const channel = settledChannel(world, claimOf(world, { amount: amount(claimed) }))
      expect(judge(closingOf(world), { channel })).toMatchObject({ reason: 'EvidenceInvalid' })
    }
  })

  it('comes from the balance, then from the locked deposit, then stays a debt', () => {
    for (const [balance, locked, owed] of [
      [40n, 0n, undefined],
      [39n, 1n, undefined],
      [30n, 7n, 3n],
      [0n, 40n, undefined],
      [0n, 0n, 40n],
    ] as const) {
      const { entries, debt, difference } = must(judge(closingOf(world), { vendor: { balance, locked } }))
      const moved = entries.find(({ kind }) => kind === 'restitution')?.transfers[0]?.amount ?? 0n
      expect(debt?.amount).toBe(owed)
      expect(moved + (debt?.amount ?? 0n)).toBe(difference)
    }
  })

  it('is given back once, and further by a closing that says less', () => {
    expect(judge(closingOf(world), { returned: 40n })).toMatchObject({ reason: 'EvidenceRepeated' })
    expect(judge(closingOver(world, 70n), { returned: 40n })).toMatchObject({ reason: 'EvidenceRepeated' })
    expect(judge(closingOver(world, 55n), { returned: 40n })).toMatchObject({ ok: true, difference: 5n })
  })

  it('is looked at until seven days after the deadline, to the second', () => {
    const last = unixSeconds(deadline + Bank.overchargeSeconds)
    expect(judge(closingOf(world), { at: last })).toMatchObject({ ok: true })
    expect(judge(closingOf(world), { at: unixSeconds(last + 1n) })).toMatchObject({ reason: 'EvidenceTooLate' })
  })

  it('is none on a channel that paid nothing out', () => {
    for (const status of ['open', 'expired'] as const) {
      const channel = booked(world, { standing: { status } })
      expect(judge(closingOf(world), { channel })).toMatchObject({ reason: 'ChannelNotSettled' })
    }
  })

  it('is shown by no closing but the vendor’s own of this channel, byte for byte', () => {
    const stranger = Schnorr.keyPair(bytesOf('a stranger'))
    for (const key of [stranger, world.client.key, account]) {
      expect(judge(Closing.sign(key, closingOf(world)))).toMatchObject({ reason: 'SignatureInvalid' })
    }
    expect(judge(closingOf(other))).toMatchObject({ reason: 'ChannelUnknown' })
    const { channelId } = world.client
    expect(judge({ ...closingOf(other), channelId })).toMatchObject({ reason: 'SignatureInvalid' })
    const bytes = Closing.encode(closingOf(world))
    for (let at = 0; at < bytes.length; at++) {
      const parsed = Closing.parse(flip(bytes, at))
      if (parsed.ok) expect(judge(parsed.value).ok, `byte ${at}`).toBe(false)
    }
  })
})

describe('a debt', () => {
  const { debt } = must(judge(closingOf(world), { vendor: { balance: 0n, locked: 0n } }))

  it('is paid by what comes in, in any parts, and moves each unit once', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt(0n, 30n), { maxLength: 12 }), (income) => {
        const vendor = `USD/6 ${nameOf({ place: 'account', owner: vendorKey.publicKey })}`
        const client = `USD/6 ${nameOf({ place: 'account', owner: account.publicKey })}`
        const second = { ...debt!, reference: bytesOf('another closing'), amount: 13n }
        let debts: readonly Bank.Debt[] = [debt!, second]
        const balances = new Map<string, bigint>()
        const posted = new Set<string>()
        let total = 0n
        for (const amount of income) {
          total += amount
          balances.set(vendor, (balances.get(vendor) ?? 0n) + amount)
          const paid = Bank.repay(debts, balances.get(vendor)!)
          post(balances, paid.entries, posted)
          debts = paid.debts
          // Nothing is kept while something is owed.
          if (debts.length > 0) expect(balances.get(vendor)).toBe(0n)
        }
        const owed = debts.reduce((sum, { amount }) => sum + amount, 0n)
        expect((balances.get(client) ?? 0n) + owed).toBe(53n)
        expect((balances.get(client) ?? 0n) + (balances.get(vendor) ?? 0n)).toBe(total)
      }),
    )
  })

  it('changes nothing where nothing is there', () => {
    expect(Bank.repay([debt!], 0n)).toEqual({ entries: [], debts: [debt!] })
    expect(Bank.repay([], 100n)).toEqual({ entries: [], debts: [] })
  })
})

describe('a vendor that runs as it should', () => {
  it('charges nothing after its closing, and claims no more than it said', () => {
    const { vendor, client } = fork(world)
    const closing = must(Vendor.createClosing(vendor, vendorKey)).closing
    expect(Vendor.reserve(vendor, 7, 0n)).toMatchObject({ reason: 'ChannelClosed' })
    must(Client.release(client, closing))
    const chain = claimOf({ ...world, vendor })
    expect(judge(closing, { channel: settledChannel(world, chain) })).toMatchObject({ reason: 'EvidenceInvalid' })
  })

  /** Why a vendor whose store came back old states no last, and charges nothing, before it has asked the bank. */
  it('could be framed if it stated its last again from an old store: it must not', () => {
    const old = fork(world)
    const later = fork(world)
    serve(later, 7, 10n)
    const channel = settledChannel(later, claimOf(later))
    expect(judge(closingOf(later), { channel })).toMatchObject({ reason: 'EvidenceInvalid' })
    // The closing that the old store would sign.
    expect(judge(closingOf(old), { channel })).toMatchObject({ ok: true, difference: 10n })
    // A claim from the old store shows nothing against it.
    const claimed = settledChannel(old, claimOf(old))
    expect(judge(closingOf(later), { channel: claimed })).toMatchObject({ reason: 'EvidenceInvalid' })
  })

  it('could be framed if it charged, from an old store, for what ran when the copy was made: it must not', () => {
    const old = fork(world)
    const { reservation } = must(Vendor.reserve(old.vendor, 7, 10n))
    // In the life that was lost the request failed: nothing was charged, and the last was stated.
    const lost = closingOf(world)
    const charged = fork(old)
    Vendor.charge(charged.vendor, { ...reservation }, 10n)
    const claimed = settledChannel(charged, claimOf(charged))
    expect(judge(lost, { channel: claimed })).toMatchObject({ ok: true, difference: 10n })
    Vendor.settle(old.vendor, reservation)
    expect(judge(lost, { channel: settledChannel(old, claimOf(old)) })).toMatchObject({ reason: 'EvidenceInvalid' })
  })
})

describe('the time that counts', () => {
  it('is the channel’s own: a bank that was away for weeks still takes the proof', () => {
    const { terms } = world.bank
    const month = 30n * 86_400n
    const clock = { ...clockAt(terms.expiresAt + month), uptime: 5n }
    const time = Bank.BankClock.timeOf(clock, terms, 0n)
    expect(time).toBe(terms.expiresAt + 5n)
    expect(judge(closingOf(world), { at: time })).toMatchObject({ ok: true })
  })
})
