/** Reproducible randomness: sfc32, which passes PractRand and needs four words of state. Never for keys of anybody real. */
export interface Random {
  /** 0 to 2^32 − 1. */
  next(): number
  /** 0 to `limit` − 1. */
  below(limit: number): number
  /** True in `share` of all cases, 0 to 1. */
  chance(share: number): boolean
  /** One of them. Throws where there is none. */
  pick<T>(from: readonly T[]): T
  /** A name, each as often as its weight says. At least one weight is above zero. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K
}

export function createRandom(seed: number): Random {
  let [a, b, c, counter] = [0x9e3779b9, 0x243f6a88, 0xb7e15162 ^ seed, 1]
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  // The first words still show the seed.
  for (let turn = 0; turn < 15; turn++) next()
  // The low bits of a quotient of 2^32 would be a bias of one in millions: no test sees it.
  const below = (limit: number): number => Math.floor((next() / 2 ** 32) * limit)
  return {
    next,
    below,
    chance: (share) => next() < share * 2 ** 32,
    pick<T>(from: readonly T[]): T {
      if (from.length === 0) throw new RangeError('nothing to pick from')
      return from[below(from.length)]!
    },
    weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
      const entries = Object.entries(weights) as [K, number][]
      let left = (next() / 2 ** 32) * entries.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [name, weight] of entries) {
        left -= weight
        if (left < 0 && weight > 0) return name
      }
      return entries.find(([, weight]) => weight > 0)![0]
    },
  }
}
