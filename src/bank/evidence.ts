import { toHex } from '../crypto/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import type { ClosingLeft, FraudProven, ReleaseLeft } from '../http/bank.ts'
import { Bank as Decide } from '../protocol/index.ts'
import { amount as amountOf } from '../wire/amount.ts'
import * as BadOpening from '../wire/BadOpening.ts'
import * as Closing from '../wire/Closing.ts'
import * as Equivocation from '../wire/Equivocation.ts'
import { proofs } from '../wire/kinds.ts'
import { malformed, type Parsed } from '../wire/parsed.ts'
import { type Attempt, attempt, type Deps, judged, logScores, unknownChannel } from './deps.ts'
import { emptyEnding, endingChange, releaseChanges } from './releases.ts'
import type { Bank } from './service.ts'
import type { Change, StoredProof } from './store/contract.ts'
import { bookedOf } from './views.ts'

/** What proves itself: who brings it does not matter. */
export function createEvidence(deps: Deps): Pick<Bank, 'leaveClosing' | 'leaveRelease' | 'overcharge' | 'evidence'> {
  return {
    async leaveClosing(encoded, sender) {
      const closing = Closing.parse(encoded)
      if (!closing.ok) return closing
      return judged(deps, sender, () => attempt(() => leaveClosing(deps, closing.value)))
    },

    async leaveRelease(encoded, sender) {
      const release = Closing.parseRelease(encoded)
      if (!release.ok) return release
      return judged(deps, sender, () => attempt(() => leaveRelease(deps, release.value)))
    },

    async overcharge(encoded, sender) {
      const closing = Closing.parse(encoded)
      if (!closing.ok) return closing
      return judged(deps, sender, () => attempt(() => overcharge(deps, encoded, closing.value)))
    },

    async evidence(encoded, sender) {
      const accusation = parseEvidence(encoded)
      if (!accusation.ok) return accusation
      return judged(deps, sender, () => attempt(() => fraud(deps, encoded, accusation.value)))
    },
  }
}

async function leaveClosing(deps: Deps, closing: Closing.Closing): Attempt<ClosingLeft> {
  const { store, log } = deps
  const { channelId } = closing
  const channel = await store.channel(channelId)
  if (channel === undefined) return unknownChannel(channelId)
  const ending = (await store.ending(channelId)) ?? emptyEnding
  const verdict = Decide.assessClosing(closing, bookedOf(channel), ending)
  if (!verdict.ok) return verdict
  if (verdict.repeated) return { ok: true, channelId }
  const { ok } = await store.commit([endingChange(channel, { ...ending, closing })])
  if (!ok) return undefined
  log?.('closingLeft', { channelId: toHex(channelId) })
  return { ok: true, channelId }
}

async function leaveRelease(deps: Deps, release: Closing.Release): Attempt<ReleaseLeft> {
  const { channelId } = release
  const channel = await deps.store.channel(channelId)
  if (channel === undefined) return unknownChannel(channelId)
  const verdict = await releaseChanges(deps, { channel, release, account: undefined })
  if (!verdict.ok) return verdict
  const { standing, changes } = verdict
  const committed = changes.length === 0 ? undefined : await deps.store.commit(changes)
  if (committed?.ok === false) return undefined
  deps.log?.('released', { channelId: toHex(channelId), standing })
  logScores(deps, committed?.scored)
  return { ok: true, channelId, standing }
}

async function overcharge(deps: Deps, encoded: Uint8Array, closing: Closing.Closing): Attempt<FraudProven> {
  const { store, time, reputationRules: rules } = deps
  const { channelId } = closing
  const cause = 'overcharge'
  const channel = await store.channel(channelId)
  if (channel === undefined) return unknownChannel(channelId)
  const reference = Closing.digest(closing)
  const earlier = await store.proofs(channelId)
  const known = earlier.find((proof) => proof.cause === cause && toHex(proof.reference) === toHex(reference))
  // The digest is not of the signature, so that who made up another one learns what was judged, and no more.
  if (known !== undefined) {
    return { ok: true, cause, channelId, ...(await returnedOf(deps, known)) }
  }
  const { vendor: owner, asset } = channel.terms
  const [balance, locked] = await Promise.all([store.balance(owner, asset), store.locked(owner, asset)])
  const clock = await time.current()
  const returned = earlier.reduce((sum, { amount }) => sum + amount, 0n)
  const now = Decide.BankClock.timeOf(clock, channel.terms, channel.graceFrom)
  const verdict = Decide.assessOvercharge({
    closing,
    channel: bookedOf(channel),
    returned,
    vendor: { balance, locked },
    now,
  })
  if (!verdict.ok) return verdict
  const { difference, entries, debt } = verdict
  const at = clock.wall
  const proof: StoredProof = { reference, cause, amount: difference, at }
  const event = { cause, channelId } as const
  const changes: Change[] = [
    { kind: 'proof', channelId, proof, evidence: encoded, judged: returned },
    ...entries.map((entry) => ({ kind: 'entry', entry, at }) as const),
    { kind: 'reputation', account: owner, event, at, rules },
  ]
  if (debt !== undefined) changes.push({ kind: 'debt', debt, at })
  const committed = await store.commit(changes)
  if (!committed.ok) return undefined
  logFraud(deps, channelId, proof)
  logScores(deps, committed.scored)
  return { ok: true, cause, channelId, ...(await returnedOf(deps, proof)) }
}

/** What of the difference the vendor returned at once, and what it owed then. */
async function returnedOf({ store }: Deps, { reference, amount }: StoredProof): Promise<Returned> {
  const owed = await store.incurred(reference)
  return { difference: amountOf(amount), returned: amountOf(amount - owed), owed: amountOf(owed) }
}

type Returned = Omit<FraudProven & { readonly cause: 'overcharge' }, 'cause' | 'channelId'>

type Accusation =
  | { readonly cause: 'badOpening'; readonly channelId: Uint8Array; readonly value: BadOpening.BadOpening }
  | {
      readonly cause: 'equivocation'
      readonly channelId: Uint8Array
      readonly value: Equivocation.Equivocation & { readonly channelId: Uint8Array; readonly index: number }
    }

function parseEvidence(encoded: Uint8Array): Parsed<Accusation> {
  if (encoded[1] === proofs.badOpening) {
    const parsed = BadOpening.parse(encoded)
    if (!parsed.ok) return parsed
    const { value } = parsed
    return { ok: true, value: { cause: 'badOpening', channelId: value.channelId, value } }
  }
  if (encoded[1] !== proofs.equivocation) return malformed('evidence: no such proof')
  const parsed = Equivocation.parse(encoded)
  if (!parsed.ok) return parsed
  const { value } = parsed
  return { ok: true, value: { cause: 'equivocation', channelId: value.channelId, value } }
}

async function fraud(deps: Deps, encoded: Uint8Array, accusation: Accusation): Attempt<FraudProven> {
  const { store, time, reputationRules: rules } = deps
  const { cause, channelId } = accusation
  const channel = await store.channel(channelId)
  if (channel === undefined) return unknownChannel(channelId)
  const earlier = await store.proofs(channelId)
  // It scores once, and its first proof is enough for everybody.
  if (earlier.some((proof) => proof.cause === cause)) return { ok: true, cause, channelId }
  const verdict =
    accusation.cause === 'badOpening'
      ? Decide.assessBadOpening(accusation.value, channel)
      : Decide.assessEquivocation(accusation.value, channel)
  if (!verdict.ok) return verdict
  const { wall: at } = await time.current()
  const proof: StoredProof = { reference: sha256(encoded), cause, amount: 0n, at }
  const judgedBefore = earlier.reduce((sum, { amount }) => sum + amount, 0n)
  const committed = await store.commit([
    { kind: 'proof', channelId, proof, evidence: encoded, judged: judgedBefore },
    { kind: 'reputation', account: channel.account, event: { cause, channelId }, at, rules },
  ])
  if (!committed.ok) return undefined
  logFraud(deps, channelId, proof)
  logScores(deps, committed.scored)
  return { ok: true, cause, channelId }
}

function logFraud({ log }: Deps, channelId: Uint8Array, { cause, amount }: StoredProof): void {
  log?.('fraudProven', { channelId: toHex(channelId), cause, amount })
}
