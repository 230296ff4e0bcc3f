import type { Chain, ChainIdentity, Recorded } from '../chain/Chain.ts'
import type * as Schnorr from '../crypto/Schnorr.ts'
import type { ChannelStatus, ClosingLeft, CommandAnswer, FraudProven, ReleaseLeft, Settlement } from '../http/bank.ts'
import { Bank as Decide, type Refusal } from '../protocol/index.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import { createAccounts } from './accounts.ts'
import { createChannels } from './channels.ts'
import { createTime } from './clock.ts'
import { createCommands } from './commands.ts'
import type { Deps } from './deps.ts'
import { createEvidence } from './evidence.ts'
import { createRates } from './rates.ts'
import { createRecorder, type RecordedLeaf } from './records.ts'
import { createReviews } from './reviews.ts'
import type {
  Account,
  BankStore,
  ChannelCursor,
  JournalCursor,
  NumberedChange,
  Page,
  Posting,
  RecordedBatch,
  Role,
  StoredProof,
  Withdrawal,
} from './store/contract.ts'

export interface BankDeps {
  readonly store: BankStore
  readonly key: Schnorr.KeyPair
  readonly rules: Decide.Rules
  readonly chain: Chain
  /** The system's clock. */
  readonly now: () => UnixSeconds
  /** Unpredictable bytes: the salts of records and the numbers of deposits. */
  readonly random: (size: number) => Uint8Array
  readonly log?: Log
  /** Whole seconds of a clock that nobody sets. The process's own, unless told otherwise. */
  readonly monotonic?: () => bigint
  readonly limits?: Decide.Limits
  /** Who registers by itself, and with what deposit. Unless told otherwise, the operator alone registers. */
  readonly commandRules?: Decide.CommandRules
  readonly reputationRules?: Decide.Reputation.ReputationRules
  readonly clockRules?: Decide.BankClock.ClockRules
}

/** What the bank did, for whoever runs it. Never a secret, and no account beside its channel. */
export type Log = (event: string, details: { readonly [name: string]: unknown }) => void

type Outcome<T> = Promise<Refusal | ({ readonly ok: true } & T)>

/** Who sent something, as the outer layer knows it: what does not hold is counted by sender. */
export type Sender = string | undefined

/** A bank: what it knows is in its store, what it decides in `protocol/bank`. Every command is one durable transaction. */
export interface Bank {
  /** Public key. */
  readonly key: Uint8Array
  readonly rules: Decide.Rules
  readonly limits: Decide.Limits
  readonly commandRules: Decide.CommandRules
  readonly chain: ChainIdentity
  /** The bank's clock, for what no money depends on. */
  now(): UnixSeconds

  // The operator's.

  /** Makes an account. One that is there stays as it is. */
  register(account: Uint8Array, reputation?: number): Outcome<{ readonly account: Account }>
  /**
   * Books money that came in. The same id books it once and gives the balance again; another sum under it is refused.
   * Without an id each call is another deposit. An account that is not registered takes deposits in the assets that it can
   * register with.
   */
  deposit(account: Uint8Array, asset: string, amount: bigint, id?: Uint8Array): Outcome<{ readonly balance: bigint }>
  /** Books money out, as a `withdraw` of the account would, once for each id of 16 bytes. */
  withdraw(
    account: Uint8Array,
    asset: string,
    amount: bigint,
    options?: { readonly id?: Uint8Array; readonly destination?: Uint8Array },
  ): Outcome<{ readonly reference: Uint8Array }>
  /** What has left the books and waits to be paid out, oldest first. */
  withdrawals(limit?: number): Promise<readonly Withdrawal[]>
  /** The operator has paid it. `false` where it had before, or there is none. */
  paidOut(reference: Uint8Array): Promise<boolean>
  /** The clock as it is stored, with why it is held. */
  clock(): Promise<Decide.BankClock.BankClock>
  /** The operator has looked: the system's clock is right. Deadlines pass again. */
  confirmClock(): Promise<Decide.BankClock.BankClock>

  // What anybody may send: it is signed, or proves itself.

  /** Carries out an `Open` of 529 bytes. `opened` has 160, the same on repetition. */
  open(command: Uint8Array, sender?: Sender): Outcome<{ readonly opened: Uint8Array }>
  /** Carries out a `Close`. The same close gets the same answer, another one of a closed channel is refused. */
  close(claim: Uint8Array, sender?: Sender): Outcome<Settlement>
  /** Carries out a signed command of an account, once. The same command gets the same answer for ever. */
  command(command: Uint8Array, sender?: Sender): Outcome<{ readonly answer: CommandAnswer }>
  /** Keeps a vendor's `Closing` of 141 bytes for the client. */
  leaveClosing(closing: Uint8Array, sender?: Sender): Outcome<ClosingLeft>
  /** Takes a release of 268 bytes that a claim shows to be right. Before a claim it comes in a command. */
  leaveRelease(release: Uint8Array, sender?: Sender): Outcome<ReleaseLeft>
  /** Judges a `Closing` below what its vendor was paid, and returns the difference. */
  overcharge(closing: Uint8Array, sender?: Sender): Outcome<FraudProven>
  /** Judges a bad opening or an equivocation. */
  evidence(evidence: Uint8Array, sender?: Sender): Outcome<FraudProven>

  // Questions. What is private, whoever serves this keeps to its account.

  status(channelId: Uint8Array): Promise<ChannelStatus | undefined>
  /** What the account can spend. */
  balance(account: Uint8Array, asset: string): Outcome<{ readonly balance: bigint }>
  journal(account: Uint8Array, page: Page<JournalCursor>): Promise<readonly Posting[]>
  channels(account: Uint8Array, role: Role, page: Page<ChannelCursor>): Promise<readonly ListedStatus[]>
  /** With the score as it is now. `undefined` where the account is not registered. */
  reputation(account: Uint8Array, page: Page<number>): Promise<Score | undefined>
  proofs(channelId: Uint8Array): Promise<readonly StoredProof[]>
  /** The evidence of a proof, as it came. */
  proofEvidence(channelId: Uint8Array, reference: Uint8Array): Promise<Uint8Array | undefined>
  /** The batch of that number on the chain with its signed head; the newest one where none is named. */
  batch(number?: number): Promise<RecordedBatch | undefined>

  // What has to be done again and again: `jobs.ts`.

  /** Steps the clock. Every few seconds: what lies between two counts as uptime up to a minute. */
  beat(): Promise<Decide.BankClock.BankClock>
  /** Gives back the funds of every channel whose deadline has passed; how many there were. */
  expire(): Promise<number>
  /** Looks for releases that were withheld through grace; how many there were. */
  review(): Promise<number>
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

export interface ListedStatus {
  readonly status: ChannelStatus
  readonly cursor: ChannelCursor
}

export interface Score {
  /** 0 to 100, with the recovery since the last change. */
  readonly score: number
  readonly changes: readonly NumberedChange[]
}

/** Throws where the rules name another network than the chain. The store is the bank's from here on. */
export function createBank(given: BankDeps): Bank {
  const { store, key, rules, chain, now, log } = given
  assertNetwork(rules.network, chain.identity)
  const {
    limits = Decide.defaultLimits,
    commandRules = Decide.defaultCommandRules,
    reputationRules = Decide.Reputation.defaultReputationRules,
    clockRules = Decide.BankClock.defaultClockRules,
    monotonic = processSeconds,
  } = given
  const time = createTime({ store, now, monotonic, rules: clockRules, log })
  const rates = createRates(limits, time.now)
  const deps: Deps = { ...given, limits, commandRules, reputationRules, time, rates }
  const recorder = createRecorder({ ...given, now: time.now })
  const commands = createCommands(deps)

  return {
    key: key.publicKey,
    rules,
    limits,
    commandRules,
    chain: chain.identity,
    now: time.now,
    clock: time.current,
    confirmClock: time.confirm,
    beat: time.beat,
    record: recorder.record,
    proof: recorder.proof,
    batch: (number) => (number === undefined ? store.lastBatch() : store.recordedBatch(number)),
    proofs: (channelId) => store.proofs(channelId),
    proofEvidence: (channelId, reference) => store.evidence(channelId, reference),
    ...createAccounts(deps),
    ...createChannels(deps),
    ...commands,
    ...createEvidence(deps),
    ...createReviews(deps),

    async stop() {
      await recorder.idle()
      await store.close()
      log?.('stopped', {})
    },
  }
}

/** Seconds that this process runs. */
function processSeconds(): bigint {
  return BigInt(Math.floor(performance.now() / 1000))
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
