/** A day in the life of a bank's store: every change that it takes, every guard that it has, every question that it answers. */

import type { Change, Conflict } from '../../src/bank/store/change.ts'
import type { BankStore, NewChannel, StoredClock } from '../../src/bank/store/contract.ts'
import { Bank } from '../../src/protocol/index.ts'
import { amountMax, unixSeconds } from '../../src/wire/amount.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Terms from '../../src/wire/Terms.ts'
import { closingOf, releaseOf } from '../bank/acts.ts'
import { buy } from '../bank/channels.ts'
import { account, bytesOf, createWorld, now, vendorKey, type World } from '../protocol/world.ts'

const asset = 'USD/6'
const ann = account.publicKey
const bob = vendorKey.publicKey
const at = now
const later = unixSeconds(now + 10_000n)

export interface Step {
  readonly changes: readonly Change[]
  /** The guard that it meets: then nothing is written. */
  readonly conflict?: Conflict
}

/** Whatever the bank writes, in an order in which it can. */
export function script(): readonly Step[] {
  const [one, two, three] = [openedWorld('one'), openedWorld('two'), openedWorld('three')]
  const [first, second, third] = [one, two, three].map(channelOf) as [NewChannel, NewChannel, NewChannel]
  const closing = { close: bytesOf('close', 32), settled: 60n, refund: 999_940n, basis: 'claimed' as const }
  const owned = { ...endingOf(one), version: 1 }
  const record = new Uint8Array(269).fill(3)
  const leaf = bytesOf('leaf')
  const batch = { number: 1, root: bytesOf('root'), count: 1 }
  const recorded = { batch, head: bytesOf('head'), headSignature: new Uint8Array(64), evidence: bytesOf('evidence') }
  const proof = { reference: bytesOf('proof'), cause: 'overcharge' as const, amount: 20n, at: later }
  const debt = { reference: bytesOf('debt'), debtor: bob, creditor: ann, asset, amount: 500n }
  const clock = (beats: number, wall: bigint, held?: Bank.BankClock.Hold): Change => ({
    kind: 'clock',
    clock: {
      beats,
      clock: { ...Bank.BankClock.create(unixSeconds(wall)), uptime: BigInt(beats) * 5000n, held },
    } satisfies StoredClock,
  })
  const entryOf = (kind: Bank.EntryKind, label: string, ...transfers: readonly Bank.Transfer[]): Change => ({
    kind: 'entry',
    entry: { kind, reference: bytesOf(label), transfers },
    at,
  })
  const open = (channel: NewChannel, openMax?: number): Change => ({
    kind: 'open',
    channel,
    at,
    ...(openMax && { openMax }),
  })
  const command: Change = {
    kind: 'command',
    command: { account: ann, id: bytesOf('id', 16), bodyHash: bytesOf('b'), answer: bytesOf('a'), validUntil: later },
  }
  const withdrawal: Change = {
    kind: 'withdrawal',
    withdrawal: { reference: bytesOf('w'), account: ann, asset, amount: 5n, destination: bytesOf('d'), askedAt: at },
  }
  const close: Change = { kind: 'close', channelId: first.channelId, closing, at: later, ending: 2 }
  return [
    { changes: [accountOf(ann), accountOf(bob)] },
    { changes: [accountOf(bytesOf('new')), accountOf(ann)], conflict: 'AccountExists' },
    { changes: [entryOf('deposit', 'in', move(amountMax - 5n, 'outside', ann, 'account', ann))] },
    { changes: [entryOf('deposit', 'in', move(1n, 'outside', ann, 'account', ann))], conflict: 'EntryExists' },
    { changes: [entryOf('deposit', 'more', move(6n, 'outside', bob, 'account', bob))], conflict: 'AssetFull' },
    { changes: [entryOf('deposit', 'last', move(5n, 'outside', bob, 'account', bob))] },
    { changes: [entryOf('withdraw', 'w', move(6n, 'account', bob, 'outside', bob))], conflict: 'BalanceTooLow' },
    { changes: [entryOf('withdraw', 'n', move(1n, 'transit', bob, 'outside', bob))], conflict: 'BalanceTooLow' },
    { changes: [command] },
    { changes: [accountOf(bytesOf('new')), command], conflict: 'CommandExists' },
    {
      changes: [
        entryOf('open', 'one', move(1_000_000n, 'account', ann, 'channel', first.channelId)),
        open(first, 2),
        entryOf('open', 'two', move(1_000_000n, 'account', ann, 'channel', second.channelId)),
        open(second, 2),
      ],
    },
    { changes: [open(first)], conflict: 'ChannelExists' },
    { changes: [open({ ...first, channelId: bytesOf('other') })], conflict: 'ChannelExists' },
    { changes: [open(third, 2)], conflict: 'TooManyChannels' },
    { changes: [clock(1, now)] },
    { changes: [clock(1, now)], conflict: 'ClockMoved' },
    { changes: [clock(3, now)], conflict: 'ClockMoved' },
    { changes: [clock(2, now + 9000n, 'jump')] },
    { changes: [clock(3, now + 9000n)] },
    {
      changes: [{ kind: 'ending', channelId: first.channelId, ending: owned, status: 'closed' }],
      conflict: 'EndingChanged',
    },
    { changes: [{ kind: 'ending', channelId: first.channelId, ending: owned, status: 'open' }] },
    {
      changes: [{ kind: 'ending', channelId: first.channelId, ending: owned, status: 'open' }],
      conflict: 'EndingChanged',
    },
    {
      changes: [
        {
          kind: 'ending',
          channelId: first.channelId,
          ending: { ...owned, version: 2, disputed: true },
          status: 'open',
        },
      ],
    },
    { changes: [{ ...close, ending: 1 }], conflict: 'EndingChanged' },
    {
      changes: [
        close,
        entryOf(
          'settle',
          'one',
          move(60n, 'channel', first.channelId, 'transit', first.channelId),
          move(999_940n, 'channel', first.channelId, 'account', ann),
        ),
        entryOf('credit', 'one', move(60n, 'transit', first.channelId, 'account', bob)),
        { kind: 'record', channelId: first.channelId, record, leaf, at: later },
        { kind: 'reputation', account: ann, event: completed(first.channelId, bob), at: later, rules },
        { kind: 'reputation', account: bob, event: completed(first.channelId, ann), at: later, rules },
      ],
    },
    { changes: [close], conflict: 'ChannelNotOpen' },
    { changes: [{ kind: 'expire', channelId: first.channelId, at: later }], conflict: 'ChannelNotOpen' },
    {
      changes: [
        { kind: 'expire', channelId: second.channelId, at: later },
        entryOf('settle', 'two', move(1_000_000n, 'channel', second.channelId, 'account', ann)),
      ],
    },
    { changes: [{ kind: 'record', channelId: first.channelId, record, leaf, at: later }], conflict: 'RecordExists' },
    { changes: [{ kind: 'rerecord', channelId: first.channelId, record, leaf: bytesOf('another leaf') }] },
    { changes: [{ kind: 'batch', batch, channelIds: [bytesOf('none')], at: later }], conflict: 'RecordNotQueued' },
    { changes: [{ kind: 'batch', batch, channelIds: [first.channelId], at: later }] },
    {
      changes: [{ kind: 'batch', batch: { ...batch, number: 2 }, channelIds: [], at: later }],
      conflict: 'BatchExists',
    },
    { changes: [{ kind: 'rerecord', channelId: first.channelId, record, leaf }], conflict: 'RecordPlaced' },
    {
      changes: [{ kind: 'recorded', batch: { ...recorded, batch: { ...batch, count: 2 } }, at: later }],
      conflict: 'BatchNotPending',
    },
    { changes: [{ kind: 'recorded', batch: recorded, at: later }] },
    { changes: [{ kind: 'recorded', batch: recorded, at: later }], conflict: 'BatchNotPending' },
    {
      changes: [
        { kind: 'proof', channelId: first.channelId, proof, evidence: bytesOf('evidence'), judged: 0n },
        {
          kind: 'reputation',
          account: bob,
          event: { cause: 'overcharge', channelId: first.channelId },
          at: later,
          rules,
        },
        { kind: 'debt', debt, at: later },
      ],
    },
    {
      changes: [{ kind: 'proof', channelId: first.channelId, proof, evidence: bytesOf('evidence'), judged: 0n }],
      conflict: 'ProofExists',
    },
    { changes: [{ kind: 'debt', debt, at: later }], conflict: 'DebtExists' },
    // What the debtor is credited goes to its creditor at once.
    { changes: [entryOf('deposit', 'for bob', move(7n, 'account', ann, 'account', bob))] },
    { changes: [entryOf('withdraw', 'out', move(5n, 'account', ann, 'outside', ann)), withdrawal] },
    { changes: [withdrawal], conflict: 'EntryExists' },
    { changes: [entryOf('register', 'r', move(9n, 'account', ann, 'locked', ann))] },
    { changes: [{ kind: 'paidOut', reference: bytesOf('none'), at: later }], conflict: 'WithdrawalNotPending' },
  ]
}

/** Everything that can be asked. */
export async function answers(store: BankStore): Promise<Readonly<Record<string, unknown>>> {
  const { channelId } = channelOf(openedWorld('one'))
  const second = channelOf(openedWorld('two'))
  const { clock } = (await store.clock()) ?? { clock: Bank.BankClock.create(at) }
  const far = { ...clock, wall: unixSeconds(clock.wall + 1_000_000n), uptime: clock.uptime + 1_000_000n }
  const page = { before: undefined, limit: 100 }
  const postings = await store.journal(ann, page)
  const changes = await store.reputation(bob, page)
  const listed = await store.channels(bob, 'vendor', page)
  const log: Uint8Array[] = []
  for await (const entry of store.log.entries(1)) log.push(entry)
  return {
    account: [await store.account(ann), await store.account(bob), await store.account(bytesOf('none'))],
    balance: [await store.balance(ann, asset), await store.balance(bob, asset), await store.balance(ann, 'EUR/2')],
    locked: await store.locked(ann, asset),
    debts: [await store.debts(bob), await store.debts(ann)],
    entry: [await store.entry('settle', bytesOf('one')), await store.entry('settle', bytesOf('none'))],
    command: [await store.command(ann, bytesOf('id', 16)), await store.command(bob, bytesOf('id', 16))],
    channel: [
      await store.channel(channelId),
      await store.channel(second.channelId),
      await store.channel(bytesOf('none')),
    ],
    hasChannelKey: [await store.hasChannelKey(second.terms.channelKey), await store.hasChannelKey(ann)],
    openChannels: await store.openChannels(ann),
    ending: [await store.ending(channelId), await store.ending(second.channelId)],
    proofs: await store.proofs(channelId),
    evidence: [await store.evidence(channelId, bytesOf('proof')), await store.evidence(channelId, bytesOf('none'))],
    incurred: [await store.incurred(bytesOf('debt')), await store.incurred(bytesOf('none'))],
    clock: await store.clock(),
    due: [
      await store.due(far, onwards()),
      await store.due(clock, onwards()),
      await store.due(far, onwards(bytesOf('x'))),
    ],
    unreviewed: [await store.unreviewed(far, onwards()), await store.unreviewed(clock, onwards())],
    withdrawals: await store.withdrawals(10),
    journal: [
      postings,
      await store.journal(ann, { before: postings[2], limit: 2 }),
      await store.journal(bytesOf('none'), page),
    ],
    channels: [listed, await store.channels(ann, 'client', { before: cursorOf(listed), limit: 1 })],
    reputation: [changes, await store.reputation(bob, { before: changes[0]?.number, limit: 1 })],
    record: [await store.record(channelId), await store.record(second.channelId)],
    unbatched: await store.unbatched(10),
    pendingBatch: await store.pendingBatch(),
    recordedBatch: [await store.recordedBatch(1), await store.recordedBatch(2)],
    lastBatch: await store.lastBatch(),
    leaves: [await store.leaves(1), await store.leaves(2)],
    log,
    last: await store.log.last(),
  }
}

const rules = Bank.Reputation.defaultReputationRules

function completed(channelId: Uint8Array, counterparty: Uint8Array): Bank.Reputation.Event {
  return { cause: 'completed', channelId, counterparty }
}

function onwards(after?: Uint8Array): { readonly after: Uint8Array | undefined; readonly limit: number } {
  return { after, limit: 10 }
}

function cursorOf(
  listed: Awaited<ReturnType<BankStore['channels']>>,
): { readonly openedAt: bigint; readonly channelId: Uint8Array } | undefined {
  const [newest] = listed
  return newest && { openedAt: newest.openedAt, channelId: newest.channel.channelId }
}

function accountOf(key: Uint8Array): Change {
  return { kind: 'account', account: { account: key, reputation: 60, registeredAt: at } }
}

function move(
  amount: bigint,
  fromPlace: Bank.Place,
  fromOwner: Uint8Array,
  toPlace: Bank.Place,
  toOwner: Uint8Array,
): Bank.Transfer {
  return { asset, amount, from: { place: fromPlace, owner: fromOwner }, to: { place: toPlace, owner: toOwner } }
}

function openedWorld(label: string): World {
  const world = createWorld({ label })
  buy(world, 2)
  return world
}

function channelOf({ bank, terms, opened }: World): NewChannel {
  return { ...bank, account: ann, encodedTerms: terms, grant: opened.grant, channelId: Terms.channelId(terms) }
}

function endingOf(world: World): {
  readonly closing: Closing.Closing
  readonly fetchedAt: bigint
  readonly release: Closing.Release
  readonly disputed: boolean
  readonly releaseProven: boolean
  readonly reviewed: boolean
} {
  const closing = Closing.parse(closingOf(world))
  const release = Closing.parseRelease(releaseOf(world))
  if (!closing.ok || !release.ok) throw new Error('what was just made can be read')
  return {
    closing: closing.value,
    fetchedAt: 7n,
    release: release.value,
    disputed: false,
    releaseProven: true,
    reviewed: false,
  }
}
