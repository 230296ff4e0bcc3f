/** Each bound of each message, from both sides. What a message means together with others is the machines' to judge. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, fromHex, utf8 } from '../../src/crypto/bytes.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import { amount, amountMax, unixSeconds } from '../../src/wire/amount.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Command from '../../src/wire/Command.ts'
import * as Equivocation from '../../src/wire/Equivocation.ts'
import * as Frame from '../../src/wire/Frame.ts'
import * as Open from '../../src/wire/Open.ts'
import type { Parsed } from '../../src/wire/parsed.ts'
import * as Record from '../../src/wire/Record.ts'
import * as Statement from '../../src/wire/Statement.ts'
import * as Terms from '../../src/wire/Terms.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as any from './arbitraries.ts'
import { mac } from './codecs.ts'

const beyond = fromHex('8000000000000000')
const amountMaxTime = unixSeconds(amountMax)
const noPoint = fromHex('0000000000000000000000000000000000000000000000000000000000000000')

describe('terms', () => {
  const good = {
    ...sample(any.terms),
    segmentLength: 1024,
    graceSeconds: 0,
    unitPrice: amount(20n),
    funds: amount(20_480n),
    openedAt: unixSeconds(1_700_000_000n),
    expiresAt: unixSeconds(1_700_000_001n),
    network: 'eip155:31337',
    asset: 'USD/6',
  }
  const changed = (change: Partial<Terms.Terms>): Parsed<unknown> => Terms.parse(Terms.encode({ ...good, ...change }))
  const patched = (offset: number, bytes: Uint8Array): Parsed<unknown> =>
    Terms.parse(patch(Terms.encode(good), offset, bytes))

  test('reach every bound', () => {
    expect(changed({})).toMatchObject({ ok: true })
    expect(changed({ segmentLength: 1, unitPrice: good.funds })).toMatchObject({ ok: true })
    expect(changed({ expiresAt: amountMaxTime })).toMatchObject({ ok: true })
    expect(changed({ network: '~'.repeat(32), asset: `${'A'.repeat(30)}/9` })).toMatchObject({ ok: true })
  })

  test.each<[string, Partial<Terms.Terms>, string]>([
    ['no coins', { segmentLength: 0 }, 'terms: segmentLength is 1 to 1,024'],
    ['1,025 coins', { segmentLength: 1025 }, 'terms: segmentLength is 1 to 1,024'],
    ['coins for nothing', { unitPrice: amount(0n) }, 'terms: unitPrice is at least 1'],
    ['coins worth more than the funds', { funds: amount(20_479n) }, 'terms: segment 0 is worth more than the funds'],
    ['coins worth more than 2^63', { unitPrice: amountMax }, 'terms: segment 0 is worth more than the funds'],
    ['no time', { expiresAt: good.openedAt }, 'terms: expiresAt is after openedAt'],
    ['an end before the start', { expiresAt: unixSeconds(0n) }, 'terms: expiresAt is after openedAt'],
    [
      'a deadline of 2^63',
      { expiresAt: amountMaxTime, graceSeconds: 1 },
      'terms: expiresAt + graceSeconds is below 2^63',
    ],
    [
      'an asset without decimals',
      { asset: 'USD' },
      'terms: an asset is CODE/decimals, such as USD/6, with at most 9 decimals',
    ],
    [
      'an asset of 10 decimals',
      { asset: 'USD/10' },
      'terms: an asset is CODE/decimals, such as USD/6, with at most 9 decimals',
    ],
    ['a bank key of no point', { bank: noPoint }, 'terms: bank is no public key'],
    ['a channel key of no point', { channelKey: noPoint }, 'terms: channelKey is no public key'],
    ['a vendor key of no point', { vendor: noPoint }, 'terms: vendor is no public key'],
    ['a frame key of no point', { vendorFrameKey: noPoint }, 'terms: vendorFrameKey is no public key'],
  ])('with %s are refused', (_, change, detail) => {
    expect(changed(change)).toEqual({ ok: false, reason: 'Malformed', detail })
  })

  test.each([
    ['version 0', 0, '00', 'terms.version: expected 0x1, got 0x0'],
    ['version 2', 0, '02', 'terms.version: expected 0x1, got 0x2'],
    ['lock scheme 2', 1, '02', 'terms.lockScheme: no such code: 2'],
    ['lock scheme 255', 1, 'ff', 'terms.lockScheme: no such code: 255'],
    ['funds of 2^63', 8, '8000000000000000', 'terms.funds: 2^63 or more'],
    ['a price of 2^64 − 1', 16, 'ffffffffffffffff', 'terms.unitPrice: 2^63 or more'],
    ['an opening time of 2^63', 24, '8000000000000000', 'terms.openedAt: 2^63 or more'],
    ['an end of 2^63', 32, '8000000000000000', 'terms.expiresAt: 2^63 or more'],
    ['a network with a zero inside', 56, '6500', 'terms.network: text after its zero fill'],
    ['a network that starts with a zero', 56, '00', 'terms.network: text after its zero fill'],
    ['no network', 56, '00'.repeat(32), 'terms.network: not printable ASCII without spaces'],
    ['a network with a space', 57, '20', 'terms.network: not printable ASCII without spaces'],
    ['a network with a delete', 57, '7f', 'terms.network: not printable ASCII without spaces'],
    ['a network in Latin-1', 57, 'e9', 'terms.network: not printable ASCII without spaces'],
    ['an asset with a zero inside', 88, '5500', 'terms.asset: text after its zero fill'],
    ['text at the end of the fill', 119, '41', 'terms.asset: text after its zero fill'],
  ])('with %s are refused', (_, offset, hex, detail) => {
    expect(patched(offset, fromHex(hex))).toEqual({ ok: false, reason: 'Malformed', detail })
  })

  test('are refused as such inside an attachment and an open', () => {
    const terms = Terms.encode({ ...good, segmentLength: 1025 })
    const refused = { ok: false, detail: 'terms: segmentLength is 1 to 1,024' }
    expect(Attachment.parse(Attachment.encode({ ...sample(any.attachments), terms }))).toMatchObject(refused)
    expect(Open.parse(Open.encode({ ...sample(any.opens), terms }))).toMatchObject(refused)
  })

  test('that have no encoding are a bug of who made them', () => {
    const wrong: readonly Partial<Terms.Terms>[] = [
      { version: 2 },
      { segmentLength: 65_536 },
      { segmentLength: 1.5 },
      { graceSeconds: -1 },
      { funds: (amountMax + 1n) as Terms.Terms['funds'] },
      { openedAt: -1n as Terms.Terms['openedAt'] },
      { network: '' },
      { network: 'a b' },
      { network: 'é' },
      { asset: 'A'.repeat(33) },
      { bank: new Uint8Array(31) },
      { coinSalt: new Uint8Array(17) },
      { lockScheme: 'none' as Terms.Terms['lockScheme'] },
    ]
    for (const change of wrong) expect(() => Terms.encode({ ...good, ...change })).toThrow(RangeError)
  })
})

describe('a checkpoint', () => {
  const good = sample(any.checkpoints)
  const changed = (change: Partial<Checkpoint.SignedCheckpoint>): Parsed<unknown> =>
    Checkpoint.parse(Checkpoint.encode({ ...good, ...change }))

  test('may open a segment of 1,024 coins, or none', () => {
    expect(changed({ nextLength: 1024 })).toMatchObject({ ok: true })
    expect(changed({ nextLength: 0 })).toMatchObject({ ok: true })
  })

  test.each<[string, Partial<Checkpoint.SignedCheckpoint>, string]>([
    ['segment 0', { segment: 0 }, 'checkpoint: segment 0 is opened by the terms'],
    ['1,025 coins', { nextLength: 1025 }, 'checkpoint: nextLength is at most 1,024'],
    ['coins for nothing', { nextUnitPrice: amount(0n) }, 'checkpoint: nextUnitPrice is at least 1'],
  ])('with %s is refused', (_, change, detail) => {
    expect(changed(change)).toEqual({ ok: false, reason: 'Malformed', detail })
  })

  test.each([
    ['an amount', 25, 'checkpoint.amount: 2^63 or more'],
    ['a price', 97, 'checkpoint.nextUnitPrice: 2^63 or more'],
  ])('with %s of 2^63 is refused', (_, offset, detail) => {
    expect(Checkpoint.parse(patch(Checkpoint.encode(good), offset, beyond))).toMatchObject({ ok: false, detail })
  })
})

describe('a payment', () => {
  const good = sample(any.payments(32))
  const changed = (change: Partial<Frame.Payment>): Parsed<unknown> =>
    Frame.parsePayment(Frame.encodePayment({ ...good, ...change }, mac))

  test('is number 1 or more, with coin 1,024 at most', () => {
    expect(changed({ index: 1, step: 1024 })).toMatchObject({ ok: true })
    expect(changed({ index: 0xffffffff, step: 0 })).toMatchObject({ ok: true })
    expect(changed({ index: 0 })).toMatchObject({ ok: false, detail: 'payment: indices start at 1' })
    expect(changed({ step: 1025 })).toMatchObject({ ok: false, detail: 'payment: a segment has at most 1,024 coins' })
  })

  test('is refused with a time of 2^63', () => {
    const encoded = patch(Frame.encodePayment(good, mac), 27, beyond)
    expect(Frame.parsePayment(encoded)).toMatchObject({ ok: false, detail: 'payment.paidAt: 2^63 or more' })
  })

  test('with a lock of another size than the schemes have is a bug of who made it', () => {
    for (const size of [0, 31, 33, 63, 65]) {
      expect(() => Frame.encodePayment({ ...good, lock: new Uint8Array(size) }, mac)).toThrow(RangeError)
    }
  })

  test('fits a header of 300 characters in either lock scheme', () => {
    for (const size of [32, 64]) expect(Math.ceil((Frame.paymentSize(size) * 4) / 3)).toBeLessThanOrEqual(300)
  })
})

describe('a tick', () => {
  test('has a coin, 1 to 1,024, and 80 bytes at most', () => {
    const good = sample(any.ticks)
    const changed = (step: number): Parsed<unknown> => Frame.parseTick(Frame.encodeTick({ ...good, step }, mac))
    expect(changed(1)).toMatchObject({ ok: true })
    expect(changed(1024)).toMatchObject({ ok: true })
    for (const step of [0, 1025]) {
      expect(changed(step)).toMatchObject({ ok: false, detail: 'tick: a coin is number 1 to 1,024 of its segment' })
    }
    expect(Frame.tickSize).toBeLessThanOrEqual(80)
  })
})

describe('an ask', () => {
  test('is one of two', () => {
    const encoded = patch(Frame.encodeAsk(sample(any.asks), mac), 17, fromHex('02'))
    expect(Frame.parseAsk(encoded)).toMatchObject({ ok: false, detail: 'ask.ask: no such code: 2' })
  })
})

describe('a statement', () => {
  test.each([
    ['charged', 5],
    ['spent', 13],
    ['paid', 21],
    ['credit', 29],
  ])('of 2^63 %s is refused, behind a good MAC too', (field, offset) => {
    const encoded = patch(Statement.encode(sample(any.statements), mac), offset, beyond)
    const sealed = Frame.seal(encoded.subarray(0, -16), mac)
    expect(Statement.parse(sealed, mac)).toMatchObject({ ok: false, detail: `statement.${field}: 2^63 or more` })
  })

  test('is not read where its MAC is wrong', () => {
    const encoded = Statement.encode(sample(any.statements), mac)
    encoded[60]! ^= 1
    expect(Statement.parse(encoded, mac)).toMatchObject({ ok: false, detail: 'statement: its MAC is not the vendor’s' })
  })
})

describe('a closing', () => {
  test('of 2^63 is refused', () => {
    const encoded = patch(Closing.encode(sample(any.closings)), 37, beyond)
    expect(Closing.parse(encoded)).toMatchObject({ ok: false, detail: 'closing.spent: 2^63 or more' })
  })
})

describe('a close', () => {
  const coins = any.evidences['checkpoint and coins']!
  const good = sample(any.closes(coins, 188))
  const empty = sample(any.closes(coins, 0))
  const noCore = 'close: a core has 188 or 220 bytes, or none where n is 0'

  test('has a core exactly where it has payments', () => {
    const claim = (change: Partial<Close.Close>): Parsed<unknown> => Close.parse(Close.encode({ ...good, ...change }))
    expect(claim({})).toMatchObject({ ok: true })
    expect(claim({ index: 0 })).toMatchObject({ ok: false, detail: noCore })
    expect(claim({ core: new Uint8Array(0) })).toMatchObject({ ok: false, detail: noCore })
    expect(claim({ core: new Uint8Array(187) })).toMatchObject({ ok: false, detail: noCore })
    expect(claim({ core: new Uint8Array(220) })).toMatchObject({ ok: true })
  })

  test('has no transcript before the first payment', () => {
    const claim = Close.encode({ ...empty, previousTranscript: new Uint8Array(32).fill(1) })
    expect(Close.parse(claim)).toMatchObject({ ok: false, detail: 'close: t_{n-1} is zero where n is 0' })
  })

  test.each([
    ['an amount of 2^63', 33, '8000000000000000', 'close.amount: 2^63 or more'],
    ['evidence of no kind', 110, '04', 'close: no such kind of evidence'],
    ['coin 1,025', 111 + 188, '0401', 'close: a segment has at most 1,024 coins'],
    ['a core longer than the message', 109, 'dc', 'close has 600 bytes; got 568'],
    ['evidence shorter than its kind', 110, '03', 'close has 491 bytes; got 568'],
  ])('with %s is refused', (_, offset, hex, detail) => {
    expect(Close.parse(patch(Close.encode(good), offset, fromHex(hex)))).toMatchObject({ ok: false, detail })
  })

  test('has 600 bytes at most', () => {
    expect(Close.sizeMax).toBe(600)
    expect(Close.encode(sample(any.closes(coins, 220)))).toHaveLength(600)
  })
})

describe('an open', () => {
  test('valid until 2^63 is refused', () => {
    const encoded = patch(Open.encode(sample(any.opens)), 49, beyond)
    expect(Open.parse(encoded)).toMatchObject({ ok: false, detail: 'open.validUntil: 2^63 or more' })
  })
})

describe('a command', () => {
  const withdraw = sample(any.commands(any.actions['to withdraw']!))
  const expire = sample(any.commands(any.actions['about a channel']!))

  const release = sample(any.commands(any.actions['to leave a release']!))

  test('has 454 bytes at most', () => {
    expect(Command.sizeMax).toBe(454)
    expect(Command.encode(release)).toHaveLength(454)
    expect(Command.encode(withdraw)).toHaveLength(258)
    expect(Command.encode(expire)).toHaveLength(218)
  })

  test.each([
    ['a time of 2^63', 113, '8000000000000000', 'command.validUntil: 2^63 or more'],
    ['no such action', 121, '07', 'command.action: no such code: 7'],
    ['an action of another size', 121, '00', 'command has 218 bytes; got 258'],
    ['an amount of 2^63', 154, '8000000000000000', 'command.amount: 2^63 or more'],
    ['an asset with a space', 122, '20', 'command.asset: not printable ASCII without spaces'],
    ['no network', 33, '00'.repeat(32), 'command.network: not printable ASCII without spaces'],
  ])('with %s is refused', (_, offset, hex, detail) => {
    expect(Command.parse(patch(Command.encode(withdraw), offset, fromHex(hex)))).toMatchObject({ ok: false, detail })
  })

  test('leaves nothing but a release', () => {
    const detail = 'release.kind: expected 0x17, got 0x16'
    expect(Command.parse(patch(Command.encode(release), 122, fromHex('16')))).toMatchObject({ ok: false, detail })
  })
})

describe('a bad opening', () => {
  const good = sample(any.badOpenings('schnorr', 3))
  const first = sample(any.badOpenings('ecdsa-xor', 1))
  const few = 'badOpening: cores i − 1 and i, and 1,025 at most'
  const changed = (change: Partial<BadOpening.BadOpening>): Parsed<unknown> =>
    BadOpening.parse(BadOpening.encode({ ...good, ...change }))

  test('holds the cores i − 1 and i, and no more than lie between two checkpoints', () => {
    const core = good.cores[0]!
    const of = (length: number): { readonly cores: readonly Uint8Array[] } => ({ cores: Array(length).fill(core) })
    expect(changed(of(2))).toMatchObject({ ok: true })
    expect(changed(of(BadOpening.coresMax))).toMatchObject({ ok: true })
    expect(BadOpening.coresMax).toBe(1025)
    for (const length of [0, 1, 1026, 65_535]) expect(changed(of(length))).toMatchObject({ ok: false, detail: few })
  })

  test('of lock 1 has no core before, and nothing before that', () => {
    const parse = (change: Partial<BadOpening.BadOpening>): Parsed<unknown> =>
      BadOpening.parse(BadOpening.encode({ ...first, ...change }))
    expect(parse({})).toMatchObject({ ok: true })
    expect(parse({ cores: [] })).toMatchObject({ ok: false, detail: few })
    expect(parse({ index: 0 })).toMatchObject({ ok: false, detail: 'badOpening: locks start at 1' })
    const previousTranscript = new Uint8Array(32).fill(1)
    const detail = 'badOpening: t_{i-2} is zero where i is 1'
    expect(parse({ previousTranscript })).toMatchObject({ ok: false, detail })
  })

  test('has 225,808 bytes at most, and its size is known before a core is read', () => {
    expect(BadOpening.sizeMax).toBe(225_808)
    const { cores, ...rest } = sample(any.badOpenings('ecdsa-xor', 2))
    const longest = BadOpening.encode({ ...rest, cores: Array(1025).fill(cores[0]!) })
    expect(longest).toHaveLength(BadOpening.sizeMax)
    expect(BadOpening.parse(longest.subarray(0, 5000))).toMatchObject({
      ok: false,
      detail: 'badOpening has 225808 bytes; got 5000',
    })
  })

  test('with cores or a receipt of the other scheme is a bug of who made it', () => {
    expect(() => BadOpening.encode({ ...good, cores: first.cores })).toThrow(RangeError)
    expect(() => BadOpening.encode({ ...good, receipt: first.receipt })).toThrow(RangeError)
    expect(() => BadOpening.encode({ ...first, receipt: good.receipt })).toThrow(RangeError)
  })
})

describe('an equivocation', () => {
  const good = sample(any.equivocations)
  const changed = (change: (transaction: Transaction.Transaction) => Transaction.Transaction): Parsed<unknown> => {
    const transaction = Transaction.transactionLayout.parse(good.second.transaction)
    if (!transaction.ok) throw new Error(transaction.detail)
    const second = { ...good.second, transaction: Transaction.encode(change(transaction.value)) }
    return Equivocation.parse(Equivocation.encode({ first: good.first, second }))
  }

  test('is of one payment of one channel', () => {
    expect(changed((transaction) => transaction)).toMatchObject({ ok: true })
    const elsewhere = new Uint8Array(32).fill(0xff)
    const index = (by: number): Parsed<unknown> => changed((it) => ({ ...it, index: it.index ^ by }))
    expect(index(1)).toMatchObject({ ok: false, detail: 'equivocation: two indices' })
    const channel = changed((transaction) => ({ ...transaction, channelId: elsewhere }))
    expect(channel).toMatchObject({ ok: false, detail: 'equivocation: two channels' })
    expect(changed((it) => ({ ...it, index: 0 }))).toMatchObject({ detail: 'equivocation: indices start at 1' })
  })

  test('is of two transactions, in one order', () => {
    const detail = 'equivocation: the lower Tx_i comes first, and they differ'
    const { first, second } = good
    const same = Equivocation.encode({ first, second: first })
    expect(Equivocation.parse(same)).toMatchObject({ ok: false, detail })
    const backwards = Equivocation.encode({ first: second, second: first })
    expect(Equivocation.parse(backwards)).toMatchObject({ ok: false, detail })
    expect(Equivocation.create(second, first)).toEqual(good)
    expect(() => Equivocation.create(first, first)).toThrow(RangeError)
  })

  test('is never read as a bad opening, nor the other way round', () => {
    const bad = BadOpening.encode(sample(any.badOpenings('schnorr', 1)))
    const two = Equivocation.encode(good)
    expect(Equivocation.parse(bad).ok || BadOpening.parse(two).ok).toBe(false)
    expect(Equivocation.parse(patch(two, 1, fromHex('00')))).toMatchObject({
      detail: expect.stringMatching(/proof: expected 0x1, got 0x0/),
    })
    expect(BadOpening.parse(patch(bad, 1, fromHex('01')))).toMatchObject({
      detail: expect.stringMatching(/proof: expected 0x0, got 0x1/),
    })
  })
})

describe('a record', () => {
  test.each([
    ['of 2^63', 260, '8000000000000000', 'record.settled: 2^63 or more'],
    ['on no basis', 268, '02', 'record.basis: no such code: 2'],
  ])('%s is refused', (_, offset, hex, detail) => {
    expect(Record.parse(patch(Record.encode(sample(any.records)), offset, fromHex(hex)))).toMatchObject({
      ok: false,
      detail,
    })
  })
})

describe('a transaction', () => {
  test.each([
    ['amount', 36],
    ['paidAt', 44],
  ])('with %s of 2^63 is refused', (field, offset) => {
    const encoded = patch(Transaction.encode(sample(any.transactions)), offset, beyond)
    expect(Transaction.transactionLayout.parse(encoded)).toMatchObject({
      ok: false,
      detail: `Tx_i.${field}: 2^63 or more`,
    })
  })

  test.each([
    ['funds', 32],
    ['openedAt', 40],
  ])('that opens with %s of 2^63 is refused', (field, offset) => {
    const encoded = patch(Transaction.openingLayout.encode(sample(any.openings)), offset, beyond)
    expect(Transaction.openingLayout.parse(encoded)).toMatchObject({ ok: false, detail: `Tx_0.${field}: 2^63 or more` })
  })
})

test('text in a problem is short and printable, whatever was sent', () => {
  const long = concat(utf8('x'), new Uint8Array(100_000))
  const parsers = [
    Terms.parse,
    Checkpoint.parse,
    Frame.parsePayment,
    Frame.parseTick,
    Close.parse,
    Open.parse,
    Command.parse,
    BadOpening.parse,
    Equivocation.parse,
  ]
  for (const parse of parsers) {
    expect(parse(long)).toMatchObject({ ok: false, detail: expect.stringMatching(/^[ -~]{1,100}$/) })
  }
})

function patch(encoded: Uint8Array, offset: number, bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(encoded)
  copy.set(bytes, offset)
  return copy
}

/** One value, the same in every run: these tests are about the bound, not about the rest. */
function sample<T>(values: fc.Arbitrary<T>): T {
  return fc.sample(values, { numRuns: 1, seed: 1 })[0]!
}
