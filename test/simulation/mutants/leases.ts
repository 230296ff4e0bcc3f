import type { Mutant } from './Mutant.ts'

const leases = 'src/vendor/store/leases.ts'
const writes = 'src/vendor/store/writes.ts'
const origin = 'src/vendor/origin.ts'
const till = 'src/vendor/till.ts'
const groupCommit = 'src/vendor/groupCommit.ts'
const stream = 'src/vendor/stream.ts'

/** Nodes that share a store: who may write a channel, and what one that may no more does with what it has in memory. */
export const leaseMutants: readonly Mutant[] = [
  {
    name: 'lease-epoch',
    file: leases,
    find: `SET node = excluded.node, epoch = leases.epoch + 1, held_until`,
    replace: `SET node = excluded.node, epoch = leases.epoch, held_until`,
    breaks: 'a lease that was taken over goes on under the same epoch',
  },
  {
    name: 'lease-channel-epoch',
    file: leases,
    find: `yield* change('UPDATE channels SET epoch = :epoch WHERE`,
    replace: `yield* change('UPDATE channels SET epoch = :epoch WHERE 1 = 0 AND`,
    breaks: 'the node that took a channel over can never write it',
  },
  {
    // Each of the two conditions stands behind the other one.
    name: 'lease-fence',
    file: writes,
    find: `guard: \`given.epoch = coalesce(
      (SELECT leases.epoch FROM leases WHERE leases.shard = given.shard AND leases.channel_id = given.channel_id), 0)
    AND (given.deadline > 0 OR EXISTS
      (SELECT 1 FROM channels WHERE channels.shard = given.shard AND channels.channel_id = given.channel_id))\`,
  onConflict: \`ON CONFLICT (shard, channel_id) DO UPDATE SET phase = excluded.phase, suspended = excluded.suspended,
      strikes = excluded.strikes, paid = excluded.paid, spent = excluded.spent, contiguous = excluded.contiguous,
      transcript = excluded.transcript, amount = excluded.amount, closing = excluded.closing,
      release = excluded.release, claim = excluded.claim,
      deadline = CASE excluded.deadline WHEN 0 THEN channels.deadline ELSE excluded.deadline END,
      locks = excluded.locks
    WHERE excluded.epoch = channels.epoch AND`,
    replace: `guard: \`(given.deadline > 0 OR EXISTS
      (SELECT 1 FROM channels WHERE channels.shard = given.shard AND channels.channel_id = given.channel_id))\`,
  onConflict: \`ON CONFLICT (shard, channel_id) DO UPDATE SET phase = excluded.phase, suspended = excluded.suspended,
      strikes = excluded.strikes, paid = excluded.paid, spent = excluded.spent, contiguous = excluded.contiguous,
      transcript = excluded.transcript, amount = excluded.amount, closing = excluded.closing,
      release = excluded.release, claim = excluded.claim,
      deadline = CASE excluded.deadline WHEN 0 THEN channels.deadline ELSE excluded.deadline END,
      locks = excluded.locks
    WHERE`,
    breaks: 'a node writes a channel that another one has taken over',
  },
  {
    name: 'lease-fenced-unheard',
    file: groupCommit,
    find: `fenced.some((id) => equal(id, channelId))`,
    replace: `fenced.length < 0 && equal(channelId, channelId)`,
    breaks: 'a node takes for stored what was refused because it has lost the channel',
  },
  {
    name: 'lease-read-before',
    file: origin,
    find: `await this.#acquire(stored.channelId, onLost)
    // Another node may have written it until now, or forgotten it; from here on none writes it.
    const current = await read(store.channel(reference))
    return current && this.#restore(current)`,
    replace: `const epoch = await this.#acquire(stored.channelId, onLost)
    return this.#restore({ ...stored, epoch })`,
    breaks: 'a node goes on with what it read before it had the channel',
  },
  {
    name: 'lease-taken-before',
    file: origin,
    find: `held: stored === undefined ? hold(channel, epoch) : await this.#restore(stored) }`,
    replace: `held: stored === null ? await this.#restore(stored) : hold(channel, epoch) }`,
    breaks: 'a channel that another node took in a moment ago begins anew',
  },
  {
    name: 'lease-let-go',
    file: leases,
    find: `set: 'held_until = 0, epoch = leases.epoch + 1',`,
    replace: `set: 'epoch = leases.epoch + 1',`,
    breaks: 'a node that stops keeps its channels from the others',
  },
  {
    name: 'lease-refusal',
    file: till,
    find: `if (!(await this.#origin.confirm(toHex(Terms.reference(held.channel.channelId))))) this.#evict(held)`,
    replace: `await Promise.resolve()`,
    breaks: 'a node refuses what it would know to be right if it had not lost the channel',
  },
  {
    name: 'stream-unstored',
    file: stream,
    find: `this.#continueAfter(running.then(() => this.#deliver(held, accepted.index)))`,
    replace: `void this.#deliver(held, accepted.index).catch((error: unknown) => this.#fail(error))`,
    breaks: 'a stream starts for a payment that is not stored, and may have run elsewhere',
  },
]
