import { portable } from '../../src/crypto/backend.ts'
import { concat, u32, utf8 } from '../../src/crypto/bytes.ts'

/** Bytes that look random and are the same in every run: SHA-256 of a name and a counter. */
export interface Seeded {
  bytes(size: number): Uint8Array<ArrayBuffer>
  /** A whole number below `end`. */
  below(end: number): number
  pick<T>(from: readonly T[]): T
}

export function seeded(name: string): Seeded {
  let counter = 0
  const bytes = (size: number): Uint8Array<ArrayBuffer> => {
    const blocks = [new Uint8Array(0)]
    for (let filled = 0; filled < size; filled += 32) {
      blocks.push(new Uint8Array(portable.sha256(concat(utf8(name), u32(counter++)))))
    }
    return concat(...blocks).slice(0, size)
  }
  const below = (end: number): number => new DataView(bytes(4).buffer).getUint32(0) % end
  return { bytes, below, pick: (from) => from[below(from.length)]! }
}
