import { equal, toHex, utf8 } from '../crypto/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { type CommandAnswer, encodeCommandAnswer, parseCommandAnswer } from '../http/bank.ts'
import { assert } from '../protocol/assert.ts'
import { Bank as Decide, type Refusal, refuse } from '../protocol/index.ts'
import { amount as amountOf, unixSeconds } from '../wire/amount.ts'
import * as Closing from '../wire/Closing.ts'
import * as Command from '../wire/Command.ts'
import { sizes } from '../wire/kinds.ts'
import { type Attempt, attempt, type Deps, judged, logScores, unknownChannel, unlessDone } from './deps.ts'
import { endingChange, releaseChanges } from './releases.ts'
import type { Bank } from './service.ts'
import type { Change } from './store/contract.ts'
import { bookedOf } from './views.ts'

/** What a command comes to: what it is answered, and what is written with the answer. */
type Done = { readonly ok: true; readonly answer: CommandAnswer; readonly changes: readonly Change[] }

/** Carries out what accounts tell the bank, and what the operator does in their place. */
export function createCommands(deps: Deps): Pick<Bank, 'command' | 'withdraw'> {
  const { key, rules, random } = deps
  return {
    async command(encoded, sender) {
      const command = Command.parse(encoded)
      if (!command.ok) return command
      let isCounted = false
      const admit = (): Refusal | undefined => {
        const tooMany = isCounted ? undefined : deps.rates.take('command', toHex(command.value.account))
        isCounted = true
        return tooMany
      }
      return judged(deps, sender, () =>
        attempt(() =>
          once(deps, { command: command.value, bodyHash: sha256(encoded), signed: { command: command.value, admit } }),
        ),
      )
    },

    async withdraw(account, asset, amount, options = {}) {
      const { id = random(sizes.salt), destination = new Uint8Array(32) } = options
      if (id.length !== sizes.salt || destination.length !== 32) {
        return refuse('Malformed', 'an id has 16 bytes, a destination 32')
      }
      if (amount < 0n || amount >= 1n << 63n) return refuse('Malformed', `a withdrawal is below 2^63, not ${amount}`)
      if (!rules.assets.includes(asset)) {
        return refuse('AssetMismatch', `${asset} is none of ${rules.assets.join(', ')}`)
      }
      const action = { kind: 'withdraw', asset, amount: amountOf(amount), destination } as const
      const bank = key.publicKey
      const command = { bank, network: rules.network, account, id, validUntil: unixSeconds(0n), action }
      const bodyHash = Command.digest(command)
      const result = await attempt(() => onceOrBefore(deps, { command, bodyHash, signed: undefined }))
      if (!result.ok) return result
      assert(result.answer.action === 'withdraw', 'a withdrawal is answered as one')
      return { ok: true, reference: result.answer.reference }
    },
  }
}

function onceOrBefore(deps: Deps, asked: Asked): ReturnType<typeof once> {
  const { account, id } = asked.command
  return unlessDone({ store: deps.store, account, id }, () => once(deps, asked))
}

interface Asked {
  readonly command: Command.Command
  readonly bodyHash: Uint8Array
  /** Absent where the operator asks. */
  readonly signed: { readonly command: Command.SignedCommand; readonly admit: () => Refusal | undefined } | undefined
}

async function once(deps: Deps, { command, bodyHash, signed }: Asked): Attempt<{ readonly answer: CommandAnswer }> {
  const {
    store,
    key,
    rules: { network },
    commandRules: rules,
    time,
    log,
  } = deps
  const { account, id, validUntil } = command
  const known = await store.command(account, id)
  if (known !== undefined) {
    if (equal(known.bodyHash, bodyHash)) return { ok: true, answer: answerOf(known.answer) }
    return refuse('CommandConflict', `command ${toHex(id)} was another one`)
  }
  if (signed !== undefined) {
    const { wall: now } = await time.current()
    const verdict = Decide.assessCommand({ command: signed.command, bank: key.publicKey, network, rules, now })
    const refused = verdict.ok ? signed.admit() : verdict
    if (refused !== undefined) return refused
  }
  const done = await carryOut(deps, command)
  if (!done.ok) return done
  const answer = utf8(encodeCommandAnswer(done.answer))
  const committed = await store.commit([
    { kind: 'command', command: { account, id, bodyHash, answer, validUntil } },
    ...done.changes,
  ])
  if (!committed.ok) return undefined
  log?.('command', { action: command.action.kind })
  logScores(deps, committed.scored)
  return { ok: true, answer: done.answer }
}

function carryOut(deps: Deps, command: Command.Command): Promise<Refusal | Done> {
  const { action } = command
  switch (action.kind) {
    case 'register':
      return register(deps, { ...command, action })
    case 'withdraw':
      return withdraw(deps, { ...command, action })
    case 'release': {
      const release = Closing.parseRelease(action.release)
      return release.ok ? leaveRelease(deps, command.account, release.value) : Promise.resolve(release)
    }
    case 'expire':
    case 'fetchClosing':
    case 'dispute':
    case 'fetchRelease':
      return onChannel(deps, command.account, action)
  }
}

async function register(
  { store, commandRules, rules: { reputationNew }, time }: Deps,
  command: Command.Command & { readonly action: Command.Register },
): Promise<Refusal | Done> {
  const { account, action } = command
  const { asset } = action
  const registered = (await store.account(account)) !== undefined
  const balance = await store.balance(account, asset)
  const verdict = Decide.assessRegister({ command, registered, balance, rules: commandRules })
  if (!verdict.ok) return verdict
  const { wall: at } = await time.current()
  const locked = amountOf(verdict.entry.transfers.reduce((sum, { amount }) => sum + amount, 0n))
  return {
    ok: true,
    answer: { action: 'register', asset, locked, reputation: reputationNew },
    changes: [
      { kind: 'account', account: { account, reputation: reputationNew, registeredAt: at } },
      { kind: 'entry', entry: verdict.entry, at },
    ],
  }
}

async function withdraw(
  { store, time }: Deps,
  command: Command.Command & { readonly action: Command.Withdraw },
): Promise<Refusal | Done> {
  const { account, action } = command
  const { asset, amount, destination } = action
  const [balance, debts] = await Promise.all([store.balance(account, asset), store.debts(account)])
  const verdict = Decide.assessWithdraw({ command, balance, debts })
  if (!verdict.ok) return verdict
  const { entry } = verdict
  const { reference } = entry
  const { wall: at } = await time.current()
  return {
    ok: true,
    answer: { action: 'withdraw', asset, amount, reference },
    changes: [
      { kind: 'entry', entry, at },
      { kind: 'withdrawal', withdrawal: { reference, account, asset, amount, destination, askedAt: at } },
    ],
  }
}

async function leaveRelease(deps: Deps, account: Uint8Array, release: Closing.Release): Promise<Refusal | Done> {
  const { channelId } = release
  const found = await deps.store.channel(channelId)
  if (found === undefined) return unknownChannel(channelId)
  const verdict = await releaseChanges(deps, { channel: found, release, account })
  if (!verdict.ok) return verdict
  const { standing, changes } = verdict
  return { ok: true, answer: { action: 'release', channelId, standing }, changes }
}

async function onChannel(deps: Deps, account: Uint8Array, action: Command.ChannelAction): Promise<Refusal | Done> {
  const { store, time } = deps
  const { kind, channelId } = action
  const channel = await store.channel(channelId)
  if (channel === undefined) return unknownChannel(channelId)
  const booked = bookedOf(channel)
  const stored = await store.ending(channelId)
  const ending = stored ?? {}
  const clock = await time.current()
  switch (kind) {
    case 'expire': {
      const verdict = Decide.assessExpire({ channel: booked, clock, account })
      if (!verdict.ok) return verdict
      const changes = expireChanges(channelId, verdict, clock)
      return { ok: true, answer: { action: kind, channelId, refund: amountOf(verdict.refund) }, changes }
    }
    case 'fetchClosing': {
      const verdict = Decide.assessFetchClosing(account, booked, ending)
      if (!verdict.ok) return verdict
      const closing = Closing.encode(verdict.closing)
      const answer = { action: kind, closing } as const
      // The first time counts.
      if (stored === undefined || stored.fetchedAt !== undefined) return { ok: true, answer, changes: [] }
      return { ok: true, answer, changes: [endingChange(channel, { ...stored, fetchedAt: clock.uptime })] }
    }
    case 'dispute': {
      const verdict = Decide.assessDispute(account, booked, ending)
      if (!verdict.ok) return verdict
      const changes = stored === undefined ? [] : [endingChange(channel, { ...stored, disputed: true })]
      return { ok: true, answer: { action: kind, channelId }, changes }
    }
    case 'fetchRelease': {
      const verdict = Decide.assessFetchRelease(account, booked, ending)
      if (!verdict.ok) return verdict
      const closing = stored?.closing
      const answer = {
        action: kind,
        release: Closing.encodeRelease(verdict.release),
        ...(closing && { closing: Closing.encode(closing) }),
      } as const
      return { ok: true, answer, changes: [] }
    }
  }
}

/** What gives the funds back to the client: the compare-and-set, and its entry. */
export function expireChanges(
  channelId: Uint8Array,
  { entry }: Decide.Expiry,
  { wall: at }: Decide.BankClock.BankClock,
): readonly Change[] {
  return [
    { kind: 'expire', channelId, at },
    { kind: 'entry', entry, at },
  ]
}

function answerOf(stored: Uint8Array): CommandAnswer {
  const answer = parseCommandAnswer(new TextDecoder().decode(stored))
  if (answer.ok) return answer.value
  throw new TypeError(`a stored answer cannot be read: ${answer.detail}`)
}
