/** Tags, terms, coins. */

import { fromHex, utf8 } from '../../src/crypto/bytes.ts'
import * as CoinChain from '../../src/crypto/CoinChain.ts'
import { sha256, taggedHash } from '../../src/crypto/hash.ts'
import { amount, amountMax, unixSeconds } from '../../src/wire/amount.ts'
import * as Terms from '../../src/wire/Terms.ts'
import { createSegment, flip, patch, type Story, seed } from './story.ts'

const tags = [
  'lockstep/terms',
  'lockstep/tx0',
  'lockstep/tx',
  'lockstep/grant',
  'lockstep/transcript',
  'lockstep/checkpoint',
  'lockstep/closing',
  'lockstep/close',
  'lockstep/open',
  'lockstep/channel-key',
  'lockstep/command',
  'lockstep/record',
  'lockstep/segment',
  'lockstep/receipt',
  'lockstep/mask',
  'lockstep/identity',
  'lockstep/identity-salt',
  'lockstep/query',
  'lockstep/request',
  'lockstep/merkle-leaf',
  'lockstep/merkle-node',
  'lockstep/merkle-root',
  'lockstep/tree-head',
  'lockstep/log',
  'lockstep/log-entry',
  'lockstep/record-published',
  'lockstep/deposit',
  'lockstep/repayment',
  'BIP0340/aux',
  'BIP0340/nonce',
  'BIP0340/challenge',
]

export function tagVectors(): readonly object[] {
  return tags.map((tag) => ({ name: tag, tag, prefix: sha256(utf8(tag)), empty: taggedHash(tag)() }))
}

export function termsVectors(stories: readonly Story[]): readonly object[] {
  const { terms, encodedTerms: good } = stories[0]!
  const valid = (name: string, value: Terms.Terms): object => {
    const encoded = Terms.encode(value)
    const channelId = Terms.channelId(encoded)
    return { name, valid: true, terms: value, encoded, channelId, reference: Terms.reference(channelId) }
  }
  const invalid = (name: string, encoded: Uint8Array, reason: string): object => ({
    name,
    valid: false,
    encoded,
    reason,
  })
  const changed = (name: string, change: Partial<Terms.Terms>, reason: string): object =>
    invalid(name, Terms.encode({ ...terms, ...change }), reason)
  const patched = (name: string, offset: number, hex: string, reason: string): object =>
    invalid(name, patch(good, offset, fromHex(hex)), reason)
  const noAsset = 'terms: an asset is CODE/decimals, such as USD/6, with at most 9 decimals'
  return [
    ...stories.map((story) => valid(`a channel with ${story.scheme} locks`, story.terms)),
    valid('the smallest channel', {
      ...terms,
      segmentLength: 1,
      graceSeconds: 0,
      funds: amount(1n),
      unitPrice: amount(1n),
      openedAt: unixSeconds(0n),
      expiresAt: unixSeconds(1n),
      network: '!',
      asset: 'A/0',
    }),
    valid('the largest channel', {
      ...terms,
      segmentLength: 1024,
      graceSeconds: 0xffffffff,
      funds: amountMax,
      unitPrice: amount(amountMax >> 10n),
      openedAt: unixSeconds(amountMax - 0x100000000n),
      expiresAt: unixSeconds(amountMax - 0xffffffffn),
      network: '~'.repeat(32),
      asset: `${'A'.repeat(30)}/9`,
    }),
    changed('no coins', { segmentLength: 0 }, 'terms: segmentLength is 1 to 1,024'),
    changed('1,025 coins', { segmentLength: 1025 }, 'terms: segmentLength is 1 to 1,024'),
    changed('coins for nothing', { unitPrice: amount(0n) }, 'terms: unitPrice is at least 1'),
    changed(
      'coins worth one unit more than the funds',
      { funds: amount(159n) },
      'terms: segment 0 is worth more than the funds',
    ),
    changed('coins worth more than 2^64', { unitPrice: amountMax }, 'terms: segment 0 is worth more than the funds'),
    changed('no time', { expiresAt: terms.openedAt }, 'terms: expiresAt is after openedAt'),
    changed(
      'a deadline of 2^63',
      { expiresAt: unixSeconds(amountMax), graceSeconds: 1 },
      'terms: expiresAt + graceSeconds is below 2^63',
    ),
    changed('no decimals', { asset: 'USD' }, noAsset),
    changed('10 decimals', { asset: 'USD/10' }, noAsset),
    changed('a channel key of no point', { channelKey: new Uint8Array(32) }, 'terms: channelKey is no public key'),
    changed('a vendor key of no point', { vendor: new Uint8Array(32).fill(255) }, 'terms: vendor is no public key'),
    patched('version 2', 0, '02', 'terms.version: expected 0x1, got 0x2'),
    patched('an unknown lock scheme', 1, '02', 'terms.lockScheme: no such code: 2'),
    patched('funds of 2^63', 8, '8000000000000000', 'terms.funds: 2^63 or more'),
    patched('a network with a zero inside', 60, '00', 'terms.network: text after its zero fill'),
    patched('an empty network', 56, '00'.repeat(32), 'terms.network: not printable ASCII without spaces'),
    patched('a network with a space', 56, '20', 'terms.network: not printable ASCII without spaces'),
    patched('an asset with a byte after its fill', 119, '30', 'terms.asset: text after its zero fill'),
    invalid('cut short', good.slice(0, -1), 'terms has 344 bytes; got 343'),
    invalid('drawn out', patch(new Uint8Array(345), 0, good), 'terms has 344 bytes; got 345'),
    invalid('nothing', new Uint8Array(0), 'terms has 344 bytes; got 0'),
  ]
}

export function coinVectors(stories: readonly Story[]): readonly object[] {
  const channelSeed = seed('channelSeed of a long segment')
  const salt = seed('coinSalt of a long segment').slice(0, 16)
  const long = createSegment(channelSeed, salt, {
    number: 0xffffffff,
    base: amountMax - 1024n,
    unitPrice: 1n,
    length: 1024,
  })
  const wrong = flip(long.coins[1]!, 31)
  return [
    ...stories.flatMap(({ scheme, segments, channelSeed: secret, terms: { coinSalt } }) =>
      segments.map(({ number, base, unitPrice, length, seed: start, coins }) => ({
        name: `segment ${number} of the ${scheme} channel`,
        channelSeed: secret,
        segment: number,
        base,
        unitPrice,
        length,
        coinSalt,
        seed: start,
        coins,
      })),
    ),
    {
      name: 'a segment of 1,024 coins at the largest numbers',
      channelSeed,
      segment: long.number,
      base: long.base,
      unitPrice: long.unitPrice,
      length: long.length,
      coinSalt: salt,
      seed: long.seed,
      anchor: long.coins[0],
      step: 1000,
      coin: long.coins[1000],
    },
    { name: 'a coin walked to its anchor', coinSalt: salt, coin: long.coins[1], steps: 1, result: long.coins[0] },
    { name: 'the last coin walked to its anchor', coinSalt: salt, coin: long.seed, steps: 1024, result: long.coins[0] },
    { name: 'no step', coinSalt: salt, coin: long.coins[7], steps: 0, result: long.coins[7] },
    {
      name: 'a wrong coin walked elsewhere',
      coinSalt: salt,
      coin: wrong,
      steps: 1,
      result: CoinChain.walk({ coin: wrong, steps: 1, salt }),
    },
  ]
}
