import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equal, fromHex, toHex } from '../../src/crypto/bytes.ts'
import type { LockLink } from '../../src/crypto/index.ts'
import { backend, LockPrefix, lockSchemes, Schnorr } from '../../src/crypto/index.ts'
import { checkBatch } from '../../src/crypto/schnorrBatch.ts'
import { createChain, flip, openFromFirst, openFromLast, verifyAll } from './chain.ts'
import { seeded } from './seeded.ts'

const { schnorr, 'ecdsa-xor': xor } = lockSchemes
const order = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
const random = seeded('weights').bytes

const index = fc.nat({ max: 3 })
const bit = fc.nat({ max: 511 })

describe.each(Object.values(lockSchemes))('locks of $name', (scheme) => {
  const chain = createChain(scheme, `locks of ${scheme.name}`, 4)

  it('opens every receipt from the last one', () => {
    const opened = openFromLast(chain, chain.receipts.at(-1)!)
    expect(opened.map(toHex)).toEqual(chain.receipts.map(toHex))
    expect(verifyAll(chain, opened)).toEqual([true, true, true, true, true])
  })

  it('states its sizes', () => {
    for (const { lock, current } of chain.links) {
      expect(lock.length).toBe(scheme.lockSize)
      expect(current.commitment.length).toBe(32)
      expect(scheme.isLock(lock)).toBe(true)
      expect(scheme.isCommitment(current.commitment)).toBe(true)
    }
    expect(scheme.isLock(new Uint8Array(scheme.lockSize + 1))).toBe(false)
    expect(scheme.isCommitment(new Uint8Array(33).fill(1))).toBe(false)
  })

  it('has the abilities it claims', () => {
    expect(scheme.check !== undefined).toBe(scheme.checkable)
    expect(scheme.unlockNext !== undefined).toBe(scheme.opensFrom.includes('first'))
  })

  it('refuses a receipt with any bit turned, and does not commit to it', () => {
    fc.assert(
      fc.property(fc.nat({ max: 4 }), bit, (at, turned) => {
        const { publicKey, digest, commitment } = chain.committed[at]!
        const receipt = flip(chain.receipts[at]!, turned)
        expect(scheme.verify({ publicKey, digest, receipt })).toBe(false)
        // Of a schnorr receipt the commitment holds the first half; the point of the second half follows from it.
        if (scheme === xor || turned < 256) expect(equal(scheme.commit(receipt), commitment)).toBe(false)
      }),
      { numRuns: 60 },
    )
  })

  it('refuses a receipt for another digest or key', () => {
    const { publicKey, digest } = chain.committed[1]!
    const receipt = chain.receipts[1]!
    expect(scheme.verify({ publicKey, digest, receipt })).toBe(true)
    expect(scheme.verify({ publicKey, digest: flip(digest, 7), receipt })).toBe(false)
    expect(scheme.verify({ publicKey: chain.bank.publicKey, digest, receipt })).toBe(false)
    expect(scheme.verify({ publicKey: noXCoordinate(), digest, receipt })).toBe(false)
  })

  it('opens no valid receipt with a lock or a later receipt changed', () => {
    fc.assert(
      fc.property(index, bit, fc.boolean(), (at, turned, inLock) => {
        const { lock, previous } = chain.links[at]!
        const bytes = inLock ? lock : chain.receipts[at + 1]!
        // The first half of a schnorr receipt is not part of what opens: its own verification catches it, see above.
        const changed = flip(bytes, scheme === schnorr && !inLock ? 256 + (turned % 256) : turned)
        if (scheme === schnorr && !schnorr.isLock(inLock ? changed : changed.slice(32))) return
        const receipt = scheme.unlock({
          channelId: chain.channelId,
          index: at + 1,
          lock: inLock ? changed : lock,
          receipt: inLock ? chain.receipts[at + 1]! : changed,
          previousCommitment: previous.commitment,
        })
        expect(scheme.verify({ ...previous, receipt })).toBe(false)
      }),
      { numRuns: 40 },
    )
  })
})

describe('schnorr locks', () => {
  const chain = createChain(schnorr, 'schnorr locks', 4)

  it('open every receipt from the first one', () => {
    const opened = openFromFirst(chain, chain.receipts[0]!)
    expect(opened.map(toHex)).toEqual(chain.receipts.map(toHex))
  })

  it('hold where the client is honest: one by one, in a batch, in order', () => {
    for (let run = 0; run < 5; run++) {
      const { links } = createChain(schnorr, `honest ${run}`, 4)
      expect(links.map((link) => schnorr.check!(link))).toEqual([true, true, true, true])
      expect(checkBatch(links, random)).toBe(true)
      expect(prefixLength(links)).toBe(4)
    }
  })

  it('hold in batches that start anywhere, leave gaps, repeat or are empty', () => {
    const [first, second, third, fourth] = chain.links as [LockLink, LockLink, LockLink, LockLink]
    for (const batch of [[], [third], [second, fourth], [fourth, first], [third, third], [first, second, third]]) {
      expect(checkBatch(batch, random)).toBe(true)
    }
  })

  it('fail when any bit of lock, commitment, digest or key is turned: one by one, in a batch, in order', () => {
    const fields = ['lock', 'commitment', 'digest', 'publicKey'] as const
    fc.assert(
      fc.property(index, fc.constantFrom(...fields), fc.nat({ max: 255 }), (at, field, turned) => {
        const links = tampered(at, field, turned)
        expect(schnorr.check!(links[at]!)).toBe(false)
        expect(checkBatch(links, random)).toBe(false)
        expect(prefixLength(links)).toBe(at)
      }),
      { numRuns: 60 },
    )
  })

  it('fail when the receipt before is not the one committed to', () => {
    fc.assert(
      fc.property(
        index,
        fc.constantFrom('commitment', 'digest', 'publicKey'),
        fc.nat({ max: 255 }),
        (at, field, turned) => {
          const link = chain.links[at]!
          const previous = { ...link.previous, [field]: flip(link.previous[field], turned) }
          expect(schnorr.check!({ ...link, previous })).toBe(false)
          expect(checkBatch([{ ...link, previous }], random)).toBe(false)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('that hold in order are the ones that hold alone, up to the first that does not', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(index, fc.nat({ max: 255 })), { maxLength: 2 }), (changes) => {
        const links = chain.links.map((link) => ({ ...link }))
        for (const [at, turned] of changes) links[at]!.lock = flip(links[at]!.lock, turned)
        const alone = links.map((link) => schnorr.check!(link))
        expect(prefixLength(links)).toBe(alone.includes(false) ? alone.indexOf(false) : 4)
        expect(checkBatch(links, random)).toBe(!alone.includes(false))
      }),
      { numRuns: 20 },
    )
  })

  it('of q or above are refused, although q more is the same scalar', () => {
    const link = chain.links[1]!
    const above = [order, fromHex(`${toHex(order).slice(0, -1)}2`), new Uint8Array(32).fill(0xff)]
    for (const lock of [...above, new Uint8Array(31), new Uint8Array(64)]) {
      expect(schnorr.isLock(lock)).toBe(false)
      expect(schnorr.check!({ ...link, lock })).toBe(false)
      expect(checkBatch([{ ...link, lock }], random)).toBe(false)
      const prefix = LockPrefix.start(chain.committed[0]!)!
      expect(LockPrefix.step(prefix, { ...chain.committed[1]!, lock })).toBeUndefined()
    }
    const below = fromHex(`${toHex(order).slice(0, -1)}0`)
    expect(schnorr.isLock(below)).toBe(true)
    expect(schnorr.isLock(new Uint8Array(32))).toBe(true)
    for (const lock of [below, new Uint8Array(32)]) expect(schnorr.check!({ ...link, lock })).toBe(false)
    for (const lock of [below, new Uint8Array(32)]) expect(checkBatch([{ ...link, lock }], random)).toBe(false)
  })

  it('under a commitment that is no x-coordinate are refused', () => {
    const commitment = noXCoordinate()
    expect(schnorr.isCommitment(commitment)).toBe(false)
    const links = chain.links.map((link) => ({ ...link }))
    links[1]!.current = { ...links[1]!.current, commitment }
    links[2]!.previous = links[1]!.current
    for (const at of [1, 2]) expect(schnorr.check!(links[at]!)).toBe(false)
    expect(checkBatch(links, random)).toBe(false)
    expect(prefixLength(links)).toBe(1)
    const first = { ...chain.links[0]!, previous: { ...chain.links[0]!.previous, commitment } }
    expect(schnorr.check!(first)).toBe(false)
    expect(checkBatch([first], random)).toBe(false)
    expect(LockPrefix.start(first.previous)).toBeUndefined()
  })

  it('hold for a client that takes −s_0 as its first nonce: R_1 + S_0 is at infinity, and the lock opens all the same', () => {
    // S_0 must have odd y, so that −S_0 is a nonce point.
    for (let run = 0; ; run++) {
      const { bank, client, receipts, committed } = createChain(schnorr, `infinity ${run}`, 1)
      const first = committed[0]!
      const S0 = Schnorr.signaturePoint({ ...first, nonce: first.commitment })!
      if (S0[0] === 2) continue
      const s0 = receipts[0]!.subarray(32)
      const current = { ...committed[1]!, commitment: S0.slice(1) }
      const e = Schnorr.challenge({ ...current, nonce: current.commitment })
      // s_1 = −s_0 + e_1·x_C, so lk_1 = e_1·x_C.
      const lock = backend.multiplyScalars(e, client.secret)
      const link = { lock, previous: first, current }
      expect(schnorr.check!(link)).toBe(true)
      expect(checkBatch([link], random)).toBe(true)
      expect(LockPrefix.step(LockPrefix.start(first)!, { ...current, lock })?.index).toBe(1)
      const receipt = Schnorr.sign(bank, first.digest)
      const opened = schnorr.unlockNext!({
        channelId: new Uint8Array(32),
        index: 1,
        lock,
        previous: receipt,
        commitment: current.commitment,
      })
      expect(opened.subarray(32)).toEqual(backend.addScalars(lock, backend.negateScalar(s0)))
      expect(schnorr.verify({ ...current, receipt: opened })).toBe(true)
      return
    }
  })

  it('throw on a receipt or commitment of the wrong size: a bug, not a refusal', () => {
    const [previous, receipt] = chain.receipts as [Uint8Array, Uint8Array]
    const args = { channelId: chain.channelId, index: 1, previous, receipt }
    expect(() => schnorr.lock({ ...args, receipt: receipt.subarray(1) })).toThrow()
    expect(() => schnorr.commit(receipt.subarray(1))).toThrow()
    expect(() =>
      schnorr.check!({ ...chain.links[0]!, current: { ...chain.committed[1]!, commitment: receipt } }),
    ).toThrow()
  })

  function tampered(at: number, field: 'lock' | 'commitment' | 'digest' | 'publicKey', turned: number): LockLink[] {
    const links = chain.links.map((link) => ({ ...link }))
    const link = links[at]!
    if (field === 'lock') link.lock = flip(link.lock, turned)
    else link.current = { ...link.current, [field]: flip(link.current[field], turned) }
    return links
  }
})

describe('ecdsa-xor locks', () => {
  const chain = createChain(xor, 'xor locks', 3)

  it('open only in their own channel and at their own index', () => {
    const { lock, previous } = chain.links[1]!
    const receipt = chain.receipts[2]!
    const args = { channelId: chain.channelId, index: 2, lock, receipt, previousCommitment: previous.commitment }
    expect(xor.unlock(args)).toEqual(chain.receipts[1])
    for (const wrong of [{ index: 1 }, { index: 3 }, { channelId: flip(chain.channelId, 0) }]) {
      const opened = xor.unlock({ ...args, ...wrong })
      expect(xor.verify({ ...previous, receipt: opened })).toBe(false)
      expect(equal(xor.commit(opened), previous.commitment)).toBe(false)
    }
  })

  it('show a client that locked something else: its receipt matches the commitment, what it opens does not', () => {
    const links = chain.links.map((link) => ({ ...link }))
    links[1]!.lock = flip(links[1]!.lock, 100)
    const opened = openFromLast(chain, chain.receipts[3]!, links)
    const valid = verifyAll(chain, opened)
    expect(valid).toEqual([false, false, true, true])
    expect(equal(xor.commit(opened[2]!), chain.committed[2]!.commitment)).toBe(true)
    expect(equal(xor.commit(opened[1]!), chain.committed[1]!.commitment)).toBe(false)
  })

  it('refuse the same signature with s turned into q − s, which would open nothing', () => {
    const receipt = new Uint8Array(chain.receipts[3]!)
    receipt.set(backend.negateScalar(receipt.subarray(32)), 32)
    expect(xor.verify({ ...chain.committed[3]!, receipt })).toBe(false)
    expect(equal(xor.commit(receipt), chain.committed[3]!.commitment)).toBe(false)
    expect(verifyAll(chain, openFromLast(chain, receipt)).includes(true)).toBe(false)
  })

  it('hide their receipt behind 64 bytes that repeat nothing', () => {
    const masks = chain.links.map(({ lock }, at) => lock.map((byte, position) => byte ^ chain.receipts[at]![position]!))
    const halves = masks.flatMap((mask) => [toHex(mask.subarray(0, 32)), toHex(mask.subarray(32))])
    expect(new Set(halves).size).toBe(halves.length)
  })
})

/** How many locks hold in order, from the first. */
function prefixLength(links: readonly LockLink[]): number {
  let prefix = LockPrefix.start(links[0]!.previous)
  let length = 0
  for (const { lock, current } of links) {
    prefix = prefix && LockPrefix.step(prefix, { ...current, lock })
    if (prefix === undefined) return length
    length = prefix.index
  }
  return length
}

function noXCoordinate(): Uint8Array {
  const x = new Uint8Array(32)
  do x[31]!++
  while (backend.isXCoordinate(x))
  return x
}
