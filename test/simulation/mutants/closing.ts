import type { Mutant } from './Mutant.ts'

const closing = 'src/vendor/closing.ts'
const machine = 'src/protocol/vendor/closing.ts'

/** The vendor's last statement, the release that answers it, and its claim. */
export const closingMutants: readonly Mutant[] = [
  {
    name: 'closing-unstored',
    file: closing,
    find: `await options.till.write(held)
  // The release`,
    replace: `options.till.write(held).catch(() => undefined)
  // The release`,
    breaks: 'a vendor states its last before it is stored',
  },
  {
    name: 'closing-phase',
    file: machine,
    find: `if (channel.phase === 'open') channel.phase = 'closing'
  const statement = {`,
    replace: `const statement = {`,
    breaks: 'a vendor goes on after it has stated its last',
  },
  {
    name: 'claim-unstored',
    file: closing,
    find: `  await options.till.write(held)
  return { ok: true, claim: signed }`,
    replace: `  options.till.write(held).catch(() => undefined)
  return { ok: true, claim: signed }`,
    breaks: 'a claim leaves before it is stored',
  },
  {
    name: 'claim-running',
    file: closing,
    find: `return size === 0 ? undefined : refuse(`,
    replace: `return size >= 0 ? undefined : refuse(`,
    breaks: 'a vendor claims while handlers run that it will charge for',
  },
  {
    name: 'claim-open',
    file: closing,
    find: `if (held.channel.phase === 'open') {`,
    replace: `if (held.channel.phase === 'closed') {`,
    breaks: 'payments are accepted while a claim is made',
  },
  {
    name: 'claim-evidence',
    file: machine,
    find: `proven(right, right.step) >= proven(left, left.step) ? right : left,`,
    replace: `proven(right, right.step) < proven(left, left.step) ? right : left,`,
    breaks: 'a vendor claims with the worst evidence that it has',
  },
  {
    name: 'claim-amount',
    file: machine,
    find: `amount: amount(channel.spent),`,
    replace: `amount: amount(channel.paid),`,
    breaks: 'a vendor claims all that was paid, also what it did not charge',
  },
  {
    name: 'release-receipts',
    file: closing,
    find: `if (unopened !== undefined) {`,
    replace: `if (unopened === null) {`,
    breaks: 'a vendor takes a release that opens nothing',
  },
  {
    name: 'release-checkpoint',
    file: machine,
    find: `if (index !== window.contiguous || !equal(transcript, window.transcript)) {`,
    replace: `if (index === window.contiguous && equal(transcript, window.transcript)) {`,
    breaks: 'a vendor does not take a right release',
  },
]
