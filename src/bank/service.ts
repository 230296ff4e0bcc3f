import type { Chain, ChainIdentity, Recorded } from '../chain/Chain.ts'
import { backend } from '../crypto/backend.ts'
import { equal, toHex } from '../crypto/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import type * as Schnorr from '../crypto/Schnorr.ts'
import type { ChannelStatus, Settlement } from '../http/bank.ts'
import { Bank as Decide, type Refusal, refuse } from '../protocol/index.ts'
import { amountMax, amount as amountOf, type UnixSeconds, unixSeconds } from '../wire/amount.ts'
import * as Close from '../wire/Close.ts'
import * as Open from '../wire/Open.ts'
import * as Record from '../wire/Record.ts'
import * as Terms from '../wire/Terms.ts'
import { closeEntries, depositEntry, openEntry } from './ledger.ts'
import { createRecorder, type RecordedLeaf } from './records.ts'
import type { Account, BankStore, Closing, StoredChannel } from './store/contract.ts'

export interface BankDeps {
  readonly store: BankStore
  readonly key: Schnorr.KeyPair
  readonly rules: Decide.Rules
  readonly chain: Chain
  readonly now: () => UnixSeconds
  /** Unpredictable bytes: the salts of records and the numbers of deposits. */
  readonly random: (size: number) => Uint8Array
  readonly log?: Log
}

/** What the bank did, for whoever runs it. Never a secret, and no account beside its channel. */
export type Log = (event: string, details: { readonly [name: string]: unknown }) => void

/** A bank: what it knows is in its store, what it decides in `protocol/bank`. Every command is one durable transaction. */
export interface Bank {
  /** Public key. */
  readonly key: Uint8Array
  readonly rules: Decide.Rules
  readonly chain: ChainIdentity
  now(): UnixSeconds

  /** Makes an account. One that is there stays as it is. */
  register(
    account: Uint8Array,
    reputation?: number,
  ): Promise<Refusal | { readonly ok: true; readonly account: Account }>
  /** Books money that came in. For the operator: each call is another deposit. */
  deposit(
    account: Uint8Array,
    asset: string,
    amount: bigint,
  ): Promise<Refusal | { readonly ok: true; readonly balance: bigint }>
  /** What the account can spend. */
  balance(account: Uint8Array, asset: string): Promise<Refusal | { readonly ok: true; readonly balance: bigint }>

  /** Carries out an `Open` of 529 bytes. `opened` has 160, the same on repetition. */
  open(command: Uint8Array): Promise<Refusal | { readonly ok: true; readonly opened: Uint8Array }>
  /** Carries out a `Close`. The same close gets the same answer, another one of a closed channel is refused. */
  close(claim: Uint8Array): Promise<Refusal | ({ readonly ok: true } & Settlement)>
  status(channelId: Uint8Array): Promise<ChannelStatus | undefined>

  /**
   * Puts all queued records into batches and these on the chain; gives those that are on it now and were not before.
   * Throws a `ChainError` where the chain fails: every record stays queued. Where its outcome is `unknown` the batch keeps
   * its number and root, and the next call finds out first what became of it.
   */
  record(): Promise<readonly Recorded[]>
  /** What proves the record of a channel, `undefined` until it is on the chain. */
  proof(channelId: Uint8Array): Promise<RecordedLeaf | undefined>

  /** Lets a batch on its way end, then closes the store. */
  stop(): Promise<void>
}

/** Throws where the rules name another network than the chain. The store is the bank's from here on. */
export function createBank(deps: BankDeps): Bank {
  const { store, key, rules, chain, now, random, log } = deps
  assertNetwork(rules.network, chain.identity)
  const recorder = createRecorder(deps)

  return {
    key: key.publicKey,
    rules,
    chain: chain.identity,
    now,
    record: recorder.record,
    proof: recorder.proof,

    async register(account, reputation = rules.reputationNew) {
      if (account.length !== 32 || !backend.isXCoordinate(account)) {
        return refuse('Malformed', 'an account is a public key of 32 bytes')
      }
      if (!Number.isInteger(reputation) || reputation < 0 || reputation > 100) {
        return refuse('Malformed', `reputation is 0 to 100, not ${reputation}`)
      }
      const fresh = { account, reputation, registeredAt: now() }
      const { ok } = await store.commit([{ kind: 'account', account: fresh }])
      return { ok: true, account: ok ? fresh : (await store.account(account))! }
    },

    async deposit(account, asset, amount) {
      if (!rules.assets.includes(asset)) {
        return refuse('AssetMismatch', `${asset} is none of ${rules.assets.join(', ')}`)
      }
      if (amount <= 0n || amount > amountMax) {
        return refuse('Malformed', `a deposit is above 0 and below 2^63, not ${amount}`)
      }
      if ((await store.account(account)) === undefined) return unknownAccount(account)
      return attempt(async () => {
        const entry = depositEntry(random(32), { account, asset, amount })
        const committed = await store.commit([{ kind: 'entry', entry, at: now() }])
        if (committed.ok) return { ok: true, balance: await store.balance(account, asset) } as const
        if (committed.conflict !== 'AssetFull') return undefined
        return refuse('Malformed', `all deposits of ${asset} together stay below 2^63`)
      })
    },

    async balance(account, asset) {
      if ((await store.account(account)) === undefined) return unknownAccount(account)
      return { ok: true, balance: await store.balance(account, asset) }
    },

    async open(command) {
      const open = Open.parse(command)
      if (!open.ok) return open
      return attempt(() => openOnce(deps, command, open.value))
    },

    async close(claim) {
      const close = Close.parse(claim)
      if (!close.ok) return close
      return attempt(() => closeOnce(deps, claim, close.value))
    },

    async status(channelId) {
      const channel = await store.channel(channelId)
      return channel && statusOf(channel, await store.record(channelId))
    },

    async stop() {
      await recorder.idle()
      await store.close()
      log?.('stopped', {})
    },
  }
}

type Command = Open.Open & { readonly agreed: Terms.Terms }

/** `undefined`: somebody else changed what this was decided on. */
type Attempt<T> = Promise<Refusal | ({ readonly ok: true } & T) | undefined>

async function openOnce(deps: BankDeps, command: Uint8Array, open: Command): Attempt<{ readonly opened: Uint8Array }> {
  const { store, key, rules, now, log } = deps
  const bodyHash = sha256(command)
  const known = await store.command(open.account, open.id)
  if (known !== undefined) {
    if (equal(known.bodyHash, bodyHash)) return { ok: true, opened: known.answer }
    return refuse('CommandConflict', `command ${toHex(open.id)} was another one`)
  }
  const parties = await partiesOf(store, open)
  const at = now()
  const verdict = Decide.assessOpen({ open, bank: key.publicKey, rules, parties, now: at })
  if (!verdict.ok) return verdict

  const { account, id, validUntil, terms: encodedTerms, agreed: terms } = open
  const channelId = Terms.channelId(encodedTerms)
  const granted = Decide.grant(key, encodedTerms, terms)
  const opened = Open.encodeOpened(granted)
  const { ok } = await store.commit([
    { kind: 'command', command: { account, id, bodyHash, answer: opened, validUntil } },
    { kind: 'entry', entry: openEntry(channelId, open), at },
    { kind: 'open', channel: { channelId, account, terms, encodedTerms, ...granted }, at },
  ])
  if (!ok) return undefined
  log?.('opened', { channelId: toHex(channelId), asset: terms.asset, funds: terms.funds })
  return { ok: true, opened }
}

async function closeOnce(deps: BankDeps, claim: Uint8Array, close: Close.SignedClose): Attempt<Settlement> {
  const { store, now, random, log } = deps
  const channel = await store.channel(close.channelId)
  if (channel === undefined) return refuse('ChannelUnknown', `this bank opened no channel ${toHex(close.channelId)}`)
  if (channel.closing !== undefined) {
    if (equal(channel.closing.close, claim)) return { ok: true, ...settlementOf(channel, channel.closing) }
    return refuse('ChannelClosed', 'the channel was closed by another claim')
  }
  const at = now()
  const settlement = Decide.assessClose(close, channel, at)
  if (!settlement.ok) return settlement

  const { channelId } = channel
  const { settled, refund, record: unsalted } = settlement
  const closing = { close: claim, settled, refund, basis: unsalted.basis }
  const record = Record.encode({ ...unsalted, salt: random(32) })
  const { ok } = await store.commit([
    { kind: 'close', channelId, closing, at },
    ...closeEntries(channel, settlement).map((entry) => ({ kind: 'entry', entry, at }) as const),
    { kind: 'record', channelId, record, leaf: Record.leaf(record), at },
  ])
  if (!ok) return undefined
  log?.('closed', { channelId: toHex(channelId), settled, refund, basis: closing.basis })
  return { ok: true, ...settlementOf(channel, closing) }
}

/** Decides anew where a guard of the store failed: what it failed on is then seen, and refused or repeated. */
async function attempt<T>(once: () => Promise<T | undefined>): Promise<T> {
  for (let attempts = 0; attempts < attemptsMax; attempts++) {
    const result = await once()
    if (result !== undefined) return result
  }
  throw new Error(
    `the store contradicts itself: ${attemptsMax} decisions in a row met a guard that reading did not show`,
  )
}

const attemptsMax = 16

async function partiesOf(store: BankStore, { account, agreed }: Command): Promise<Decide.Parties> {
  const [client, vendor, balance, channelKeySeen] = await Promise.all([
    store.account(account),
    store.account(agreed.vendor),
    store.balance(account, agreed.asset),
    store.hasChannelKey(agreed.channelKey),
  ])
  return { client: client && { reputation: client.reputation, balance }, vendor, channelKeySeen }
}

function settlementOf({ receipt }: StoredChannel, { settled, refund, basis }: Closing): Settlement {
  return { settled: amountOf(settled), refund: amountOf(refund), receipt, basis }
}

function statusOf(
  { channelId, terms, closing }: StoredChannel,
  record: Awaited<ReturnType<BankStore['record']>>,
): ChannelStatus {
  const { vendor, asset, funds, openedAt, expiresAt, graceSeconds } = terms
  const deadline = unixSeconds(expiresAt + BigInt(graceSeconds))
  const known = { channelId, vendor, asset, funds, openedAt, expiresAt, deadline }
  if (closing === undefined) return { ...known, status: 'open' }
  const { settled, refund, basis } = closing
  return {
    ...known,
    status: 'closed',
    settled: amountOf(settled),
    refund: amountOf(refund),
    basis,
    record: record?.recorded === true ? 'recorded' : 'queued',
  }
}

/** A record is of the network in the terms: no other one may hold it. */
function assertNetwork(network: string, chain: ChainIdentity): void {
  const expected = chain.kind === 'evm' ? `eip155:${chain.chainId}` : undefined
  if (expected === undefined ? network.startsWith('eip155:') : network !== expected) {
    throw new RangeError(
      `the rules name network ${network}, and the chain is ${expected ?? 'the bank’s own log'}: name that`,
    )
  }
}

function unknownAccount(account: Uint8Array): Refusal {
  return refuse('AccountUnknown', `account ${toHex(account)} is not registered`)
}
