import { fromHex, toHex } from '../crypto/bytes.ts'
import { copy, type Field, FormatError } from '../wire/layout.ts'
import type { Hex } from './Chain.ts'

/** An integer that JavaScript holds exactly, in 8 bytes: batch numbers, leaf counts, chain ids. */
export const u53: Field<number> = {
  size: 8,
  write: (_target, view, offset, value) => {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`out of range: ${value}`)
    view.setBigUint64(offset, BigInt(value))
  },
  read: (_source, view, offset) => {
    const value = view.getBigUint64(offset)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatError('2^53 or more')
    return Number(value)
  },
}

/** 20 bytes of an EVM account or contract. */
export const address: Field<Hex> = {
  size: 20,
  write: (target, _view, offset, value) => {
    if (!/^0x[0-9a-f]{40}$/.test(value)) throw new RangeError(`no lower-case address: ${value}`)
    target.set(fromHex(value.slice(2)), offset)
  },
  read: (source, _view, offset) => `0x${toHex(copy(source, offset, offset + 20))}`,
}
