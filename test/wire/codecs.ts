/** Every codec of the wire, behind one form, so that the same laws are tested of each. */

import type fc from 'fast-check'
import { createMac } from '../../src/crypto/mac.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Command from '../../src/wire/Command.ts'
import * as Equivocation from '../../src/wire/Equivocation.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { kinds } from '../../src/wire/kinds.ts'
import * as Open from '../../src/wire/Open.ts'
import { type Parsed, parsed } from '../../src/wire/parsed.ts'
import * as Record from '../../src/wire/Record.ts'
import * as Statement from '../../src/wire/Statement.ts'
import * as Terms from '../../src/wire/Terms.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import * as any from './arbitraries.ts'

export interface Codec {
  readonly name: string
  readonly size: number
  /** The first byte, where the message has one of its own. */
  readonly kind: number | undefined
  /** Other sizes the parser takes, for messages that are told apart by their MAC or their length fields. */
  readonly otherSizes: readonly number[]
  readonly encodings: fc.Arbitrary<Uint8Array>
  /** A value, its encoding, and what a parse of that gives. */
  readonly trips: fc.Arbitrary<{ readonly value: object; readonly parsed: Parsed<object> }>
  parsedOf(input: Uint8Array): Parsed<object>
  /** What was parsed, encoded again; a MAC is taken over from the input. */
  reencode(input: Uint8Array): Parsed<Uint8Array>
}

/** A MAC for messages that carry one: any key will do for the laws of encoding. */
export const mac: Frame.Mac = createMac(new Uint8Array(32).fill(7))

export const codecs: readonly Codec[] = [
  codec({ name: 'terms', size: 344, kind: 1, values: any.terms, encode: Terms.encode, parse: Terms.parse }),
  codec({
    name: 'Tx_0',
    size: 112,
    values: any.openings,
    encode: (value) => Transaction.openingLayout.encode(value),
    parse: (input) => Transaction.openingLayout.parse(input),
  }),
  codec({
    name: 'Tx_i',
    size: 84,
    values: any.transactions,
    encode: (value) => Transaction.transactionLayout.encode(value),
    parse: (input) => Transaction.transactionLayout.parse(input),
  }),
  ...[32, 64].flatMap((lockSize) => [
    codec({
      name: `core with a lock of ${lockSize}`,
      size: 156 + lockSize,
      values: any.cores(lockSize),
      encode: Transcript.encode,
      parse: (input) => Transcript.coreLayout(lockSize).parse(input),
    }),
    codec({
      name: `payment with a lock of ${lockSize}`,
      size: 147 + lockSize,
      kind: kinds.payment,
      otherSizes: [147 + 32, 147 + 64],
      values: any.payments(lockSize),
      encode: Frame.encodePayment,
      parse: Frame.parsePayment,
    }),
  ]),
  codec({
    name: 'tick',
    size: 71,
    kind: kinds.tick,
    values: any.ticks,
    encode: Frame.encodeTick,
    parse: Frame.parseTick,
  }),
  codec({
    name: 'ask',
    size: 34,
    kind: kinds.ask,
    values: any.asks,
    encode: Frame.encodeAsk,
    parse: Frame.parseAsk,
  }),
  codec({
    name: 'checkpoint',
    size: 171,
    kind: kinds.checkpoint,
    values: any.checkpoints,
    encode: Checkpoint.encode,
    parse: Checkpoint.parse,
  }),
  codec({
    name: 'attachment',
    size: 441,
    kind: kinds.attachment,
    values: any.attachments,
    encode: Attachment.encode,
    parse: Attachment.parse,
  }),
  codec({
    name: 'statement',
    size: 61,
    kind: kinds.statement,
    values: any.statements,
    encode: Statement.encode,
    parse: Statement.parse,
  }),
  codec({
    name: 'closing',
    size: 141,
    kind: kinds.closing,
    values: any.closings,
    encode: Closing.encode,
    parse: Closing.parse,
  }),
  codec({
    name: 'release',
    size: 268,
    kind: kinds.release,
    values: any.releases,
    encode: Closing.encodeRelease,
    parse: Closing.parseRelease,
  }),
  ...Object.entries(any.evidences).flatMap(([evidence, values], index) =>
    [0, 188, 220].map((coreSize) =>
      codec({
        name: `close of a core of ${coreSize} with evidence: ${evidence}`,
        size: 175 + coreSize + [0, 34, 205, 128][index]!,
        kind: kinds.close,
        values: any.closes(values, coreSize),
        encode: Close.encode,
        parse: Close.parse,
      }),
    ),
  ),
  codec({ name: 'open', size: 529, kind: kinds.open, values: any.opens, encode: Open.encode, parse: Open.parse }),
  codec({ name: 'opened', size: 160, values: any.openeds, encode: Open.encodeOpened, parse: Open.parseOpened }),
  ...Object.entries(any.actions).map(([action, values], index) =>
    codec({
      name: `command ${action}`,
      size: 186 + [32, 268, 72, 32][index]!,
      kind: kinds.command,
      values: any.commands(values),
      encode: Command.encode,
      parse: Command.parse,
    }),
  ),
  ...(['schnorr', 'ecdsa-xor'] as const).flatMap((lockScheme) =>
    [1, 2, 5].map((count) =>
      codec({
        name: `bad opening of ${lockScheme} with ${count} cores`,
        size: 244 + (lockScheme === 'schnorr' ? 188 * count : 64 + 220 * count),
        kind: kinds.evidence,
        values: any.badOpenings(lockScheme, count),
        encode: BadOpening.encode,
        parse: BadOpening.parse,
      }),
    ),
  ),
  codec({
    name: 'equivocation',
    size: 298,
    kind: kinds.evidence,
    values: any.equivocations,
    encode: Equivocation.encode,
    parse: Equivocation.parse,
  }),
  codec({ name: 'record', size: 269, values: any.records, encode: Record.encode, parse: Record.parse }),
]

function codec<T extends object>(args: {
  readonly name: string
  readonly size: number
  readonly kind?: number
  readonly otherSizes?: readonly number[]
  readonly values: fc.Arbitrary<T>
  readonly encode: (value: T, mac: Frame.Mac) => Uint8Array
  readonly parse: (input: Uint8Array, mac: Frame.Mac) => Parsed<T>
}): Codec {
  const { name, size, kind, values, encode, parse, otherSizes = [] } = args
  return {
    name,
    size,
    kind,
    otherSizes,
    encodings: values.map((value) => encode(value, mac)),
    trips: values.map((value) => ({ value, parsed: parse(encode(value, mac), mac) })),
    parsedOf: (input) => parse(input, mac),
    reencode(input) {
      const theirs: Frame.Mac = () => input.slice(-16)
      const result = parse(input, theirs)
      return result.ok ? parsed(encode(result.value, theirs)) : result
    },
  }
}
