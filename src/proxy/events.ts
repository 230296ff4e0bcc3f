import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { utf8 } from '../crypto/bytes.ts'

/** What decides about each event of a stream, and hears of its end. */
export interface EventJudge {
  take(data: string): 'deliver' | 'withhold' | 'full'
  /** The stream has ended, its client has left, or its source failed. */
  settle(): void
}

/** Server-sent events as they come, each judged when it can leave. */
export function meteredEvents(
  body: ReadableStream<Uint8Array>,
  judge: EventJudge,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader()
  const text = new TextDecoder()
  const waiting: Piece[] = []
  const parser = createParser({
    maxBufferSize: eventSizeMax,
    onEvent: (event) => waiting.push({ data: event.data, text: encode(event) }),
    onComment: (comment) => waiting.push({ text: `:${comment}\n\n` }),
    onRetry: (retry) => waiting.push({ text: `retry: ${retry}\n\n` }),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') throw error
    },
  })
  /** The next piece that may leave; `undefined` at the end. */
  const next = async (): Promise<Piece | undefined> => {
    for (;;) {
      for (let piece = waiting.shift(); piece !== undefined; piece = waiting.shift()) {
        const verdict = piece.data === undefined ? 'deliver' : judge.take(piece.data)
        if (verdict === 'deliver') return piece
        if (verdict === 'full') {
          await reader.cancel()
          return undefined
        }
      }
      const { done, value } = await reader.read()
      if (done) return undefined
      parser.feed(text.decode(value, { stream: true }))
    }
  }
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const piece = await next()
          if (piece !== undefined) return controller.enqueue(new Uint8Array(utf8(piece.text)))
          judge.settle()
          controller.close()
        } catch (error) {
          judge.settle()
          await reader.cancel(error).catch(() => undefined)
          throw error
        }
      },
      async cancel(reason) {
        judge.settle()
        await reader.cancel(reason)
      },
    },
    // An event is judged, and counted, when it can leave.
    { highWaterMark: 0 },
  )
}

const eventSizeMax = 1_048_576

interface Piece {
  readonly text: string
  /** Of an event. */
  readonly data?: string
}

function encode({ event, id, data }: EventSourceMessage): string {
  const lines = [
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...data.split('\n').map((line) => `data: ${line}`),
  ]
  return `${lines.join('\n')}\n\n`
}
