import type { Mutant } from './Mutant.ts'

const channel = 'src/client/channel.ts'
const wallet = 'src/client/wallet.ts'
const open = 'src/client/journal/open.ts'
const mark = 'src/client/journal/mark.ts'
const pay = 'src/protocol/client/pay.ts'
const state = 'src/protocol/client/Channel.ts'

/** The client: stored before it is sent, one transaction for an index, no more than was agreed to. */
export const journalMutants: readonly Mutant[] = [
  {
    name: 'journal-payment-late',
    file: channel,
    find: `await this.save({ ...paid.payment, price, bought })`,
    replace: `void this.save({ ...paid.payment, price, bought }).catch(() => undefined)`,
    breaks: 'a payment leaves before it is stored',
  },
  {
    name: 'journal-tick-late',
    file: channel,
    find: `await this.save()
    return tick`,
    replace: `void this.save().catch(() => undefined)
    return tick`,
    breaks: 'a coin leaves before it counts as spent',
  },
  {
    name: 'journal-release-late',
    file: channel,
    find: `await this.save()
    return answered.release`,
    replace: `void this.save().catch(() => undefined)
    return answered.release`,
    breaks: 'a release leaves before it is stored',
  },
  {
    name: 'journal-proposal-late',
    file: wallet,
    find: `await stored
      return use`,
    replace: `stored?.catch(() => undefined)
      return use`,
    breaks: 'the bank opens a channel whose secrets are stored nowhere',
  },
  {
    name: 'wallet-two-objects',
    file: wallet,
    find: `if (state !== undefined || opening.has(name) || live.has(name)) continue`,
    replace: `if (state !== undefined) continue`,
    breaks: 'a channel that is being opened gets a second object',
  },
  {
    name: 'journal-failed',
    file: channel,
    find: `this.#broken = new JournalError('the journal failed: open the channel from it again', { cause })
      throw this.#broken`,
    replace: `void cause`,
    breaks: 'a payment leaves that the journal could not store',
  },
  {
    name: 'journal-generation',
    file: mark,
    find: `return (generation === mark.generation || generation === mark.next) && commits >= mark.commits`,
    replace: `return generation <= mark.next`,
    breaks: 'an old copy of a journal signs a second transaction for an index',
  },
  {
    name: 'journal-commits',
    file: mark,
    find: `&& commits >= mark.commits`,
    replace: `&& commits >= 0n`,
    breaks: 'an old copy of the same generation signs a second transaction for an index',
  },
  {
    name: 'journal-retired',
    file: open,
    find: `isNewest ? 0 : await database.retire(stale)`,
    replace: `isNewest ? 0 : 1`,
    breaks: 'the channels of an old copy go on signing',
  },
  {
    name: 'client-agreed',
    file: state,
    find: `if (statement.spent > channel.agreed) {`,
    replace: `if (statement.spent < 0n) {`,
    breaks: 'a vendor charges more than its client agreed to',
  },
  {
    name: 'client-closing-agreed',
    file: 'src/protocol/client/release.ts',
    find: `if (closing.spent > channel.agreed) {`,
    replace: `if (closing.spent < 0n) {`,
    breaks: 'a client releases for more than it agreed to',
  },
  {
    name: 'client-promised',
    file: state,
    find: `return channel.paid - channel.settled - promised`,
    replace: `return channel.paid - channel.settled`,
    breaks: 'one credit pays for two requests under way',
  },
  {
    name: 'client-frozen',
    file: pay,
    find: `function assessStanding(channel: ClientChannel, now: UnixSeconds): Refusal | undefined {
  if (channel.frozen !== undefined) return`,
    replace: `function assessStanding(channel: ClientChannel, now: UnixSeconds): Refusal | undefined {
  if (channel.frozen === '') return`,
    breaks: 'a client signs on after its release or a dispute',
  },
  {
    name: 'client-funds',
    file: pay,
    find: `if (base + coming > terms.funds) {`,
    replace: `if (base + coming < 0n) {`,
    breaks: 'a client pays more than the channel holds',
  },
  {
    name: 'client-grant',
    file: state,
    find: `if (!scheme.verify({ publicKey: terms.bank, digest, receipt: opened.receipt })) {`,
    replace: `if (scheme.verify({ publicKey: terms.bank, digest, receipt: opened.receipt })) {`,
    breaks: 'a client does not take the opening of its bank',
  },
]
