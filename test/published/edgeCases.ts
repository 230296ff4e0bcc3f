import { secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToNumberBE, numberToBytesBE } from '@noble/curves/utils.js'
import { concat, toHex, utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'

/** Signatures in the format of Wycheproof's `ecdsa_p1363_verify_schema`: any of its files can stand beside ours. */
export interface VectorFile {
  readonly algorithm: 'ECDSA'
  readonly numberOfTests: number
  readonly testGroups: readonly VectorGroup[]
}

export interface VectorGroup {
  readonly publicKey: { readonly uncompressed: string }
  readonly tests: readonly Vector[]
}

export interface Vector {
  readonly tcId: number
  readonly comment: string
  readonly msg: string
  /** `r ‖ s`. */
  readonly sig: string
  readonly result: 'valid' | 'invalid'
}

/**
 * Where an ECDSA verification can go wrong: halves out of range, either half of `s`, `r_x` reduced mod q, `R'` at
 * infinity, keys next to the generator. Keys without a known secret come from recovering one for a chosen `(r, s)`.
 */
export function edgeCases(): VectorFile {
  const groups = [...outOfRange(), ...chosenScalars(), ...specialKeys(), ...infinity()]
  let tcId = 0
  const testGroups = groups.map(({ key, tests }) => ({
    publicKey: { uncompressed: toHex(key.toBytes(false)) },
    tests: tests.map((test) => ({ tcId: ++tcId, ...test })),
  }))
  return { algorithm: 'ECDSA', numberOfTests: tcId, testGroups }
}

type Point = InstanceType<typeof Point>
type Test = Omit<Vector, 'tcId'>
interface Group {
  readonly key: Point
  readonly tests: readonly Test[]
}

const { Point } = secp256k1
const { Fn, Fp, BASE: G } = Point
const q = Fn.ORDER
const message = utf8('edge case')
const z = Fn.create(bytesToNumberBE(sha256(message)))

function test(comment: string, result: Vector['result'], signature: Uint8Array, signed = message): Test {
  return { comment, msg: toHex(signed), sig: toHex(signature), result }
}

function encode(r: bigint, s: bigint): Uint8Array {
  return concat(numberToBytesBE(r, 32), numberToBytesBE(s, 32))
}

function outOfRange(): Group[] {
  const secret = numberToBytesBE(7n, 32)
  const { r, s } = secp256k1.Signature.fromBytes(secp256k1.sign(message, secret, { lowS: true }))
  const max = (1n << 256n) - 1n
  const valid = encode(r, s)
  return [
    {
      key: G.multiply(7n),
      tests: [
        test('low s', 'valid', valid),
        test('high s', 'valid', encode(r, q - s)),
        test('another message', 'invalid', valid, utf8('edge cases')),
        test('empty message', 'invalid', valid, new Uint8Array(0)),
        ...[0n, q, q + 1n, max, Fp.ORDER].flatMap((value) => [
          test(`r = ${value}`, 'invalid', encode(value, s)),
          test(`s = ${value}`, 'invalid', encode(r, value)),
          test(`r = s = ${value}`, 'invalid', encode(value, value)),
        ]),
        test('r replaced by 1', 'invalid', encode(1n, s)),
        test('s replaced by 1', 'invalid', encode(r, 1n)),
        test('r and s swapped', 'invalid', encode(s, r)),
        test('r replaced by q - r', 'invalid', encode(q - r, s)),
        test('r and s both inverted', 'invalid', encode(Fn.inv(r), Fn.inv(s))),
        ...[0, 1, 32, 63].map((length) => test(`cut to ${length} bytes`, 'invalid', valid.subarray(0, length))),
        test('a byte after it', 'invalid', concat(valid, Uint8Array.of(0))),
        test('a byte before it', 'invalid', concat(Uint8Array.of(0), valid)),
      ],
    },
  ]
}

/** Keys recovered for `s` at its bounds and around `q/2`, and for the smallest and largest `r`. */
function chosenScalars(): Group[] {
  const middle = q >> 1n
  const scalars: [string, bigint][] = [
    ['1', 1n],
    ['2', 2n],
    ['(q - 1)/2, the largest low s', middle],
    ['(q + 1)/2, the smallest high s', middle + 1n],
    ['q - 2', q - 2n],
    ['q - 1', q - 1n],
  ]
  const points: [string, Point][] = [
    ['k = 1', G],
    ['k = (q + 1)/2, a short r', G.multiply(middle + 1n)],
    ['the smallest r', lift(firstX(1n))],
    ['r_x reduced: x(R) just above q', lift(firstX(q + 1n))],
    ['r_x reduced: x(R) just below p', lift(lastX(Fp.ORDER - 1n))],
  ]
  return points.flatMap(([what, R]) =>
    scalars.map(([which, s]) => {
      const r = Fn.create(R.x)
      const key = recover(R, s)
      return {
        key,
        tests: [
          test(`${what}; s = ${which}`, 'valid', encode(r, s)),
          test(`${what}; s = ${which}; flipped`, 'valid', encode(r, q - s)),
          test(`${what}; s = ${which}; r off by one`, 'invalid', encode(r === q - 1n ? r - 1n : r + 1n, s)),
          ...(R.x >= q ? [test(`${what}; s = ${which}; not reduced`, 'invalid', encode(R.x, s))] : []),
        ],
      }
    }),
  )
}

function specialKeys(): Group[] {
  const secrets = [1n, 2n, 3n, q >> 1n, (q >> 1n) + 1n, q - 2n, q - 1n]
  return secrets.map((secret) => {
    const signature = secp256k1.sign(message, numberToBytesBE(secret, 32), { lowS: true })
    const { r, s } = secp256k1.Signature.fromBytes(signature)
    return {
      key: G.multiply(secret),
      tests: [
        test(`secret key ${secret}`, 'valid', encode(r, s)),
        test(`secret key ${secret}; flipped`, 'valid', encode(r, q - s)),
        test(`secret key ${secret}; r = s`, 'invalid', encode(r, r)),
        test(`secret key ${secret}; s off by one`, 'invalid', encode(r, s + 1n)),
      ],
    }
  })
}

/** `R' = (z·G + r·P)/s` is infinity for `P = −(z/r)·G`, whatever `s`. */
function infinity(): Group[] {
  return [1n, 2n, q >> 1n].map((r) => ({
    key: G.multiply(Fn.neg(Fn.div(z, r))),
    tests: [1n, 2n, q - 1n].map((s) => test(`R' at infinity; r = ${r}, s = ${s}`, 'invalid', encode(r, s))),
  }))
}

/** The key under which `(x(R), s)` is valid: `P = (s·R − z·G) / r`. */
function recover(R: Point, s: bigint): Point {
  return R.multiply(s)
    .subtract(G.multiply(z))
    .multiply(Fn.inv(Fn.create(R.x)))
}

function firstX(from: bigint): bigint {
  let x = from
  while (!onCurve(x)) x++
  return x
}

function lastX(from: bigint): bigint {
  let x = from
  while (!onCurve(x)) x--
  return x
}

function onCurve(x: bigint): boolean {
  const square = Fp.add(Fp.mul(Fp.sqr(x), x), 7n)
  return Fp.eql(Fp.pow(square, (Fp.ORDER - 1n) >> 1n), Fp.ONE)
}

function lift(x: bigint): Point {
  return Point.fromBytes(concat(Uint8Array.of(2), numberToBytesBE(x, 32)))
}
