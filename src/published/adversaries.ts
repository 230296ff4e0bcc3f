/** Adversaries for the two games: naive ones that lose, and the clever ones behind flaws 3 and 4. */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToNumberBE, numberToBytesBE } from '@noble/curves/utils.js'
import { equal, utf8 } from '../crypto/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { type Entropy, flip, type KeyPair, sign, signatureSize } from './ecdsa.ts'
import {
  type InvisibilityAdversary,
  playInvisibility,
  playUnlockability,
  type UnlockabilityAdversary,
  type WinRate,
  winRate,
} from './games.ts'
import { keyGen } from './LockableSignature.ts'

/** Delivers the honest `σ̂`: never wins, which is what completeness asks. */
const honestCourier: UnlockabilityAdversary = {
  name: 'honest courier',
  power: 'path',
  answer: ({ lockingSignature }) => lockingSignature,
}

/** Delivers noise: it unlocks nothing, but nor does it verify. */
const noiseCourier: UnlockabilityAdversary = {
  name: 'noise',
  power: 'path',
  answer: (_view, _scheme, entropy) => entropy(signatureSize),
}

/** Delivers `(r_x, q − sig)`: it verifies as ECDSA has it and hashes to another mask. No key needed. Flaw 4. */
const flipper: UnlockabilityAdversary = {
  name: 'flipped s',
  power: 'path',
  answer: ({ lockingSignature }) => flip(lockingSignature),
}

/** Signs `m̂` again with a fresh `k`: a second valid `σ̂` that the lock knows nothing of. Flaw 4, by the client. */
const resigner: UnlockabilityAdversary = {
  name: 'signs again',
  power: 'signer',
  answer: ({ lockingKey, lockingMessage }, scheme, entropy) => scheme.sign(lockingKey, lockingMessage, entropy),
}

/** Puts noise in the lock's place, which nobody can tell from a lock. Flaw 3. */
const noiseLocker: UnlockabilityAdversary = {
  name: 'noise as a lock',
  power: 'locker',
  make(scheme, entropy) {
    const { signing, locking } = keyGen(entropy)
    const [message, lockingMessage] = [entropy(32), entropy(32)]
    return {
      publicKey: signing.publicKey,
      message,
      lockingPublicKey: locking.publicKey,
      lockingMessage,
      lock: entropy(signatureSize),
      lockingSignature: scheme.sign(locking, lockingMessage, entropy),
    }
  },
}

export const unlockabilityAdversaries: readonly UnlockabilityAdversary[] = [
  honestCourier,
  noiseCourier,
  flipper,
  resigner,
  noiseLocker,
]

const chooseRandomly = (_view: unknown, _oracles: unknown, entropy: Entropy) => ({
  message: entropy(32),
  lockingMessage: entropy(32),
})

/** Guesses 64 bytes. */
const guesser: InvisibilityAdversary = {
  name: 'guess',
  choose: chooseRandomly,
  forge: (_view, _oracles, entropy) => entropy(signatureSize),
}

/** Takes the lock for the signature. */
const lockReader: InvisibilityAdversary = {
  name: 'the lock itself',
  choose: chooseRandomly,
  forge: ({ lock }) => lock,
}

/** Has `m` signed: that verifies, and is what `b_1` rules out. */
const asker: InvisibilityAdversary = {
  name: 'asks for σ',
  choose: chooseRandomly,
  forge: ({ message }, oracles) => oracles.sign(message),
}

/**
 * Has two messages signed and, where the challenger used one `k` for both, computes `sk` from them and signs `m`
 * itself. It wins every game against a source of randomness that repeats, and none otherwise.
 */
const nonceReader: InvisibilityAdversary = {
  name: 'repeated k',
  choose: chooseRandomly,
  forge({ publicKey, message }, oracles, entropy) {
    const [first, second] = [utf8('first'), utf8('second')]
    const secretKey = secretFromRepeatedNonce(
      { message: first, signature: oracles.sign(first) },
      { message: second, signature: oracles.sign(second) },
    )
    return secretKey === undefined ? entropy(signatureSize) : sign({ secretKey, publicKey }, message, entropy)
  },
}

export const invisibilityAdversaries: readonly InvisibilityAdversary[] = [guesser, lockReader, asker, nonceReader]

export interface GameReport {
  readonly unlockability: readonly WinRate[]
  readonly invisibility: readonly WinRate[]
}

/** Plays both games `rounds` times against every adversary above. */
export function playAll(rounds: number, entropy: Entropy): GameReport {
  const players = { entropy, coins: entropy }
  return {
    unlockability: unlockabilityAdversaries.map((adversary) =>
      winRate(adversary, rounds, () => playUnlockability({ ...players, adversary })),
    ),
    invisibility: invisibilityAdversaries.map((adversary) =>
      winRate(adversary, rounds, () => playInvisibility({ ...players, adversary })),
    ),
  }
}

interface SignedMessage {
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** From `sig = (z + r_x·sk) / k` twice with one `k`: `k = (z_1 − z_2) / (sig_1 − sig_2)`, `sk = (sig_1·k − z_1) / r_x`. */
function secretFromRepeatedNonce(first: SignedMessage, second: SignedMessage): KeyPair['secretKey'] | undefined {
  if (!equal(first.signature.subarray(0, 32), second.signature.subarray(0, 32))) return undefined
  const { Fn } = secp256k1.Point
  const [z1, z2] = [first, second].map(({ message }) => Fn.create(bytesToNumberBE(sha256(message)))) as [bigint, bigint]
  const [s1, s2] = [first, second].map(({ signature }) => bytesToNumberBE(signature.subarray(32))) as [bigint, bigint]
  const k = Fn.div(Fn.sub(z1, z2), Fn.sub(s1, s2))
  const rx = bytesToNumberBE(first.signature.subarray(0, 32))
  return numberToBytesBE(Fn.div(Fn.sub(Fn.mul(s1, k), z1), rx), 32)
}
