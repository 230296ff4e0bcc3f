import { createParser, type EventSourceMessage } from 'eventsource-parser'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeEvent, encodePost, parseEvent, parsePost } from '../../src/http/events.ts'
import { clientMessageMax } from '../../src/http/input.ts'
import { encodeDelivery, encodeEnd } from '../../src/http/stream.ts'

/** What a reader of events, which knows nothing of the protocol, makes of them. */
function read(text: string): readonly EventSourceMessage[] {
  const events: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (event) => events.push(event) })
  for (const character of text) parser.feed(character)
  return events
}

describe('an event', () => {
  test('gives back any message, in whatever pieces it arrives', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '\n', '\r', ' ', ':', '\u{FEFF}', '\0', 'ü', '\u{1F4B8}') })
    const payload = fc.oneof(
      fc.uint8Array(),
      text.map((value) => new TextEncoder().encode(value)),
    )
    const message = fc.oneof(payload.map(encodeDelivery), fc.uint8Array({ minLength: 1 }))
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
        const events = read(messages.map(encodeEvent).join(''))
        expect(events.map(parseEvent)).toEqual(messages.map((bytes) => ({ ok: true, value: new Uint8Array(bytes) })))
      }),
    )
  })

  test('that delivers text is what any reader of events expects', () => {
    const chunk = '{"choices":[{"delta":{"content":"two\\nlines"}}]}'
    expect(encodeEvent(encodeDelivery(new TextEncoder().encode(chunk)))).toBe(`data: ${chunk}\n\n`)
    expect(read(encodeEvent(encodeEnd()))).toMatchObject([{ event: 'lockstep' }])
  })

  test('of another kind is none of ours, and one that cannot be read says so', () => {
    expect(parseEvent({ event: 'ping', data: '' })).toBeUndefined()
    expect(parseEvent({ event: 'lockstep', data: '!' })).toMatchObject({ ok: false })
  })
})

describe('a post of messages', () => {
  test('gives them back', () => {
    const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 2000 }), {
      minLength: 1,
      maxLength: 9,
    })
    fc.assert(
      fc.property(messages, (list) => {
        expect(parsePost(encodePost(list))).toEqual({ ok: true, value: list })
      }),
    )
  })

  test('of any bytes is read as the messages it would be written from, or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (body) => {
        const messages = parsePost(body)
        if (messages.ok) expect(encodePost(messages.value)).toEqual(new Uint8Array(body))
        else expect(messages.detail).not.toBe('')
      }),
    )
    expect(parsePost(new Uint8Array(0))).toMatchObject({ ok: false })
    expect(parsePost(Uint8Array.of(0xff, 0xff, 1))).toMatchObject({ ok: false })
    expect(parsePost(encodePost([new Uint8Array(clientMessageMax)]))).toMatchObject({ ok: true })
    expect(parsePost(encodePost([new Uint8Array(clientMessageMax + 1)]))).toMatchObject({ ok: false })
  })
})
