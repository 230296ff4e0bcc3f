import type { Amount } from './amount.ts'
import { type Mac, seal } from './Frame.ts'
import { kinds, sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { amountField, constant, layout, u32 } from './layout.ts'
import { isSealed } from './mac.ts'
import { malformed, type Parsed } from './parsed.ts'

/** What the vendor answers each payment with: 61 bytes with its MAC. */
export interface Statement {
  /** The payment it answers, 0 where it answers a tick or a question. */
  readonly index: number
  /** What payment `index` was charged so far. */
  readonly charged: Amount
  /** All that this channel was charged. */
  readonly spent: Amount
  /** All that this channel has paid. */
  readonly paid: Amount
  /** `paid − spent − reserved`. */
  readonly credit: Amount
  /** The vendor has every payment up to this index: what comes after, it misses or has not seen. */
  readonly contiguous: number
  /** The highest segment whose checkpoint is stored. */
  readonly segment: number
}

const statement: Layout<Statement & { readonly kind: number }> = layout('statement', {
  kind: constant(kinds.statement),
  index: u32,
  charged: amountField,
  spent: amountField,
  paid: amountField,
  credit: amountField,
  contiguous: u32,
  segment: u32,
})

export const size: number = statement.size + sizes.mac

export function encode(value: Statement, mac: Mac): Uint8Array<ArrayBuffer> {
  return seal(statement.encode({ ...value, kind: kinds.statement }), mac)
}

/** Refuses a statement whose MAC is not the vendor's, before anything in it is believed. */
export function parse(input: Uint8Array, mac: Mac): Parsed<Statement> {
  if (input.length !== size) return malformed(`statement has ${size} bytes; got ${input.length}`)
  if (!isSealed(input, mac)) return malformed('statement: its MAC is not the vendor’s')
  return statement.parse(input.subarray(0, statement.size))
}
