import type { Bank, Log } from '../../bank/index.ts'
import { toHex } from '../../crypto/bytes.ts'
import { problemType } from '../../http/problems.ts'
import { StoreError } from '../../sql/storeError.ts'
import type { Batch, Handler, Till } from '../../vendor/index.ts'
import type { Committed } from '../../vendor/store/contract.ts'
import { add, bump, createHistogram, type Histogram, observe, type Sums, type Tally } from './tally.ts'

/** What is counted of the commits of a store. */
export interface CommitCounters {
  readonly seconds: Histogram
  /** By the fault of the `StoreError`. */
  readonly failures: Tally
  lastFailure: { readonly atMs: number; readonly message: string } | undefined
}

export interface BankCounters {
  /** By the method of the bank. */
  readonly commands: Tally
  /** By reason. */
  readonly refusals: Tally
  /** By name, as the bank logs them: `opened`, `closed`, `recorded`. */
  readonly events: Tally
  /** By cause. */
  readonly reputationChanges: Tally
  readonly commits: CommitCounters
}

export interface VendorCounters {
  /** By what became of them for good: `charged` or `released`. */
  readonly payments: Tally
  /** By asset. */
  readonly charged: Sums
  /** Verdicts on payments, ticks, checkpoints and questions, by reason. */
  readonly refusals: Tally
  /** Problem documents answered over HTTP and at the end of streams, by reason. */
  readonly problems: Tally
  /** Claims on the bank: `settled`, or `failed`, which may be tried again. */
  readonly claims: Tally
  readonly commits: CommitCounters
}

export function createBankCounters(): BankCounters {
  return {
    commands: new Map(),
    refusals: new Map(),
    events: new Map(),
    reputationChanges: new Map(),
    commits: createCommitCounters(),
  }
}

export function createVendorCounters(): VendorCounters {
  return {
    payments: new Map(),
    charged: new Map(),
    refusals: new Map(),
    problems: new Map(),
    claims: new Map(),
    commits: createCommitCounters(),
  }
}

/** The same bank, with what it is asked and what it refuses counted. */
export function meterBank(bank: Bank, { commands, refusals }: BankCounters): Bank {
  const methods = Object.entries(bank).map(([name, method]: [string, unknown]) => {
    if (typeof method !== 'function') return [name, method]
    const counted = async (...args: readonly unknown[]): Promise<unknown> => {
      const result: unknown = await (method as (...args: readonly unknown[]) => unknown).call(bank, ...args)
      if (isVerdict(result)) {
        bump(commands, name)
        if (!result.ok) bump(refusals, result.reason)
      }
      return result
    }
    // What is no promise is no command: it stays as quick as it is.
    return [name, isPlain.has(name) ? method : counted]
  })
  return Object.fromEntries(methods) as unknown as Bank
}

const isPlain: ReadonlySet<string> = new Set(['now'])

/** Counts what the bank says it did, and passes it on. */
export function meterLog({ events, reputationChanges }: BankCounters, log: Log): Log {
  return (event, details) => {
    bump(events, event)
    if (event === 'reputation' && typeof details.cause === 'string') bump(reputationChanges, details.cause)
    log(event, details)
  }
}

/** The same store, with each commit timed. `onDone` sees what was committed. */
export function meterCommits<
  Args extends readonly unknown[],
  Result,
  Store extends { commit(...args: Args): Promise<Result> },
>(
  store: Store,
  counters: CommitCounters,
  options: { readonly nowMs: () => number; readonly onDone?: (result: Result, ...args: Args) => void },
): Store {
  const { nowMs, onDone } = options
  const commit = async (...args: Args): Promise<Result> => {
    const start = nowMs()
    try {
      const result = await store.commit(...args)
      counters.lastFailure = undefined
      observe(counters.seconds, (nowMs() - start) / 1000)
      onDone?.(result, ...args)
      return result
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      counters.lastFailure = { atMs: nowMs(), message }
      bump(counters.failures, error instanceof StoreError ? error.fault : 'bug')
      throw error
    }
  }
  return overriding(store, { commit } as unknown as Partial<Store>)
}

/** Counts payments once they are durable, a row at a time: a verdict itself costs nothing more. */
export function countPayments(
  { payments, charged }: VendorCounters,
  asset: string,
): (result: Committed, batch: Batch) => void {
  return ({ fenced }, batch) => {
    const lost = new Set(fenced.map(toHex))
    for (const payment of batch.payments) {
      const { status, channelId } = payment
      if ((status !== 'charged' && status !== 'released') || (lost.size > 0 && lost.has(toHex(channelId)))) continue
      bump(payments, status)
      add(charged, asset, payment.charged)
    }
  }
}

/** The same till, with its refusals counted. */
export function meterTill(till: Till, { refusals }: VendorCounters): Till {
  const counted = <T extends { readonly ok: boolean; readonly reason?: string }>(verdict: T): T => {
    if (!verdict.ok && verdict.reason !== undefined) bump(refusals, verdict.reason)
    return verdict
  }
  return overriding<Till>(till, {
    admit: async (messages) => counted(await till.admit(messages)),
    ask: async (received, attachment) => counted(await till.ask(received, attachment)),
    tick: (held, received) => counted(till.tick(held, received)),
    checkpoint: (held, checkpoint) => counted(till.checkpoint(held, checkpoint)),
  })
}

/** The same handler, with its problem documents counted. */
export function meterHandler(handler: Handler, { problems }: VendorCounters): Handler {
  return async (request) => {
    const response = await handler(request)
    if (response !== undefined && response.status >= 400 && response.headers.get('Content-Type') === problemType) {
      const { reason } = (await response.clone().json()) as { readonly reason?: unknown }
      bump(problems, String(reason))
    }
    return response
  }
}

function createCommitCounters(): CommitCounters {
  return { seconds: createHistogram(), failures: new Map(), lastFailure: undefined }
}

function isVerdict(result: unknown): result is { readonly ok: true } | { readonly ok: false; readonly reason: string } {
  return typeof result === 'object' && result !== null && 'ok' in result
}

/** `target` with some methods replaced, be it an instance with private fields or not. */
function overriding<T extends object>(target: T, methods: Partial<T>): T {
  const bound = new Map<PropertyKey, unknown>(Object.entries(methods))
  return new Proxy(target, {
    get(object, name) {
      const known = bound.get(name)
      if (known !== undefined) return known
      const value: unknown = Reflect.get(object, name, object)
      if (typeof value !== 'function') return value
      const method: unknown = value.bind(object)
      bound.set(name, method)
      return method
    },
  })
}
