import type { Mutant } from './Mutant.ts'

const verdict = 'src/protocol/vendor/verdict.ts'
const credit = 'src/protocol/vendor/credit.ts'
const channel = 'src/protocol/vendor/Channel.ts'

/** The window of indices, and credit: what is reserved, charged and let go. */
export const creditMutants: readonly Mutant[] = [
  {
    name: 'window-prefix',
    file: verdict,
    find: `next = window.ahead.get(window.contiguous + 1)) {`,
    replace: `next = undefined) {`,
    breaks: 'what came ahead never joins the prefix',
  },
  {
    name: 'window-transcript',
    file: verdict,
    find: `window.transcript = Transcript.next(window.transcript, next.core)`,
    replace: `window.transcript = Transcript.next(window.transcript, accepted.core)`,
    breaks: 'the transcript is over other payments than were made',
  },
  {
    name: 'window-size',
    file: verdict,
    find: `if (payment.index > window.contiguous + windowSize) {`,
    replace: `if (payment.index > window.contiguous + 1) {`,
    breaks: 'payments in parallel are refused',
  },
  {
    name: 'segment-dropped',
    file: verdict,
    find: `while (at > 0 && segments[at]!.index > window.contiguous) at -= 1`,
    replace: `while (at > 0 && segments[at]!.index < 0) at -= 1`,
    breaks: 'a segment is given up while payments of it are on their way',
  },
  {
    name: 'paid-falls',
    file: verdict,
    find: `if (total > channel.paid) channel.paid = total`,
    replace: `channel.paid = total`,
    breaks: 'a payment that comes late takes back what was paid after it',
  },
  {
    name: 'coin-falls',
    file: verdict,
    find: `if (step > segment.step) {`,
    replace: `if (step > 0) {`,
    breaks: 'the highest coin is lost to one that comes late',
  },
  {
    name: 'credit-unchecked',
    file: credit,
    find: `if (available < price) {`,
    replace: `if (available < 0n) {`,
    breaks: 'requests are served that were not paid',
  },
  {
    name: 'credit-reserved',
    file: channel,
    find: `return channel.paid - channel.spent - channel.reserved`,
    replace: `return channel.paid - channel.spent`,
    breaks: 'requests in parallel are served for one payment',
  },
  {
    name: 'credit-not-spent',
    file: credit,
    find: `  channel.spent += price`,
    replace: `  channel.spent += 0n`,
    breaks: 'what was charged is credit again',
  },
  {
    name: 'credit-not-released',
    file: credit,
    find: `channel.reserved -= reservation.left`,
    replace: `channel.reserved -= 0n`,
    breaks: 'what a handler that failed had set aside is gone',
  },
]
