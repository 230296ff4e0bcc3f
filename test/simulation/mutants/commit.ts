import type { Mutant } from './Mutant.ts'

const groupCommit = 'src/vendor/groupCommit.ts'
const till = 'src/vendor/till.ts'
const held = 'src/vendor/held.ts'
const purchase = 'src/vendor/purchase.ts'

/** Group commit, the till, and the handler between two writes. */
export const commitMutants: readonly Mutant[] = [
  {
    name: 'commit-unawaited',
    file: groupCommit,
    find: `if (payment !== undefined) entry.payments.set(payment.index, payment)
    return done`,
    replace: `if (payment !== undefined) entry.payments.set(payment.index, payment)
    done.catch(() => undefined)
    return Promise.resolve()`,
    breaks: 'a payment is acknowledged before it is stored',
  },
  {
    name: 'commit-not-evicted',
    file: groupCommit,
    find: `this.#onFailure(entries.keys())
      throw error`,
    replace: `throw error`,
    breaks: 'a channel that is ahead of its store goes on',
  },
  {
    name: 'commit-payments-lost',
    file: groupCommit,
    find: `payments.push(...entry.payments.values())`,
    replace: `payments.push(...[...entry.payments.values()].slice(0, 1))`,
    breaks: 'of the payments of one batch only the first is stored',
  },
  {
    name: 'commit-closed-batch',
    file: groupCommit,
    find: `this.#gathering = undefined
    try {`,
    replace: `try {`,
    breaks: 'payments join a batch that was written already',
  },
  {
    name: 'till-evicted',
    file: till,
    find: `held.evicted = true`,
    replace: `held.evicted = false`,
    breaks: 'who holds a channel that was given up goes on with it',
  },
  {
    name: 'till-restored-ahead',
    file: held,
    find: `for (const payment of stored.ahead) window.ahead.set(payment.index, acceptedOf(payment))`,
    replace: `for (const payment of stored.ahead.slice(0, 0)) window.ahead.set(payment.index, acceptedOf(payment))`,
    breaks: 'a payment ahead of the prefix is forgotten at a restart',
  },
  {
    name: 'till-restored-spent',
    file: held,
    find: `channel.spent = stored.spent`,
    replace: `channel.spent = 0n`,
    breaks: 'what was charged is credit again after a restart',
  },
  {
    name: 'till-statement',
    file: held,
    find: `const { contiguous, segment } = held.durable`,
    replace: `const { contiguous, segment } = reached(held.channel)`,
    breaks: 'a statement acknowledges what is not stored',
  },
  {
    name: 'till-segments',
    file: held,
    find: `segments: [...dropped, ...segments].map(`,
    replace: `segments: segments.map(`,
    breaks: 'a checkpoint that was used up at once is never stored',
  },
  {
    name: 'handler-unstored',
    file: purchase,
    find: `if (!purchase.idempotent) await noted`,
    replace: `void purchase.idempotent`,
    breaks: 'a handler runs for a payment that is not stored',
  },
  {
    name: 'handler-twice',
    file: purchase,
    find: `if (equal(running.digest, digest)) return running.answered`,
    replace: `if (equal(running.digest, digest)) break`,
    breaks: 'a handler runs twice for a payment that was sent twice',
  },
  {
    name: 'handler-in-doubt',
    file: purchase,
    find: `if (purchase.idempotent) return start(purchase, held, again)`,
    replace: `if (again.accepted.index > 0) return start(purchase, held, again)`,
    breaks: 'a handler that ran when its vendor stopped runs again',
  },
  {
    name: 'handler-failed',
    file: purchase,
    find: `if (isSuccess) Vendor.charge(channel, reservation, charge)`,
    replace: `Vendor.charge(channel, reservation, isSuccess ? charge : price)`,
    breaks: 'a handler that failed is charged',
  },
  {
    name: 'handler-mismatch',
    file: purchase,
    find: `if (!equal(accepted.digest, purchase.digest)) {`,
    replace: `if (accepted.digest.length === 0) {`,
    breaks: 'a payment buys another thing than it names',
  },
  {
    name: 'handler-answer',
    file: purchase,
    find: `if (!equal(stored.digest, digest)) {`,
    replace: `if (stored.digest.length === 0) {`,
    breaks: 'the answer that somebody paid for goes to who repeats the payment elsewhere',
  },
]
