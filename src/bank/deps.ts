import { toHex } from '../crypto/bytes.ts'
import { type Refusal, refuse } from '../protocol/index.ts'
import type { BankTime } from './clock.ts'
import type { Rates } from './rates.ts'
import type { BankDeps, Sender } from './service.ts'
import type { BankStore, Scored } from './store/contract.ts'

/** What the parts of the bank work with. */
export interface Deps
  extends Pick<BankDeps, 'store' | 'key' | 'rules' | 'random' | 'log'>,
    Required<Pick<BankDeps, 'limits' | 'commandRules' | 'reputationRules'>> {
  readonly time: BankTime
  readonly rates: Rates
}

/** `undefined`: somebody else changed what this was decided on. */
export type Attempt<T> = Promise<Refusal | ({ readonly ok: true } & T) | undefined>

/** Decides anew where a guard of the store failed: what it failed on is then seen, and refused or repeated. */
export async function attempt<T>(once: () => Promise<T | undefined>): Promise<T> {
  for (let attempts = 0; attempts < attemptsMax; attempts++) {
    const result = await once()
    if (result !== undefined) return result
  }
  throw new Error(
    `the store contradicts itself: ${attemptsMax} decisions in a row met a guard that reading did not show`,
  )
}

const attemptsMax = 16

/**
 * Decides anew where a command was refused for what it did itself: sent twice at once, the one that comes second may find the
 * money gone, and is answered like the first.
 */
export async function unlessDone<T>(
  command: { readonly store: BankStore; readonly account: Uint8Array; readonly id: Uint8Array },
  once: () => Attempt<T>,
): Attempt<T> {
  const { store, account, id } = command
  const result = await once()
  if (result === undefined || result.ok || result.reason === 'CommandConflict') return result
  return (await store.command(account, id)) === undefined ? result : undefined
}

/**
 * Lets a sender have only so much judged that does not hold. Never by channel or accused: then a stranger's rubbish would keep
 * out the proof of somebody else.
 */
export async function judged<T extends { readonly ok: true }>(
  { rates }: Pick<Deps, 'rates'>,
  sender: Sender,
  judge: () => Promise<Refusal | T>,
): Promise<Refusal | T> {
  if (sender === undefined) return judge()
  const tooMany = rates.ask('rejected', sender)
  if (tooMany !== undefined) return tooMany
  const result = await judge()
  if (!result.ok && rejections.has(result.reason)) rates.take('rejected', sender)
  return result
}

/** Refusals that took the bank a signature or more to find. */
const rejections: ReadonlySet<Refusal['reason']> = new Set([
  'SignatureInvalid',
  'EvidenceInvalid',
  'AmountUnproven',
  'ReleaseInvalid',
] as const)

export function logScores({ log }: Pick<Deps, 'log'>, scored: readonly Scored[] = []): void {
  for (const { change } of scored) log?.('reputation', { cause: change.cause, score: change.score })
}

export function unknownChannel(channelId: Uint8Array): Refusal {
  return refuse('ChannelUnknown', `this bank opened no channel ${toHex(channelId)}`)
}
