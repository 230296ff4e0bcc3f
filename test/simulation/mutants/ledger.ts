import type { Mutant } from './Mutant.ts'

const ledger = 'src/bank/ledger.ts'
const postings = 'src/protocol/bank/postings.ts'
const post = 'src/bank/store/post.ts'

/** Postings, and the books that take them. */
export const ledgerMutants: readonly Mutant[] = [
  {
    name: 'ledger-refund',
    file: ledger,
    find: `{ asset, amount: refund, from, to: client },`,
    replace: `{ asset, amount: refund, from, to: transit },`,
    breaks: 'what a vendor did not claim does not come back to its client',
  },
  {
    name: 'ledger-credit',
    file: ledger,
    find: `return [settle, credit]`,
    replace: `return [settle]`,
    breaks: 'what was settled stays in transit',
  },
  {
    name: 'ledger-credit-payee',
    file: ledger,
    find: `transfers: [{ asset, amount: settled, from: transit, to: vendor }].filter(movesMoney),`,
    replace: `transfers: [{ asset, amount: settled, from: transit, to: client }].filter(movesMoney),`,
    breaks: 'the client gets what the vendor earned',
  },
  {
    name: 'ledger-open',
    file: ledger,
    find: `transfers: [{ asset, amount, from, to: channelOf(channelId) }] }`,
    replace: `transfers: [{ asset, amount: amount / 2n + 1n, from, to: channelOf(channelId) }] }`,
    breaks: 'a channel is opened without all of its funds',
  },
  {
    name: 'ledger-expiry',
    file: postings,
    find: `const transfer = { asset, amount, from, to: { place: 'account', owner: account } } as const`,
    replace: `const transfer = { asset, amount, from, to: { place: 'account', owner: channelId } } as const`,
    breaks: 'the funds of an expired channel come to nobody',
  },
  {
    name: 'ledger-debit',
    file: post,
    find: `UPDATE balances SET balance = balance - :amount WHERE`,
    replace: `UPDATE balances SET balance = balance - :amount + 1 WHERE`,
    breaks: 'money is made out of nothing',
  },
  {
    name: 'ledger-balance-guard',
    file: post,
    find: `AND asset = :asset AND (balance >= :amount OR place = 'outside')\``,
    replace: `AND asset = :asset\``,
    breaks: 'an account spends what it does not have',
  },
  {
    name: 'ledger-once',
    file: 'src/bank/accounts.ts',
    find: `const reference = id === undefined ? random(32) : hashDeposit(id)`,
    replace: `const reference = random(32)`,
    breaks: 'a deposit that is booked again counts twice',
  },
  {
    name: 'ledger-withdrawal',
    file: 'src/protocol/bank/command.ts',
    find: `if (balance < amount) return refuse('BalanceTooLow', \`the account has \${balance} of \${asset}, not \${amount}\`)`,
    replace: `if (balance < 0n) return refuse('BalanceTooLow', '')`,
    breaks: 'a withdrawal is decided on a balance that is not there',
  },
  {
    name: 'ledger-overcharge',
    file: postings,
    find: `const balance = least(debt.amount, vendor.balance)`,
    replace: `const balance = vendor.balance`,
    breaks: 'an overcharge costs a vendor more than the difference',
  },
  {
    name: 'ledger-debt',
    file: 'src/bank/evidence.ts',
    find: `if (debt !== undefined) changes.push({ kind: 'debt', debt, at })`,
    replace: `if (debt === null) changes.push({ kind: 'debt', debt, at })`,
    breaks: 'what a vendor cannot return at once is forgotten',
  },
  {
    name: 'ledger-repayment',
    file: post,
    find: `    if (owed.length === 0) continue`,
    replace: `    if (owed.length >= 0) continue`,
    breaks: 'a vendor earns and does not pay its debt',
  },
]
