/**
 * The two security games of section 4.2, executable, with the adversary as an argument.
 *
 * What is left of the paper's text gives for each its title, the input `1^λ` and the output `b_0 ∧ b_1`, and not the
 * steps between. They are filled in after the source it cites, Thyagarajan and Malavolta's lockable signatures: a lock
 * must open under *every* valid locking signature (unlockability), and must show nothing without one (there "hiding",
 * here invisibility). An adversary wins when both bits are 1; λ is fixed at 128 by the curve.
 */

import { equal } from '../crypto/bytes.ts'
import type { Entropy, KeyPair } from './ecdsa.ts'
import { keyGen, seal, sign, unlock, verify } from './LockableSignature.ts'

/** What a game is played against: {@link published}, or a variant of it. */
export interface Scheme {
  readonly sign: typeof sign
  readonly verify: typeof verify
  readonly seal: typeof seal
  readonly unlock: typeof unlock
}

export const published: Scheme = { sign, verify, seal, unlock }

export interface Outcome {
  readonly b0: boolean
  readonly b1: boolean
  /** `b_0 ∧ b_1`. */
  readonly won: boolean
}

/** What an observer of an honest locking sees. */
export interface LockView {
  readonly publicKey: Uint8Array
  readonly message: Uint8Array
  readonly lockingPublicKey: Uint8Array
  readonly lockingMessage: Uint8Array
  readonly lock: Uint8Array
}

/** `(pk, m, p̂k, m̂, σ̂, ℓk)`. */
export interface Opened extends LockView {
  readonly lockingSignature: Uint8Array
}

/**
 * How much of the scheme an unlockability adversary holds:
 * `path` sees `ℓk` and the honest `σ̂` go by and delivers a `σ̂` of its own; `signer` holds `ŝk` besides, as a client
 * does; `locker` makes everything, the lock too.
 */
export type UnlockabilityAdversary =
  | {
      readonly name: string
      readonly power: 'path'
      answer(view: Opened, scheme: Scheme, entropy: Entropy): Uint8Array
    }
  | {
      readonly name: string
      readonly power: 'signer'
      answer(view: Opened & { readonly lockingKey: KeyPair }, scheme: Scheme, entropy: Entropy): Uint8Array
    }
  | { readonly name: string; readonly power: 'locker'; make(scheme: Scheme, entropy: Entropy): Opened }

export interface InvisibilityAdversary {
  readonly name: string
  /** Names `m` and `m̂`. */
  choose(view: PublicKeys, oracles: Oracles, entropy: Entropy): { message: Uint8Array; lockingMessage: Uint8Array }
  /** Outputs `σ`, given `ℓk` and not `σ̂`. */
  forge(view: LockView, oracles: Oracles, entropy: Entropy): Uint8Array
}

export interface PublicKeys {
  readonly publicKey: Uint8Array
  readonly lockingPublicKey: Uint8Array
}

/** Signatures on messages of the adversary's choice. */
export interface Oracles {
  /** `Sign(sk, ·)`; what is asked goes into `Q`. */
  sign(message: Uint8Array): Uint8Array
  /** `Sign(ŝk, ·)`; what is asked goes into `Q̂`. */
  signLocking(message: Uint8Array): Uint8Array
}

export interface Players<A> {
  readonly adversary: A
  readonly scheme?: Scheme
  /** Randomness of the challenger: keys, nonces. */
  readonly entropy: Entropy
  /** Randomness of the adversary. */
  readonly coins: Entropy
}

export interface WinRate {
  readonly adversary: string
  readonly games: number
  readonly wins: number
  /** `wins / games`. */
  readonly rate: number
}

/**
 * Algorithm 1, unlockability. The challenger generates both key pairs and locks `σ` on `m` under `σ̂` on `m̂`, honestly
 * unless the adversary is a `locker`; the adversary delivers a `σ̂`.
 *
 * - `b_0`: `Vf(p̂k, m̂, σ̂) = 1`.
 * - `b_1`: `Vf(pk, m, Unlock(pk, m, p̂k, m̂, σ̂, ℓk)) ≠ 1`.
 */
export function playUnlockability(players: Players<UnlockabilityAdversary>): Outcome {
  const { adversary, scheme = published, entropy, coins } = players
  const delivered =
    adversary.power === 'locker'
      ? adversary.make(scheme, coins)
      : lockHonestly(scheme, entropy, (honest, lockingKey) => {
          const view = { ...honest, lockingKey }
          return adversary.power === 'path'
            ? adversary.answer(honest, scheme, coins)
            : adversary.answer(view, scheme, coins)
        })
  const { publicKey, message, lockingPublicKey, lockingMessage, lock, lockingSignature } = delivered
  const b0 = scheme.verify({ publicKey: lockingPublicKey, message: lockingMessage, signature: lockingSignature })
  const b1 = !scheme.verify({ publicKey, message, signature: scheme.unlock({ lock, lockingSignature }) })
  return { b0, b1, won: b0 && b1 }
}

/**
 * Algorithm 2, invisibility. The adversary may have any messages signed under both keys, names `m` and `m̂`, is given
 * `ℓk` and outputs a `σ`.
 *
 * - `b_0`: `Vf(pk, m, σ) = 1`.
 * - `b_1`: it had neither `m` signed under `sk` nor `m̂` under `ŝk`.
 */
export function playInvisibility(players: Players<InvisibilityAdversary>): Outcome {
  const { adversary, scheme = published, entropy, coins } = players
  const { signing, locking } = keyGen(entropy)
  const keys = { publicKey: signing.publicKey, lockingPublicKey: locking.publicKey }
  const asked: Uint8Array[] = []
  const askedLocking: Uint8Array[] = []
  const oracles: Oracles = {
    sign(message) {
      asked.push(message)
      return scheme.sign(signing, message, entropy)
    },
    signLocking(message) {
      askedLocking.push(message)
      return scheme.sign(locking, message, entropy)
    },
  }
  const { message, lockingMessage } = adversary.choose(keys, oracles, coins)
  const lock = scheme.seal({
    signature: scheme.sign(signing, message, entropy),
    lockingSignature: scheme.sign(locking, lockingMessage, entropy),
  })
  const signature = adversary.forge({ ...keys, message, lockingMessage, lock }, oracles, coins)
  const b0 = scheme.verify({ publicKey: signing.publicKey, message, signature })
  const b1 = !asked.some((each) => equal(each, message)) && !askedLocking.some((each) => equal(each, lockingMessage))
  return { b0, b1, won: b0 && b1 }
}

/** Plays `games` times. */
export function winRate(adversary: { readonly name: string }, games: number, play: () => Outcome): WinRate {
  let wins = 0
  for (let game = 0; game < games; game++) if (play().won) wins++
  return { adversary: adversary.name, games, wins, rate: wins / games }
}

/** The challenger's honest locking of two random messages, and what `answer` delivers as `σ̂`. */
function lockHonestly(
  scheme: Scheme,
  entropy: Entropy,
  answer: (honest: Opened, lockingKey: KeyPair) => Uint8Array,
): Opened {
  const { signing, locking } = keyGen(entropy)
  const [message, lockingMessage] = [entropy(32), entropy(32)]
  const signature = scheme.sign(signing, message, entropy)
  const lockingSignature = scheme.sign(locking, lockingMessage, entropy)
  const honest = {
    publicKey: signing.publicKey,
    message,
    lockingPublicKey: locking.publicKey,
    lockingMessage,
    lock: scheme.seal({ signature, lockingSignature }),
    lockingSignature,
  }
  return { ...honest, lockingSignature: answer(honest, locking) }
}
