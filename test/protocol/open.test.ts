import { describe, expect, it } from 'vitest'
import type { LockSchemeName } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { AssertionError, Bank, Client, type Refusal, Vendor } from '../../src/protocol/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import { amount, type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import * as Open from '../../src/wire/Open.ts'
import * as Terms from '../../src/wire/Terms.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import { type Fault, later, pairs } from './adversary.ts'
import { account, bankKey, bytesOf, createWorld, frameKey, must, now, read, vendorKey } from './world.ts'

const lockSchemeNames: readonly LockSchemeName[] = ['schnorr', 'ecdsa-xor']
const stranger = Schnorr.keyPair(bytesOf('a stranger'))
const rules: Bank.Rules = { ...Bank.defaultRules, assets: ['USD/6', 'EUR/2'], network: 'lockstep:test', fundsMin: 100n }
const entropy: Client.Entropy = {
  channelKey: bytesOf('open key'),
  channelSeed: bytesOf('open seed'),
  coinSalt: bytesOf('open salt', 16),
  commandId: bytesOf('open command', 16),
}

interface Attempt {
  proposal: Client.Proposal
  signer: Schnorr.KeyPair
  channelSigner: Schnorr.KeyPair
  parties: {
    client: { reputation: number; balance: bigint } | undefined
    vendor: { reputation: number } | undefined
    channelKeySeen: boolean
  }
}

function rightProposal(): Client.Proposal {
  return {
    lockScheme: 'schnorr',
    funds: amount(1_000n),
    unitPrice: amount(10n),
    segmentLength: 8,
    openedAt: now,
    expiresAt: later(3600n),
    graceSeconds: 600,
    network: 'lockstep:test',
    asset: 'USD/6',
    bank: bankKey.publicKey,
    vendor: vendorKey.publicKey,
    vendorFrameKey: frameKey.publicKey,
    clientIdentity: Client.commitIdentity(bytesOf('client salt'), bytesOf('a client')),
    vendorIdentity: Client.commitIdentity(bytesOf('vendor salt'), bytesOf('a vendor')),
    validUntil: later(60n),
  }
}

function rightAttempt(): Attempt {
  return {
    proposal: rightProposal(),
    signer: account,
    channelSigner: Schnorr.keyPair(entropy.channelKey),
    parties: { client: { reputation: 60, balance: 1_000n }, vendor: { reputation: 60 }, channelKeySeen: false },
  }
}

function assess(attempt: Attempt): Refusal | { readonly ok: true } {
  const { proposal, signer, channelSigner, parties } = attempt
  const { terms } = Client.propose(account, proposal, entropy)
  const keys = { account: { ...signer, publicKey: account.publicKey }, channel: channelSigner }
  const command = Open.sign(keys, { id: entropy.commandId, validUntil: proposal.validUntil, terms })
  const open = read(Open.parse(Open.encode(command)))
  return Bank.assessOpen({ open, bank: bankKey.publicKey, rules, parties, now })
}

function change(part: Partial<Client.Proposal>): (attempt: Attempt) => void {
  return (attempt) => {
    attempt.proposal = { ...attempt.proposal, ...part }
  }
}

/** In their order: what the terms say, the signatures, and last what is in the bank's books. */
const faults: readonly Fault<Attempt>[] = [
  { reason: 'BankMismatch', detail: /bank/, fields: ['bank'], apply: change({ bank: stranger.publicKey }) },
  { reason: 'NetworkMismatch', detail: /eip155/, fields: ['network'], apply: change({ network: 'eip155:1' }) },
  { reason: 'AssetMismatch', detail: /USD\/6, EUR\/2/, fields: ['asset'], apply: change({ asset: 'USD/2' }) },
  { reason: 'CommandExpired', detail: /valid until/, fields: ['valid'], apply: change({ validUntil: later(-1n) }) },
  {
    reason: 'ClockSkewed',
    detail: /301 s/,
    fields: ['opened'],
    apply: change({ openedAt: later(-301n), expiresAt: later(3299n) }),
  },
  {
    reason: 'LifeOutOfRange',
    detail: /life of 59 s/,
    fields: ['opened', 'expires'],
    apply: change({ expiresAt: later(59n) }),
  },
  { reason: 'LifeOutOfRange', detail: /grace/, fields: ['grace'], apply: change({ graceSeconds: 59 }) },
  { reason: 'FundsTooSmall', detail: /99/, fields: ['funds'], apply: change({ funds: amount(99n) }) },
  {
    reason: 'SignatureInvalid',
    detail: /sign/,
    fields: ['signer'],
    apply: (attempt) => {
      attempt.signer = stranger
    },
  },
  {
    reason: 'SignatureInvalid',
    detail: /sign/,
    fields: ['channel signer'],
    apply: (attempt) => {
      attempt.channelSigner = stranger
    },
  },
  {
    reason: 'AccountUnknown',
    detail: /account/,
    fields: ['client', 'balance'],
    apply: (attempt) => {
      attempt.parties.client = undefined
    },
  },
  {
    reason: 'VendorUnknown',
    detail: /vendor/,
    fields: ['vendor'],
    apply: (attempt) => {
      attempt.parties.vendor = undefined
    },
  },
  {
    reason: 'ReputationTooLow',
    detail: /client has 50/,
    fields: ['client'],
    apply: ({ parties }) => {
      parties.client!.reputation = 50
    },
  },
  {
    reason: 'ReputationTooLow',
    detail: /vendor has 50/,
    fields: ['vendor'],
    apply: ({ parties }) => {
      parties.vendor!.reputation = 50
    },
  },
  {
    reason: 'ChannelKeyReused',
    detail: /one channel/,
    fields: ['seen'],
    apply: ({ parties }) => {
      parties.channelKeySeen = true
    },
  },
  {
    reason: 'BalanceTooLow',
    detail: /999/,
    fields: ['balance', 'funds'],
    apply: ({ parties }) => {
      parties.client!.balance = 999n
    },
  },
]

describe('the bank’s verdict on a proposal', () => {
  it('accepts what nothing is wrong with', () => {
    expect(assess(rightAttempt())).toEqual({ ok: true })
  })

  it.each(faults.map((fault, at) => ({ ...fault, at })))('refuses for $reason ($at)', ({ reason, detail, apply }) => {
    const attempt = rightAttempt()
    apply(attempt)
    expect(assess(attempt)).toEqual({ ok: false, reason, detail: expect.stringMatching(detail) })
  })

  it('finds the fault that comes first, of any two', () => {
    for (const { first, second } of pairs(faults)) {
      const attempt = rightAttempt()
      second.apply(attempt)
      first.apply(attempt)
      const { reason, detail } = first
      expect(assess(attempt)).toEqual({ ok: false, reason, detail: expect.stringMatching(detail) })
    }
  })

  it('tells who cannot sign for an account nothing of it', () => {
    for (const client of [undefined, { reputation: 0, balance: 0n }, { reputation: 60, balance: 1n }]) {
      const attempt = { ...rightAttempt(), signer: stranger }
      attempt.parties.client = client
      expect(assess(attempt)).toEqual(assess({ ...rightAttempt(), signer: stranger }))
    }
  })

  it.each([
    { limit: 'openedAt 300 s ago', part: { openedAt: later(-300n) }, ok: true },
    { limit: 'openedAt 301 s ago', part: { openedAt: later(-301n) }, ok: false },
    { limit: 'openedAt in 300 s', part: { openedAt: later(300n) }, ok: true },
    { limit: 'openedAt in 301 s', part: { openedAt: later(301n) }, ok: false },
    { limit: 'valid until now', part: { validUntil: now }, ok: true },
    { limit: 'valid until a second ago', part: { validUntil: later(-1n) }, ok: false },
    { limit: 'the shortest life', part: { expiresAt: later(60n) }, ok: true },
    { limit: 'a shorter life', part: { expiresAt: later(59n) }, ok: false },
    { limit: 'the longest life', part: { expiresAt: later(366n * 86_400n) }, ok: true },
    { limit: 'a longer life', part: { expiresAt: later(366n * 86_400n + 1n) }, ok: false },
    { limit: 'the shortest grace', part: { graceSeconds: 60 }, ok: true },
    { limit: 'the longest grace', part: { graceSeconds: 30 * 86_400 }, ok: true },
    { limit: 'a longer grace', part: { graceSeconds: 30 * 86_400 + 1 }, ok: false },
    { limit: 'the least funds', part: { funds: amount(100n) }, ok: true },
    { limit: 'less', part: { funds: amount(99n) }, ok: false },
    { limit: 'all of the balance', part: { funds: amount(1_000n) }, ok: true },
    { limit: 'more than the balance', part: { funds: amount(1_001n) }, ok: false },
    { limit: 'another asset that the bank holds', part: { asset: 'EUR/2' }, ok: true },
  ])('at the limit: $limit', ({ part, ok }) => {
    const attempt = rightAttempt()
    change(part)(attempt)
    expect(assess(attempt).ok).toBe(ok)
  })

  it('needs more than 50 of reputation from both sides', () => {
    for (const who of ['client', 'vendor'] as const) {
      for (const [reputation, ok] of [
        [50, false],
        [51, true],
      ] as const) {
        const attempt = rightAttempt()
        attempt.parties[who]!.reputation = reputation
        expect(assess(attempt).ok).toBe(ok)
      }
    }
  })

  it('refuses the command with any one of its bytes changed', () => {
    const { proposal, parties } = rightAttempt()
    const { open } = Client.propose(account, proposal, entropy)
    const bytes = Open.encode(open)
    for (let at = 0; at < bytes.length; at++) {
      const wrong = new Uint8Array(bytes)
      wrong[at]! ^= 1 << (at & 7)
      const parsed = Open.parse(wrong)
      const verdict = parsed.ok
        ? Bank.assessOpen({ open: parsed.value, bank: bankKey.publicKey, rules, parties, now })
        : parsed
      expect(verdict.ok).toBe(false)
    }
  })
})

describe.each(lockSchemeNames)('a grant with %s locks', (lockScheme) => {
  const { terms } = Client.propose(account, { ...rightProposal(), lockScheme }, entropy)
  const agreed = read(Terms.parse(terms))
  const opened = Bank.grant(bankKey, terms, agreed)

  it('is the same bytes each time', () => {
    expect(Open.encodeOpened(Bank.grant(bankKey, terms, agreed))).toEqual(Open.encodeOpened(opened))
  })

  it('is accepted by the client that proposed the terms', () => {
    const { channel } = must(Client.create(entropy, terms, opened))
    expect(channel).toMatchObject({ index: 0, paid: 0n, receipt: opened.receipt, frozen: undefined })
    expect(channel.segment.coins[0]).toEqual(agreed.anchor)
  })

  const proposal = { ...rightProposal(), lockScheme, funds: amount(2_000n) }
  const otherTerms = Client.propose(account, proposal, entropy).terms
  const other = Bank.grant(bankKey, otherTerms, read(Terms.parse(otherTerms)))
  const strangers = Bank.grant(stranger, terms, agreed)

  it.each([
    { wrong: 'a receipt of other terms', change: { receipt: other.receipt } },
    { wrong: 'a commitment to another receipt', change: { commitment: other.commitment } },
    {
      wrong: 'a receipt and commitment of other terms',
      change: { receipt: other.receipt, commitment: other.commitment },
    },
    {
      wrong: 'the bank’s own grant over a commitment to another receipt',
      change: {
        commitment: other.commitment,
        grant: Schnorr.sign(bankKey, Transaction.grantDigest(Terms.channelId(terms), other.commitment)),
      },
    },
    { wrong: 'a grant of other terms', change: { grant: other.grant } },
    { wrong: 'a receipt by somebody else', change: { receipt: strangers.receipt, commitment: strangers.commitment } },
    { wrong: 'a grant by somebody else', change: { grant: strangers.grant } },
    { wrong: 'everything by somebody else', change: strangers },
    { wrong: 'everything of other terms', change: other },
  ])('is refused with $wrong: nothing is signed over it', ({ change: part }) => {
    const verdict = Client.create(entropy, terms, { ...opened, ...part })
    expect(verdict.ok).toBe(false)
    if (!verdict.ok) expect(['SignatureInvalid', 'GrantInvalid']).toContain(verdict.reason)
  })

  it('is refused with any one of its bytes changed', () => {
    const bytes = Open.encodeOpened(opened)
    for (let at = 0; at < bytes.length; at++) {
      const wrong = new Uint8Array(bytes)
      wrong[at]! ^= 1 << (at & 7)
      expect(Client.create(entropy, terms, read(Open.parseOpened(wrong))).ok).toBe(false)
    }
  })

  it('is never taken with the secrets of another channel', () => {
    const secrets = { ...entropy, channelKey: bytesOf('another key') }
    expect(() => Client.create(secrets, terms, opened)).toThrow(AssertionError)
  })
})

describe('a vendor’s verdict on an attachment', () => {
  const world = createWorld()
  const attachment = read(Attachment.parse(Attachment.encode(world.client.attachment)))
  const acceptance: Vendor.Acceptance = {
    banks: [stranger.publicKey, bankKey.publicKey],
    vendor: vendorKey.publicKey,
    vendorFrameKey: frameKey.publicKey,
    network: 'lockstep:test',
    asset: 'USD/6',
    lockSchemes: ['schnorr'],
    lifeMin: 1800n,
    graceMin: 600,
  }

  interface Offer {
    acceptance: Vendor.Acceptance
    now: UnixSeconds
    grant: Uint8Array
  }

  const offer = (part: Partial<Vendor.Acceptance>) => (attempt: Offer) => {
    attempt.acceptance = { ...attempt.acceptance, ...part }
  }
  const wrongs: readonly Fault<Offer>[] = [
    { reason: 'BankUnknown', detail: /bank/, fields: ['banks'], apply: offer({ banks: [stranger.publicKey] }) },
    {
      reason: 'VendorMismatch',
      detail: /vendor key/,
      fields: ['vendor'],
      apply: offer({ vendor: stranger.publicKey }),
    },
    {
      reason: 'VendorMismatch',
      detail: /frame/,
      fields: ['frame'],
      apply: offer({ vendorFrameKey: stranger.publicKey }),
    },
    { reason: 'AssetMismatch', detail: /EUR/, fields: ['asset'], apply: offer({ asset: 'EUR/2' }) },
    { reason: 'NetworkMismatch', detail: /eip155/, fields: ['network'], apply: offer({ network: 'eip155:1' }) },
    { reason: 'LockSchemeUnsupported', detail: /xor/, fields: ['lock'], apply: offer({ lockSchemes: ['ecdsa-xor'] }) },
    {
      reason: 'LifeTooShort',
      detail: /1799 s more/,
      fields: ['now'],
      apply: (attempt) => {
        attempt.now = later(1801n)
      },
    },
    { reason: 'GraceTooShort', detail: /600 s/, fields: ['grace'], apply: offer({ graceMin: 601 }) },
    {
      reason: 'GrantInvalid',
      detail: /grant/,
      fields: ['grant'],
      apply: (attempt) => {
        attempt.grant = new Uint8Array(64)
      },
    },
  ]

  function verdictOn(...broken: readonly Fault<Offer>[]): Refusal | { readonly ok: true } {
    const attempt: Offer = { acceptance, now: later(1800n), grant: attachment.grant }
    for (const { apply } of broken) apply(attempt)
    return Vendor.assessAttachment({ ...attachment, grant: attempt.grant }, attempt.acceptance, attempt.now)
  }

  it('accepts what nothing is wrong with, at the limits of life and grace', () => {
    expect(verdictOn()).toEqual({ ok: true })
  })

  it('finds the fault that comes first, of any two', () => {
    for (const { first, second } of pairs(wrongs)) {
      const { reason, detail } = first
      expect(verdictOn(second, first)).toEqual({ ok: false, reason, detail: expect.stringMatching(detail) })
    }
    expect(verdictOn(wrongs.at(-1)!)).toMatchObject({ reason: 'GrantInvalid' })
  })

  it('refuses a grant that is for another commitment or channel', () => {
    const commitment = bytesOf('another commitment')
    expect(Vendor.assessAttachment({ ...attachment, commitment }, acceptance, now)).toMatchObject({
      reason: 'GrantInvalid',
    })
    const other = createWorld({ label: 'another channel' }).client.attachment
    const mixed = { ...attachment, grant: other.grant }
    expect(Vendor.assessAttachment(mixed, acceptance, now)).toMatchObject({ reason: 'GrantInvalid' })
  })

  it('refuses a channel that has expired, however far', () => {
    const ended = Vendor.assessAttachment(attachment, { ...acceptance, lifeMin: 0n }, unixSeconds(now + 86_400n))
    expect(ended).toMatchObject({ ok: false, reason: 'LifeTooShort' })
  })
})
