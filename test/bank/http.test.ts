import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AccountJournal,
  type Balances,
  type BankOffer,
  type Body,
  bankAnswerMax,
  type ChannelList,
  type ChannelStatus,
  type CommandAnswer,
  channelsBody,
  commandBody,
  encodeBalances,
  encodeBankOffer,
  encodeChannelStatus,
  encodeRecordAnswer,
  encodeSettlement,
  type FraudProven,
  fraudBody,
  type HeadAnswer,
  headBody,
  journalBody,
  type ProofList,
  parseBalances,
  parseBankOffer,
  parseChannelStatus,
  parseRecordAnswer,
  parseSettlement,
  proofsBody,
  type RecordAnswer,
  type ReputationAnswer,
  reputationBody,
  type Settlement,
} from '../../src/http/bank.ts'
import { amount, amountMax, unixSeconds } from '../../src/wire/amount.ts'
import type { Parsed } from '../../src/wire/parsed.ts'

const sum = fc.bigInt(0n, amountMax).map(amount)
const time = fc.bigInt(0n, amountMax).map(unixSeconds)
const bytes = (size: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: size, maxLength: size })
const address = bytes(20).map((found) => `0x${Buffer.from(found).toString('hex')}` as const)
const basis = fc.constantFrom('proven' as const, 'claimed' as const)
const name = fc.string({ maxLength: 40 })

const settlement: fc.Arbitrary<Settlement> = fc.record({ settled: sum, refund: sum, receipt: bytes(64), basis })
const channel = {
  channelId: bytes(32),
  vendor: bytes(32),
  asset: name,
  funds: sum,
  openedAt: time,
  expiresAt: time,
  deadline: time,
}
const status: fc.Arbitrary<ChannelStatus> = fc.oneof(
  fc.record({ ...channel, status: fc.constant('open' as const) }),
  fc.record({
    ...channel,
    status: fc.constant('closed' as const),
    record: fc.constantFrom('queued' as const, 'recorded' as const),
    settled: sum,
    refund: sum,
    basis,
  }),
  fc.record({ ...channel, status: fc.constant('expired' as const), refund: sum }),
)
const sums = fc
  .array(fc.tuple(fc.stringMatching(/^[A-Z]{3}\/[0-9]$/), sum), { maxLength: 5 })
  .map((entries) => new Map(entries))
const rate = fc.record({ burst: fc.nat(), everySeconds: fc.nat() })
const offer: fc.Arbitrary<BankOffer> = fc.record({
  version: fc.constant(1 as const),
  bank: bytes(32),
  rules: fc.record({
    assets: fc.array(name, { maxLength: 5 }),
    network: name,
    fundsMin: sum,
    openedWithin: time,
    lifeMin: time,
    lifeMax: time,
    graceMin: fc.maxSafeNat(),
    graceMax: fc.maxSafeNat(),
    reputationAbove: fc.nat(100),
    reputationNew: fc.nat(100),
  }),
  limits: fc.record({
    channelMin: sums,
    openChannelsMax: fc.nat(),
    rates: fc.record({ open: rate, command: rate, rejected: rate }),
  }),
  commands: fc.record({ lifeMax: time, depositMin: sums }),
  chain: fc.oneof(
    fc.record({ kind: fc.constant('embedded' as const), log: fc.nat() }),
    fc.record({ kind: fc.constant('evm' as const), chainId: fc.maxSafeNat(), registry: address, recorder: address }),
  ),
  now: time,
})
const balances: fc.Arbitrary<Balances> = fc.record({ account: bytes(32), balances: sums })
const record: fc.Arbitrary<RecordAnswer> = fc.record({ record: bytes(269), proof: fc.string({ maxLength: 2000 }) })

const commandAnswer: fc.Arbitrary<CommandAnswer> = fc.oneof(
  fc.record({ action: fc.constant('expire' as const), channelId: bytes(32), refund: sum }),
  fc.record({ action: fc.constant('fetchClosing' as const), closing: bytes(141) }),
  fc.record({ action: fc.constant('dispute' as const), channelId: bytes(32) }),
  fc.record({ action: fc.constant('fetchRelease' as const), release: bytes(268) }),
  fc.record({ action: fc.constant('fetchRelease' as const), release: bytes(268), closing: bytes(141) }),
  fc.record({
    action: fc.constant('release' as const),
    channelId: bytes(32),
    standing: fc.constantFrom('kept' as const, 'proven' as const),
  }),
  fc.record({ action: fc.constant('withdraw' as const), asset: name, amount: sum, reference: bytes(32) }),
  fc.record({ action: fc.constant('register' as const), asset: name, locked: sum, reputation: fc.nat(100) }),
)
const fraud: fc.Arbitrary<FraudProven> = fc.oneof(
  fc.record({ cause: fc.constant('badOpening' as const), channelId: bytes(32) }),
  fc.record({ cause: fc.constant('equivocation' as const), channelId: bytes(32) }),
  fc.record({
    cause: fc.constant('overcharge' as const),
    channelId: bytes(32),
    difference: sum,
    returned: sum,
    owed: sum,
  }),
)
const most: bigint = amountMax
const next = { next: fc.string({ maxLength: 200 }) }
const journal: fc.Arbitrary<AccountJournal> = fc.record(
  {
    account: bytes(32),
    postings: fc.array(
      fc.record({
        at: time,
        kind: fc.constantFrom('deposit' as const, 'settle' as const, 'restitution' as const),
        reference: bytes(32),
        place: fc.constantFrom('account' as const, 'locked' as const),
        asset: name,
        amount: fc.bigInt(-most, most),
      }),
      { maxLength: 5 },
    ),
    ...next,
  },
  { requiredKeys: ['account', 'postings'] },
)
const channels: fc.Arbitrary<ChannelList> = fc.record(
  { account: bytes(32), channels: fc.array(status, { maxLength: 5 }), ...next },
  { requiredKeys: ['account', 'channels'] },
)
const reputation: fc.Arbitrary<ReputationAnswer> = fc.record(
  {
    account: bytes(32),
    score: fc.nat(100),
    changes: fc.array(
      fc.record(
        {
          cause: fc.constantFrom('registered' as const, 'releaseWithheld' as const),
          at: time,
          score: fc.nat(100),
          channelId: bytes(32),
        },
        { requiredKeys: ['cause', 'at', 'score'] },
      ),
      { maxLength: 5 },
    ),
    ...next,
  },
  { requiredKeys: ['account', 'score', 'changes'] },
)
const proofs: fc.Arbitrary<ProofList> = fc.record({
  channelId: bytes(32),
  proofs: fc.array(
    fc.record({
      cause: fc.constantFrom('badOpening' as const, 'overcharge' as const),
      reference: bytes(32),
      at: time,
      difference: sum,
    }),
    { maxLength: 5 },
  ),
})
const head: fc.Arbitrary<HeadAnswer> = fc.record({
  number: fc.maxSafeNat(),
  head: bytes(129),
  signature: bytes(64),
})

interface Codec {
  readonly name: string
  readonly values: fc.Arbitrary<unknown>
  readonly encode: (value: never) => string
  readonly parse: (text: string) => Parsed<unknown>
}

function codecOf<T>({ name: called, encode, parse }: Body<T>): Omit<Codec, 'values'> {
  return { name: called, encode, parse }
}

const codecs: readonly Codec[] = [
  { name: 'offer', values: offer, encode: encodeBankOffer, parse: parseBankOffer },
  { name: 'settlement', values: settlement, encode: encodeSettlement, parse: parseSettlement },
  { name: 'channel', values: status, encode: encodeChannelStatus, parse: parseChannelStatus },
  { name: 'balances', values: balances, encode: encodeBalances, parse: parseBalances },
  { name: 'record', values: record, encode: encodeRecordAnswer, parse: parseRecordAnswer },
  { ...codecOf(commandBody), values: commandAnswer },
  { ...codecOf(fraudBody), values: fraud },
  { ...codecOf(journalBody), values: journal },
  { ...codecOf(channelsBody), values: channels },
  { ...codecOf(reputationBody), values: reputation },
  { ...codecOf(proofsBody), values: proofs },
  { ...codecOf(headBody), values: head },
]

describe.each(codecs)('an answer of a bank: $name', ({ values, encode, parse }) => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(parse(encode(value as never))).toEqual({ ok: true, value })
      }),
    )
  })

  test('is refused, never thrown at, whatever the text', () => {
    const junk = fc.oneof(fc.string(), fc.json(), fc.constantFrom('', 'null', '[]', '{}', '1', '{"version":1}', '"'))
    fc.assert(
      fc.property(junk, (text) => {
        expect(parse(text)).toMatchObject({ ok: false, reason: 'Malformed' })
      }),
    )
  })

  test('is refused with any field missing or of another kind', () => {
    fc.assert(
      fc.property(values, fc.constantFrom(undefined, null, 7.5, [], 'x', { a: 1 }), (value, other) => {
        const json = JSON.parse(encode(value as never)) as Record<string, unknown>
        for (const field of Object.keys(json)) {
          // Any text is a name or a proof, as far as HTTP goes.
          if (typeof other === 'string' && ['asset', 'proof', 'next'].includes(field)) continue
          if (other === undefined && ['next', 'closing'].includes(field) && json.action !== 'fetchClosing') continue
          if (Array.isArray(other) && ['postings', 'channels', 'changes', 'proofs'].includes(field)) continue
          const changed = JSON.stringify({ ...json, [field]: other })
          const result = parse(changed)
          if (result.ok) expect([field, other]).toEqual(['balances', { a: 1 }])
        }
      }),
    )
  })

  test('is refused where it is longer than any answer, before it is parsed', () => {
    expect(parse(`{"a":"${'['.repeat(bankAnswerMax)}`)).toEqual({
      ok: false,
      reason: 'Malformed',
      detail: expect.stringContaining(`more than ${bankAnswerMax} characters`),
    })
  })
})

test('an amount is read to its last digit, and in one form only', () => {
  const at = (settled: unknown): boolean =>
    parseSettlement(JSON.stringify({ settled, refund: '0', receipt: '00'.repeat(64), basis: 'proven' })).ok
  expect(at('9223372036854775807')).toBe(true)
  for (const wrong of ['9223372036854775808', '01', '-1', '1.0', '1e3', ' 1', '', 1, null])
    expect(at(wrong), String(wrong)).toBe(false)
})
