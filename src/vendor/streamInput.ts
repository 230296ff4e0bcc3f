import type { Input } from '../http/input.ts'

/** What a client says to the source of its stream, until the source reads it. */
export class StreamInput {
  readonly said: AsyncIterable<Input>
  #controller: ReadableStreamDefaultController<Input> | undefined

  constructor() {
    this.said = new ReadableStream<Input>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        // Whoever stopped listening hears no more; the stream goes on.
        cancel: () => this.end(),
      },
      { highWaterMark: waitingMax, size: ({ length }) => length + 1 },
    )
  }

  /** Tells whether there was room for it. */
  push(input: Input): boolean {
    if ((this.#controller?.desiredSize ?? 1) <= 0) return false
    this.#controller?.enqueue(input)
    return true
  }

  end(): void {
    const controller = this.#controller
    this.#controller = undefined
    try {
      controller?.close()
    } catch {
      // Its reader has closed it.
    }
  }
}

/** Characters and bytes that wait for a source. */
const waitingMax = 1_048_576
