import { concat, utf8 } from '../crypto/bytes.ts'
import { kinds } from '../wire/kinds.ts'
import { malformed, type Parsed, parsed } from '../wire/parsed.ts'

/** What a client says to the source of a stream: text or bytes, as a WebSocket has them. It costs nothing by itself. */
export type Input = string | Uint8Array

/** Throws `RangeError` above {@link inputSizeMax}. */
export function encodeInput(input: Input): Uint8Array<ArrayBuffer> {
  const [form, bytes] = typeof input === 'string' ? [forms.text, utf8(input)] : [forms.bytes, input]
  if (bytes.length > inputSizeMax)
    throw new RangeError(`input of ${bytes.length} bytes: at most ${inputSizeMax} at once`)
  return concat(Uint8Array.of(kinds.input, form), bytes)
}

export function parseInput(message: Uint8Array): Parsed<Input> {
  const [, form] = message
  const bytes = message.subarray(2)
  if (bytes.length > inputSizeMax) return malformed(`input: more than ${inputSizeMax} bytes`)
  if (form === forms.bytes) return parsed(bytes)
  if (form !== forms.text) return malformed('input: neither text nor bytes')
  try {
    return parsed(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    return malformed('input: text that is not UTF-8')
  }
}

/** Bytes that a client says to a stream's source at once. */
export const inputSizeMax = 32_768

/** The longest message a client sends. A vendor reads no longer one. */
export const clientMessageMax: number = inputSizeMax + 2

const forms = { text: 0, bytes: 1 } as const
