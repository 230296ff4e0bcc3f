import { concat, utf8 } from '../crypto/bytes.ts'
import { parseBase64url, toBase64url } from '../wire/base64url.ts'
import { kinds } from '../wire/kinds.ts'
import { malformed, type Parsed, parsed } from '../wire/parsed.ts'
import { clientMessageMax } from './input.ts'
import { encodeDelivery } from './stream.ts'

/**
 * A paid stream as server-sent events, its payments posted beside it: Design 3.10. The same messages as over a WebSocket. A
 * delivery that is text is an event as any reader of the stream expects it; everything else is an event of this type.
 */
export const eventType = 'lockstep'

/** The media type of the events. */
export const eventsType = 'text/event-stream'

/** A message of the vendor as an event. */
export function encodeEvent(message: Uint8Array): string {
  const text = message[0] === kinds.delivery ? asText(message.subarray(1)) : undefined
  if (text === undefined) return `event: ${eventType}\ndata: ${toBase64url(message)}\n\n`
  return `data: ${text.replaceAll('\n', '\ndata: ')}\n\n`
}

/** The message that an event carries; `undefined` for an event that is none of the protocol's. */
export function parseEvent(event: {
  readonly event?: string | undefined
  readonly data: string
}): Parsed<Uint8Array> | undefined {
  if (event.event === undefined) return parsed(encodeDelivery(utf8(event.data)))
  return event.event === eventType ? parseBase64url(event.data, event.data.length) : undefined
}

/** The most bytes of messages that are posted, and read, at once. */
export const postSizeMax = 65_536

/** How many of these messages fit into one post. */
export function postable(messages: readonly Uint8Array[]): number {
  let size = 0
  for (const [at, { length }] of messages.entries()) {
    size += length + 2
    if (size > postSizeMax) return at
  }
  return messages.length
}

/** Messages of a client, each after its length. */
export function encodePost(messages: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concat(...messages.flatMap((message) => [Uint8Array.of(message.length >> 8, message.length & 0xff), message]))
}

export function parsePost(body: Uint8Array): Parsed<readonly Uint8Array[]> {
  const messages: Uint8Array[] = []
  for (let at = 0; at < body.length; ) {
    if (body.length - at < 2) return malformed('a length of two bytes is cut short')
    const size = body[at]! * 256 + body[at + 1]!
    if (size === 0 || size > clientMessageMax) return malformed(`a message has 1 to ${clientMessageMax} bytes`)
    const message = body.subarray(at + 2, at + 2 + size)
    if (message.length < size) return malformed('a message is cut short')
    messages.push(message)
    at += 2 + size
  }
  return messages.length > 0 ? parsed(messages) : malformed('no message')
}

/** What lines of `data:` give back as it was: a carriage return would come back as a line feed. */
function asText(payload: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload)
    return text.includes('\r') ? undefined : text
  } catch {
    // Not UTF-8: sent as bytes.
    return undefined
  }
}
