import { describe, expect, it } from 'vitest'
import { adversaries, ecdsa, games } from '../../src/published/index.ts'
import { seeded } from './support.ts'

const rounds = 40

/** The published scheme with one rule more: only the lower of the two signatures is made and accepted. */
const lowOnly: games.Scheme = {
  ...games.published,
  sign: (...input) => {
    const signature = ecdsa.sign(...input)
    return ecdsa.isHigh(signature) ? ecdsa.flip(signature) : signature
  },
  verify: (signed) => !ecdsa.isHigh(signed.signature) && ecdsa.verify(signed),
}

/** Randomness that repeats itself once the keys are drawn. */
function stuck(seed: string): ecdsa.Entropy {
  const fresh = seeded(seed)
  let draws = 0
  return (size) => (draws++ < 2 ? fresh(size) : new Uint8Array(size).fill(7))
}

function unlockability(name: string, scheme: games.Scheme = games.published): games.WinRate {
  const adversary = adversaries.unlockabilityAdversaries.find((each) => each.name === name)!
  const players = { adversary, scheme, entropy: seeded(`challenger ${name}`), coins: seeded(`coins ${name}`) }
  return games.winRate(adversary, rounds, () => games.playUnlockability(players))
}

function invisibility(name: string, challenger = seeded): games.WinRate {
  const adversary = adversaries.invisibilityAdversaries.find((each) => each.name === name)!
  const coins = seeded(`coins ${name}`)
  let round = 0
  return games.winRate(adversary, rounds, () =>
    games.playInvisibility({ adversary, entropy: challenger(`challenger ${name} ${round++}`), coins }),
  )
}

it('reports a win rate for every adversary of both games', () => {
  const rates = (report: readonly games.WinRate[]) => report.map(({ adversary, rate }) => [adversary, rate])
  const { unlockability, invisibility } = adversaries.playAll(8, seeded('report'))
  expect(rates(unlockability)).toEqual([
    ['honest courier', 0],
    ['noise', 0],
    ['flipped s', 1],
    ['signs again', 1],
    ['noise as a lock', 1],
  ])
  expect(rates(invisibility)).toEqual([
    ['guess', 0],
    ['the lock itself', 0],
    ['asks for σ', 0],
    ['repeated k', 0],
  ])
})

describe('unlockability (Algorithm 1)', () => {
  it.each([
    ['honest courier', 0],
    ['noise', 0],
    ['flipped s', 1],
    ['signs again', 1],
    ['noise as a lock', 1],
  ])('%s wins at a rate of %i', (name, rate) => {
    expect(unlockability(name)).toEqual({ adversary: name, games: rounds, wins: rate * rounds, rate })
  })

  it('holds against the flip once high s is refused, and still not against its signer', () => {
    expect(unlockability('honest courier', lowOnly).rate).toBe(0)
    expect(unlockability('flipped s', lowOnly).rate).toBe(0)
    expect(unlockability('signs again', lowOnly).rate).toBe(1)
  })

  it('is lost through b_0 by noise and through b_1 by the honest courier', () => {
    const play = (name: string) => {
      const adversary = adversaries.unlockabilityAdversaries.find((each) => each.name === name)!
      return games.playUnlockability({ adversary, entropy: seeded('a'), coins: seeded('b') })
    }
    expect(play('noise')).toEqual({ b0: false, b1: true, won: false })
    expect(play('honest courier')).toEqual({ b0: true, b1: false, won: false })
  })
})

describe('invisibility (Algorithm 2)', () => {
  it.each(['guess', 'the lock itself', 'asks for σ', 'repeated k'])('%s wins no game', (name) => {
    expect(invisibility(name)).toEqual({ adversary: name, games: rounds, wins: 0, rate: 0 })
  })

  it('is lost through b_1 by whoever asks for the signature', () => {
    const adversary = adversaries.invisibilityAdversaries.find(({ name }) => name === 'asks for σ')!
    const outcome = games.playInvisibility({ adversary, entropy: seeded('a'), coins: seeded('b') })
    expect(outcome).toEqual({ b0: true, b1: false, won: false })
  })

  it('is gone when the source of randomness repeats k', () => {
    expect(invisibility('repeated k', stuck).rate).toBe(1)
  })

  it('does not fall to a second signature on the locking message: k is fresh', () => {
    const adversary: games.InvisibilityAdversary = {
      name: 'asks for σ̂',
      choose: (_view, _oracles, entropy) => ({ message: entropy(32), lockingMessage: entropy(32) }),
      forge: ({ lock, lockingMessage }, oracles) =>
        games.published.unlock({ lock, lockingSignature: oracles.signLocking(lockingMessage) }),
    }
    const outcome = games.playInvisibility({ adversary, entropy: seeded('a'), coins: seeded('b') })
    expect(outcome).toEqual({ b0: false, b1: false, won: false })
  })
})
