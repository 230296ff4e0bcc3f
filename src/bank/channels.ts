import { equal, toHex } from '../crypto/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import type { Settlement } from '../http/bank.ts'
import { Bank as Decide, refuse } from '../protocol/index.ts'
import { amount as amountOf } from '../wire/amount.ts'
import * as Close from '../wire/Close.ts'
import * as Open from '../wire/Open.ts'
import * as Record from '../wire/Record.ts'
import * as Terms from '../wire/Terms.ts'
import { type Attempt, attempt, type Deps, judged, logScores, unknownChannel, unlessDone } from './deps.ts'
import { closeEntries, openEntry } from './ledger.ts'
import type { Bank } from './service.ts'
import type { Change, Closing, StoredChannel } from './store/contract.ts'
import { bookedOf, scoreOf, statusOf } from './views.ts'

/** Opens channels, closes them on a vendor's claim, and says how they stand. */
export function createChannels(deps: Deps): Pick<Bank, 'open' | 'close' | 'status'> {
  const { store } = deps
  return {
    async open(command, sender) {
      const open = Open.parse(command)
      if (!open.ok) return open
      const oneToken = tokenOnce(deps, toHex(open.value.account))
      const again = { store, account: open.value.account, id: open.value.id }
      return judged(deps, sender, () =>
        attempt(() => unlessDone(again, () => openOnce(deps, command, open.value, oneToken))),
      )
    },

    async close(claim, sender) {
      const close = Close.parse(claim)
      if (!close.ok) return close
      return judged(deps, sender, () => attempt(() => closeOnce(deps, claim, close.value)))
    },

    async status(channelId) {
      const channel = await store.channel(channelId)
      return channel && statusOf(channel, await store.record(channelId))
    },
  }
}

type Command = Open.Open & { readonly agreed: Terms.Terms }

async function openOnce(
  deps: Deps,
  command: Uint8Array,
  open: Command,
  oneToken: ReturnType<typeof tokenOnce>,
): Attempt<{ readonly opened: Uint8Array }> {
  const { store, key, rules, limits, time, log } = deps
  const { account, id, validUntil, terms: encodedTerms, agreed: terms } = open
  const bodyHash = sha256(command)
  const known = await store.command(account, id)
  if (known !== undefined) {
    if (equal(known.bodyHash, bodyHash)) return { ok: true, opened: known.answer }
    return refuse('CommandConflict', `command ${toHex(id)} was another one`)
  }
  const { wall: at } = await time.current()
  const parties = await partiesOf(deps, open, at)
  const verdict = Decide.assessOpen({ open, bank: key.publicKey, rules, parties, now: at })
  if (!verdict.ok) return verdict
  const openChannels = await store.openChannels(account)
  const within = Decide.assessLimits(limits, { asset: terms.asset, funds: terms.funds, openChannels })
  if (!within.ok) return within
  const tooMany = oneToken()
  if (tooMany !== undefined) return tooMany

  const channelId = Terms.channelId(encodedTerms)
  const granted = Decide.grant(key, encodedTerms, terms)
  const opened = Open.encodeOpened(granted)
  const { ok } = await store.commit([
    { kind: 'command', command: { account, id, bodyHash, answer: opened, validUntil } },
    { kind: 'entry', entry: openEntry(channelId, open), at },
    {
      kind: 'open',
      channel: { channelId, account, terms, encodedTerms, ...granted },
      at,
      openMax: limits.openChannelsMax,
    },
  ])
  if (!ok) return undefined
  log?.('opened', { channelId: toHex(channelId), asset: terms.asset, funds: terms.funds })
  return { ok: true, opened }
}

async function closeOnce(deps: Deps, claim: Uint8Array, close: Close.SignedClose): Attempt<Settlement> {
  const { store, time, random, reputationRules: rules, log } = deps
  const { channelId } = close
  const channel = await store.channel(channelId)
  if (channel === undefined) return unknownChannel(channelId)
  if (channel.closing !== undefined && equal(channel.closing.close, claim)) {
    return { ok: true, ...settlementOf(channel, channel.closing) }
  }
  if (channel.status !== 'open') {
    const by = channel.status === 'closed' ? 'another claim' : 'its expiry'
    return refuse('ChannelClosed', `the channel was closed by ${by}`)
  }
  // After the channel: the clock is never behind the uptime at which its grace began.
  const clock = await time.current()
  const now = Decide.BankClock.timeOf(clock, channel.terms, channel.graceFrom)
  const settlement = Decide.assessClose(close, channel, now)
  if (!settlement.ok) return settlement

  const { settled, refund, record: unsalted } = settlement
  const at = clock.wall
  const closing = { close: claim, settled, refund, basis: unsalted.basis }
  const ending = await store.ending(channelId)
  const isProven = ending !== undefined && isProvenBy(ending, channel, { status: 'closed', close, settled })
  const basis = isProven ? 'proven' : unsalted.basis
  const record = Record.encode({ ...unsalted, basis, salt: random(32) })
  const changes: Change[] = [
    { kind: 'close', channelId, closing, at, ending: ending?.version ?? 0 },
    ...closeEntries(channel, settlement).map((entry) => ({ kind: 'entry', entry, at }) as const),
    { kind: 'record', channelId, record, leaf: Record.leaf(record), at },
  ]
  if (ending !== undefined && isProven) {
    const proven = { ...ending, releaseProven: true, version: ending.version + 1 }
    changes.push({ kind: 'ending', channelId, ending: proven, status: 'closed' })
  }
  // Who was paid nothing has completed nothing.
  if (settled > 0n) {
    const { account } = channel
    const { vendor } = channel.terms
    for (const [one, counterparty] of [[account, vendor] as const, [vendor, account] as const]) {
      const event = { cause: 'completed', channelId, counterparty } as const
      changes.push({ kind: 'reputation', account: one, event, at, rules })
    }
  }
  const committed = await store.commit(changes)
  if (!committed.ok) return undefined
  log?.('closed', { channelId: toHex(channelId), settled, refund, basis })
  logScores(deps, committed.scored)
  return { ok: true, ...settlementOf(channel, closing) }
}

/** Whether the release that was kept before the claim turns out to be the right one. */
function isProvenBy(
  { release, closing }: Decide.Ending,
  channel: StoredChannel,
  standing: Decide.Standing & { readonly status: 'closed' },
): boolean {
  if (release === undefined) return false
  const booked = { ...bookedOf(channel), standing }
  const verdict = Decide.assessRelease({ release, channel: booked, closing, account: channel.account })
  return verdict.ok && verdict.standing === 'proven'
}

async function partiesOf(
  { store, reputationRules }: Deps,
  { account, agreed }: Command,
  now: Parameters<typeof scoreOf>[1],
): Promise<Decide.Parties> {
  const [client, vendor, balance, channelKeySeen] = await Promise.all([
    store.account(account),
    store.account(agreed.vendor),
    store.balance(account, agreed.asset),
    store.hasChannelKey(agreed.channelKey),
  ])
  return {
    client: client && { reputation: scoreOf(client.last, now, reputationRules), balance },
    vendor: vendor && { reputation: scoreOf(vendor.last, now, reputationRules) },
    channelKeySeen,
  }
}

/** One token for a command, however often it is decided anew. */
function tokenOnce({ rates }: Deps, account: string): () => ReturnType<Deps['rates']['take']> {
  let isTaken = false
  return () => {
    const refused = isTaken ? undefined : rates.take('open', account)
    isTaken = refused === undefined
    return refused
  }
}

function settlementOf({ receipt }: StoredChannel, { settled, refund, basis }: Closing): Settlement {
  return { settled: amountOf(settled), refund: amountOf(refund), receipt, basis }
}
