import type { Mutant } from './Mutant.ts'

const close = 'src/protocol/bank/close.ts'
const expire = 'src/protocol/bank/expire.ts'
const clock = 'src/protocol/bank/BankClock.ts'
const channels = 'src/bank/channels.ts'
const changes = 'src/bank/store/changes.ts'

/** The close table at the bank: claims, expiry, the deadline between them, and what is on record of it. */
export const closeMutants: readonly Mutant[] = [
  {
    name: 'close-signature',
    file: close,
    find: `if (!Close.verify(terms.vendor, close)) return`,
    replace: `if (close.amount < 0n) return`,
    breaks: 'anybody closes a channel in the name of its vendor',
  },
  {
    name: 'close-late',
    file: close,
    find: `if (now > deadline) return`,
    replace: `if (now < 0n) return`,
    breaks: 'a claim is taken after the deadline, when the funds are the client’s again',
  },
  {
    name: 'close-early-deadline',
    file: close,
    find: `if (now > deadline) return`,
    replace: `if (now > terms.expiresAt - 3600n) return`,
    breaks: 'a claim in time is refused',
  },
  {
    name: 'close-unproven',
    file: close,
    find: `if (close.amount > limit)
    return`,
    replace: `if (close.amount > terms.funds)
    return`,
    breaks: 'a vendor gets more than was paid',
  },
  {
    name: 'close-anchor',
    file: close,
    find: `if (!equal(anchor, segment.anchor)) return`,
    replace: `if (anchor.length !== segment.anchor.length) return`,
    breaks: 'coins that nobody revealed prove a payment',
  },
  {
    name: 'close-checkpoint',
    file: close,
    find: `!Checkpoint.verify(terms.channelKey, channelId, checkpoint.value)
    ) {`,
    replace: `evidence.step < 0
    ) {`,
    breaks: 'a checkpoint that the client did not sign proves a payment',
  },
  {
    name: 'close-receipt',
    file: close,
    find: `if (!signed) return`,
    replace: `if (evidence.last.length === 0) return`,
    breaks: 'a receipt that the client did not sign proves a payment',
  },
  {
    name: 'close-refund',
    file: close,
    find: `refund: terms.funds - close.amount,`,
    replace: `refund: terms.funds - limit,`,
    breaks: 'the client does not get back what was not claimed',
  },
  {
    name: 'close-record',
    file: close,
    find: `settled: amount(close.amount),`,
    replace: `settled: amount(limit),`,
    breaks: 'the chain records another sum than was settled',
  },
  {
    name: 'close-again',
    file: channels,
    find: `if (channel.closing !== undefined && equal(channel.closing.close, claim)) {`,
    replace: `if (channel.closing !== undefined && channel.closing.close.length === 0) {`,
    breaks: 'a vendor that asks again never hears that it was paid',
  },
  {
    name: 'close-other-again',
    file: channels,
    find: `if (channel.status !== 'open') {`,
    replace: `if (channel.status === 'expired') {`,
    breaks: 'a claim on a closed channel is decided once more',
  },
  {
    name: 'close-status',
    file: changes,
    find: `\`UPDATE channels SET status = 'expired', refund = funds, closed_at = :at`,
    replace: `\`UPDATE channels SET refund = funds, closed_at = :at`,
    breaks: 'a channel is paid back and stays open',
  },
  {
    name: 'expire-early',
    file: expire,
    find: `if (now <= deadline)
    return`,
    replace: `if (now <= terms.openedAt)
    return`,
    breaks: 'a client takes its money back while its vendor may still claim',
  },
  {
    name: 'expire-never',
    file: expire,
    find: `if (now <= deadline)
    return`,
    replace: `if (now <= deadline + 86_400n)
    return`,
    breaks: 'a client waits for its money after the deadline',
  },
  {
    name: 'expire-settled',
    file: expire,
    find: `if (standing.status !== 'open') {`,
    replace: `if (standing.status === 'expired') {`,
    breaks: 'a channel that was closed expires as well',
  },
  {
    name: 'expire-downtime',
    file: clock,
    find: `const time = earlier(wall, unixSeconds(life.expiresAt + grace))`,
    replace: `const time = wall`,
    breaks: 'a bank that was away takes the grace of its vendors',
  },
  {
    name: 'expire-held',
    file: clock,
    find: `const held = clock.held ?? (off > jumpMax ? 'jump' : elapsed > gapMax ? 'gap' : undefined)`,
    replace: `const held = clock.held`,
    breaks: 'a clock that jumps lets deadlines pass',
  },
]
