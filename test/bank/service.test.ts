import { describe, expect, test } from 'vitest'
import { equal } from '../../src/crypto/bytes.ts'
import { lockSchemes } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import type { Reason } from '../../src/protocol/index.ts'
import { amount, amountMax, unixSeconds } from '../../src/wire/amount.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Record from '../../src/wire/Record.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import { account, bankKey, bytesOf, frameKey, must, now, vendorKey } from '../protocol/world.ts'
import { asset, buy, claimOf, closeOf, openWorld, type ProposalChange, propose, rules, worldOf } from './channels.ts'
import { contents, openBank, openFundedBank, query, reasonOf } from './support.ts'

const stranger = Schnorr.keyPair(bytesOf('stranger'))
const poor = Schnorr.keyPair(bytesOf('poor'))
const doubtful = Schnorr.keyPair(bytesOf('doubtful'))

describe('a channel', () => {
  test.each(['schnorr', 'ecdsa-xor'] as const)(
    'with %s locks opens, closes and pays both sides',
    async (lockScheme) => {
      const { bank, path } = await openFundedBank(500_000n)
      const world = await openWorld(bank, 'one', { lockScheme })
      expect(await bank.balance(account.publicKey, asset)).toEqual({ ok: true, balance: 400_000n })
      expect(await bank.status(world.client.channelId)).toMatchObject({ status: 'open', funds: 100_000n, asset })
      buy(world, 10)

      const closed = must(await bank.close(claimOf(world)))
      expect(closed).toMatchObject({ settled: 200n, refund: 99_800n, basis: 'claimed', receipt: world.opened.receipt })
      expect(await bank.balance(account.publicKey, asset)).toEqual({ ok: true, balance: 499_800n })
      expect(await bank.balance(vendorKey.publicKey, asset)).toEqual({ ok: true, balance: 200n })
      expect(await bank.status(world.client.channelId)).toMatchObject({
        status: 'closed',
        settled: 200n,
        record: 'queued',
      })
      expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
    },
  )

  test('opens with a receipt, a commitment and a grant that are the bank’s', async () => {
    const { bank } = await openFundedBank()
    const { opened, client, terms } = await openWorld(bank, 'one')
    const scheme = lockSchemes.schnorr
    const digest = Transaction.openingDigest(Transaction.opening(client.terms, client.channelId))
    expect(scheme.verify({ publicKey: bankKey.publicKey, digest, receipt: opened.receipt })).toBe(true)
    expect(scheme.commit(opened.receipt)).toEqual(opened.commitment)
    expect(terms).toHaveLength(344)
  })

  test('closes with nothing paid, and refunds everything', async () => {
    const { bank } = await openFundedBank(100_000n)
    const world = await openWorld(bank, 'one')
    expect(must(await bank.close(claimOf(world)))).toMatchObject({ settled: 0n, refund: 100_000n, basis: 'claimed' })
    expect(await bank.balance(account.publicKey, asset)).toEqual({ ok: true, balance: 100_000n })
  })

  test('pays all of its funds where all of them are proven', async () => {
    const { bank } = await openFundedBank(640n)
    const world = await openWorld(bank, 'one', { funds: amount(640n) })
    buy(world, 32)
    expect(must(await bank.close(claimOf(world)))).toMatchObject({ settled: 640n, refund: 0n })
    expect(await bank.balance(account.publicKey, asset)).toEqual({ ok: true, balance: 0n })
  })

  test('leaves a record of the opening, the last transaction and the sum', async () => {
    const { bank, store } = await openFundedBank()
    const world = await openWorld(bank, 'one')
    buy(world, 3)
    must(await bank.close(claimOf(world)))
    const record = Record.parse((await store.record(world.client.channelId))!.record)
    expect(record).toMatchObject({ ok: true, value: { settled: 60n, basis: 'claimed' } })
    if (!record.ok) return
    expect(record.value.opening).toEqual(Transaction.opening(world.client.terms, world.client.channelId))
    expect(Transaction.transactionLayout.parse(record.value.last)).toMatchObject({ value: { index: 3, amount: 60n } })
  })
})

describe('repetition', () => {
  test('of an opening gets the same bytes and opens nothing else, even after the command has expired', async () => {
    const { bank, path, setClock } = await openFundedBank()
    const { bytes } = propose('one')
    const first = must(await bank.open(bytes)).opened
    const before = contents(path)
    await setClock(now + 3_000n)
    expect(must(await bank.open(bytes)).opened).toEqual(first)
    expect(contents(path)).toEqual(before)
  })

  test('of a command’s id with another body is refused', async () => {
    const { bank, path } = await openFundedBank()
    must(await bank.open(propose('one').bytes))
    const before = contents(path)
    const other = propose('two', { commandId: bytesOf('one command', 16) })
    expect(reasonOf(await bank.open(other.bytes))).toBe('CommandConflict')
    expect(contents(path)).toEqual(before)
  })

  test('of a command’s id by another account is another command', async () => {
    const { bank } = await openFundedBank()
    must(await bank.register(poor.publicKey))
    must(await bank.deposit(poor.publicKey, asset, 100_000n))
    must(await bank.open(propose('one').bytes))
    const other = propose('two', { commandId: bytesOf('one command', 16), client: poor })
    expect(reasonOf(await bank.open(other.bytes))).toBe('ok')
  })

  test('of an opening sent many times at once opens one channel', async () => {
    const { bank } = await openFundedBank(100_000n)
    const { bytes } = propose('one')
    const answers = await Promise.all(Array.from({ length: 8 }, () => bank.open(bytes)))
    const [first] = answers
    for (const answer of answers) expect(answer).toEqual(first)
    expect(await bank.balance(account.publicKey, asset)).toEqual({ ok: true, balance: 0n })
  })

  test('of a close gets the same answer, whenever it comes', async () => {
    const { bank, path, setClock } = await openFundedBank()
    const world = await openWorld(bank, 'one')
    buy(world, 3)
    const claim = claimOf(world)
    const first = await bank.close(claim)
    await setClock(now + 10_000n)
    const before = contents(path)
    expect(await bank.close(claim)).toEqual(first)
    expect(contents(path)).toEqual(before)
  })

  test('of a registration changes nothing', async () => {
    const { bank } = openBank()
    const first = must(await bank.register(account.publicKey, 77))
    expect(await bank.register(account.publicKey, 10)).toEqual(first)
    expect(first.account).toEqual({ account: account.publicKey, reputation: 77, registeredAt: now })
  })
})

describe('of two that cross', () => {
  test('two closes: one moves the money, the other is refused', async () => {
    const { bank, path } = await openFundedBank(100_000n)
    const world = await openWorld(bank, 'one')
    buy(world, 10)
    const claims = [claimOf(world), claimOf(world, { amount: amount(100n) })]
    const results = await Promise.all(claims.map((claim) => bank.close(claim)))
    expect(results.map(reasonOf).sort()).toEqual(['ChannelClosed', 'ok'])
    const won = results.find((result) => result.ok)
    expect(await bank.balance(vendorKey.publicKey, asset)).toEqual({ ok: true, balance: won?.ok && won.settled })
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
    expect(query(path, `SELECT count(*) AS count FROM entries WHERE kind IN ('settle', 'credit')`)).toEqual([
      { count: 2n },
    ])
  })

  test('two closes at two processes of one bank: one moves the money', async () => {
    const { bank, path } = await openFundedBank(100_000n)
    const world = await openWorld(bank, 'one')
    buy(world, 10)
    const other = openBank({ path }).bank
    const [mine, its] = await Promise.all([
      bank.close(claimOf(world)),
      other.close(claimOf(world, { amount: amount(7n) })),
    ])
    expect([mine, its].map(reasonOf).sort()).toEqual(['ChannelClosed', 'ok'])
    expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
  })

  test('two openings for the last money: one gets it', async () => {
    const { bank } = await openFundedBank(150_000n)
    const results = await Promise.all(['one', 'two'].map((label) => bank.open(propose(label).bytes)))
    expect(results.map(reasonOf).sort()).toEqual(['BalanceTooLow', 'ok'])
    expect(await bank.balance(account.publicKey, asset)).toEqual({ ok: true, balance: 50_000n })
  })

  test('two openings with one channel key: one gets it', async () => {
    const { bank } = await openFundedBank()
    const commands = ['one', 'two'].map((label) =>
      propose(label, { secretsOf: 'both', funds: amount(label === 'one' ? 1_000n : 2_000n) }),
    )
    const results = await Promise.all(commands.map(({ bytes }) => bank.open(bytes)))
    expect(results.map(reasonOf).sort()).toEqual(['ChannelKeyReused', 'ok'])
  })
})

describe('an opening is refused, and nothing of it stored, for', () => {
  const late = { openedAt: unixSeconds(now - 301n), expiresAt: unixSeconds(now + 3600n) }
  const cases: readonly (readonly [Reason, ProposalChange])[] = [
    ['BankMismatch', { bank: stranger.publicKey }],
    ['NetworkMismatch', { network: 'eip155:1' }],
    ['AssetMismatch', { asset: 'GBP/2' }],
    ['CommandExpired', { validUntil: unixSeconds(now - 1n) }],
    ['ClockSkewed', late],
    ['ClockSkewed', { openedAt: unixSeconds(now + 301n) }],
    ['LifeOutOfRange', { expiresAt: unixSeconds(now + 59n) }],
    ['LifeOutOfRange', { expiresAt: unixSeconds(now + 367n * 86_400n) }],
    ['LifeOutOfRange', { graceSeconds: 59 }],
    ['FundsTooSmall', { funds: amount(640n) }],
    ['AccountUnknown', { client: stranger }],
    ['VendorUnknown', { vendor: stranger.publicKey }],
    ['ReputationTooLow', { client: doubtful }],
    ['ReputationTooLow', { vendor: doubtful.publicKey }],
    ['BalanceTooLow', { client: poor }],
    ['ChannelKeyReused', { secretsOf: 'known', funds: amount(2_000n) }],
  ]
  test.each(cases)('%s: %o', async (reason, change) => {
    const { bank, path } = await openFundedBank(1_000_000n, { rules: { ...rules, fundsMin: 1_000n } })
    must(await bank.register(poor.publicKey))
    must(await bank.register(doubtful.publicKey, 50))
    must(await bank.deposit(doubtful.publicKey, asset, 1_000_000n))
    must(await bank.open(propose('known').bytes))
    const before = contents(path)
    const { bytes, channelId } = propose('new', change)
    expect(reasonOf(await bank.open(bytes))).toBe(reason)
    expect(contents(path)).toEqual(before)
    expect(await bank.status(channelId)).toBeUndefined()
  })

  test('SignatureInvalid and Malformed: any byte of the command changed', async () => {
    const { bank, path } = await openFundedBank()
    const before = contents(path)
    const { bytes } = propose('one')
    for (let index = 0; index < bytes.length; index += 7) {
      const changed = bytes.slice()
      changed[index]! ^= 0x20
      const result = await bank.open(changed)
      expect(result.ok, `byte ${index}`).toBe(false)
    }
    expect(reasonOf(await bank.open(bytes.slice(1)))).toBe('Malformed')
    expect(reasonOf(await bank.open(new Uint8Array(0)))).toBe('Malformed')
    expect(contents(path)).toEqual(before)
    must(await bank.open(bytes))
  })

  test('a reason that passes: the same command is carried out once it has', async () => {
    const { bank } = await openFundedBank(1_000n)
    const { bytes } = propose('one')
    expect(reasonOf(await bank.open(bytes))).toBe('BalanceTooLow')
    must(await bank.deposit(account.publicKey, asset, 99_000n))
    expect(reasonOf(await bank.open(bytes))).toBe('ok')
  })
})

describe('a close is refused, and nothing of it stored, for', () => {
  async function opened() {
    const test = await openFundedBank()
    const world = await openWorld(test.bank, 'one')
    buy(world, 5)
    return { ...test, world }
  }

  test('ChannelUnknown, SignatureInvalid, EvidenceInvalid, AmountUnproven, Malformed', async () => {
    const { bank, path, world } = await opened()
    const before = contents(path)
    const close = closeOf(world)
    const { evidence } = close
    if (evidence.kind !== 'coins') throw new Error('a vendor without a release claims with coins')
    const refused: readonly (readonly [Reason, Uint8Array])[] = [
      ['ChannelUnknown', claimOf(world, { channelId: bytesOf('another') })],
      ['SignatureInvalid', Close.encode({ ...close, amount: amount(99n) })],
      ['SignatureInvalid', Close.encode(Close.sign(frameKey, close))],
      ['AmountUnproven', claimOf(world, { amount: amount(101n) })],
      ['AmountUnproven', claimOf(world, { evidence: { kind: 'none' } })],
      ['EvidenceInvalid', claimOf(world, { evidence: { ...evidence, step: evidence.step + 1 } })],
      ['EvidenceInvalid', claimOf(world, { transcript: bytesOf('another') })],
      [
        'EvidenceInvalid',
        claimOf(world, { evidence: { kind: 'receipts', first: world.opened.receipt, last: world.opened.receipt } }),
      ],
      ['Malformed', claimOf(world).subarray(1)],
      ['Malformed', new Uint8Array(0)],
    ]
    for (const [reason, claim] of refused) expect(reasonOf(await bank.close(claim))).toBe(reason)
    expect(contents(path)).toEqual(before)
    expect(must(await bank.close(Close.encode(close)))).toMatchObject({ settled: 100n })
  })

  test('DeadlinePassed, from the second after it', async () => {
    const { bank, path, world, setClock } = await opened()
    const other = await openWorld(bank, 'two')
    const { expiresAt, graceSeconds } = world.client.terms
    await setClock(expiresAt + BigInt(graceSeconds))
    expect(reasonOf(await bank.close(claimOf(other)))).toBe('ok')
    await setClock(expiresAt + BigInt(graceSeconds) + 1n)
    const before = contents(path)
    expect(reasonOf(await bank.close(claimOf(world)))).toBe('DeadlinePassed')
    expect(contents(path)).toEqual(before)
  })

  test('ChannelClosed: another claim on a closed channel, however good', async () => {
    const { bank, path, world } = await opened()
    must(await bank.close(claimOf(world, { amount: amount(1n) })))
    const before = contents(path)
    expect(reasonOf(await bank.close(claimOf(world)))).toBe('ChannelClosed')
    expect(contents(path)).toEqual(before)
  })
})

describe('the operator', () => {
  test('registers only public keys, with a reputation of 0 to 100', async () => {
    const { bank } = openBank()
    expect(reasonOf(await bank.register(new Uint8Array(31)))).toBe('Malformed')
    expect(reasonOf(await bank.register(new Uint8Array(32).fill(255)))).toBe('Malformed')
    for (const reputation of [-1, 101, 1.5, Number.NaN]) {
      expect(reasonOf(await bank.register(account.publicKey, reputation))).toBe('Malformed')
    }
    expect(must(await bank.register(account.publicKey)).account.reputation).toBe(rules.reputationNew)
  })

  test('deposits only what an account can have', async () => {
    const { bank, path } = openBank()
    must(await bank.register(account.publicKey))
    must(await bank.register(vendorKey.publicKey))
    const before = contents(path)
    expect(reasonOf(await bank.deposit(stranger.publicKey, asset, 1n))).toBe('AccountUnknown')
    expect(reasonOf(await bank.deposit(account.publicKey, 'GBP/2', 1n))).toBe('AssetMismatch')
    expect(reasonOf(await bank.deposit(account.publicKey, asset, 0n))).toBe('Malformed')
    expect(reasonOf(await bank.deposit(account.publicKey, asset, -1n))).toBe('Malformed')
    expect(reasonOf(await bank.deposit(account.publicKey, asset, amountMax + 1n))).toBe('Malformed')
    expect(contents(path)).toEqual(before)
  })

  test('deposits no more of an asset than any balance could hold', async () => {
    const { bank } = openBank()
    must(await bank.register(account.publicKey))
    must(await bank.register(vendorKey.publicKey))
    expect(await bank.deposit(account.publicKey, asset, amountMax)).toEqual({ ok: true, balance: amountMax })
    expect(reasonOf(await bank.deposit(vendorKey.publicKey, asset, 1n))).toBe('Malformed')
    expect(reasonOf(await bank.deposit(vendorKey.publicKey, 'EUR/2', 1n))).toBe('ok')
  })

  test('moves sums to the last unit, beyond what a float can hold', async () => {
    const { bank } = await openFundedBank(amountMax)
    const world = await openWorld(bank, 'one', { funds: amountMax })
    buy(world, 1)
    expect(must(await bank.close(claimOf(world)))).toMatchObject({ settled: 20n, refund: amountMax - 20n })
    expect(await bank.balance(account.publicKey, asset)).toEqual({ ok: true, balance: amountMax - 20n })
  })

  test('cannot name a network that is not the chain’s', () => {
    expect(() => openBank({ rules: { ...rules, network: 'eip155:1' } })).toThrow('eip155:1')
  })
})

test('the receipt of an opening is given at the close, not before', async () => {
  const { bank, path } = await openFundedBank()
  const command = propose('one')
  const world = worldOf(command, must(await bank.open(command.bytes)).opened)
  expect(Object.values((await bank.status(command.channelId))!)).not.toContainEqual(world.opened.receipt)
  const { receipt } = must(await bank.close(claimOf(world)))
  expect(equal(receipt, world.opened.receipt)).toBe(true)
  expect(query(path, 'SELECT * FROM imbalances')).toEqual([])
})
