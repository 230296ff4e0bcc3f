import type { Mutant } from './Mutant.ts'

const verdict = 'src/protocol/vendor/verdict.ts'
const segments = 'src/protocol/vendor/segments.ts'
const attach = 'src/protocol/vendor/attach.ts'

/** The guards of a vendor's verdict on a payment, in the order of the design, 3.5. */
export const verdictMutants: readonly Mutant[] = [
  {
    name: 'attachment-grant',
    file: attach,
    find: `return Attachment.verify(attachment) ? { ok: true }`,
    replace: `return attachment.grant.length === 64 ? { ok: true }`,
    breaks: 'a channel that no bank has opened pays',
  },
  {
    name: 'attachment-bank',
    file: attach,
    find: `if (!acceptance.banks.some((bank) => equal(bank, terms.bank))) {`,
    replace: `if (acceptance.banks.length === 0) {`,
    breaks: 'a channel at a bank of the payer’s own pays',
  },
  {
    name: 'attachment-vendor',
    file: attach,
    find: `if (!equal(terms.vendor, acceptance.vendor)) return`,
    replace: `if (terms.vendor.length !== 32) return`,
    breaks: 'a channel whose money goes to somebody else pays',
  },
  {
    name: 'attachment-grace',
    file: attach,
    find: `if (terms.graceSeconds < acceptance.graceMin) {`,
    replace: `if (terms.graceSeconds < 0) {`,
    breaks: 'a channel pays that leaves its vendor no time to claim',
  },
  {
    name: 'attachment-life',
    file: attach,
    find: `if (life < acceptance.lifeMin) {`,
    replace: `if (life < 0n) {`,
    breaks: 'a channel pays that ends before its vendor has had its use',
  },
  {
    name: 'verdict-closed',
    file: verdict,
    find: `if (channel.phase !== 'open') return refuse('ChannelClosed'`,
    replace: `if (channel.phase === 'closed') return refuse('ChannelClosed'`,
    breaks: 'payments are accepted after the vendor has stated its last',
  },
  {
    name: 'verdict-suspended',
    file: verdict,
    find: `(channel.suspended === undefined ? undefined : refuse('ChannelSuspended', channel.suspended))`,
    replace: `undefined`,
    breaks: 'a suspended channel goes on paying',
  },
  {
    name: 'verdict-mac',
    file: verdict,
    find: `if (!isSealed(bytes, channel.macs.frame)) return refuse(`,
    replace: `if (bytes.length === 0) return refuse(`,
    breaks: 'whoever listens makes frames of the client',
  },
  {
    name: 'verdict-expired',
    file: verdict,
    find: `return now < expiresAt ? undefined : refuse('ChannelExpired'`,
    replace: `return now > 0n ? undefined : refuse('ChannelExpired'`,
    breaks: 'an expired channel pays, which nobody may be able to claim any more',
  },
  {
    name: 'verdict-index-seen',
    file: verdict,
    find: `if (payment.index <= window.contiguous || window.ahead.has(payment.index)) {`,
    replace: `if (payment.index <= window.contiguous) {`,
    breaks: 'a payment ahead of the prefix is accepted again',
  },
  {
    name: 'verdict-index-seen-prefix',
    file: verdict,
    find: `if (payment.index <= window.contiguous || window.ahead.has(payment.index)) {`,
    replace: `if (window.ahead.has(payment.index)) {`,
    breaks: 'a payment of the prefix is accepted again',
  },
  {
    name: 'checkpoint-signature',
    file: segments,
    find: `if (!Checkpoint.verify(terms.channelKey, channelId, checkpoint)) {`,
    replace: `if (checkpoint.segment < 0) {`,
    breaks: 'anybody signs checkpoints for the client',
  },
  {
    name: 'checkpoint-funds',
    file: segments,
    find: `if (worth > terms.funds) {`,
    replace: `if (worth < 0n) {`,
    breaks: 'a checkpoint pays more than the channel holds',
  },
  {
    name: 'checkpoint-transcript',
    file: verdict,
    find: `suspend(channel, \`a checkpoint contradicts the transcript at payment \${index}\`)`,
    replace: `void suspend`,
    breaks: 'a checkpoint over another transcript is never noticed',
  },
  {
    name: 'coin-unchecked',
    file: segments,
    find: `? equal(CoinChain.walk({ coin, steps: step - segment.step, salt }), segment.coin)`,
    replace: `? step >= segment.step`,
    breaks: 'any bytes are a coin',
  },
  {
    name: 'coin-older',
    file: segments,
    find: `: equal(CoinChain.walk({ coin: segment.coin, steps: segment.step - step, salt }), coin)`,
    replace: `: false`,
    breaks: 'a payment that comes late is taken for a forgery',
  },
  {
    name: 'coin-strikes',
    file: verdict,
    find: `if (channel.strikes >= strikesMax)`,
    replace: `if (channel.strikes >= 1000)`,
    breaks: 'who sends wrong coins may try for ever',
  },
  {
    name: 'amount-floor',
    file: verdict,
    find: `if (total < floor) {`,
    replace: `if (total <= floor) {`,
    breaks: 'a payment out of credit is refused',
  },
  {
    name: 'amount-ceiling',
    file: verdict,
    find: `if (other > index && total > ceiling) {`,
    replace: `if (other > index && total < ceiling) {`,
    breaks: 'a payment that comes late is refused',
  },
]
