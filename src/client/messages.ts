import { UnansweredError } from './errors.ts'

/** Bytes that a vendor may send ahead of what is read: an honest one sends what was paid for. */
const queuedMax = 16_777_216

/** How a stream's messages travel. */
export interface Transport {
  /** Before this nothing can be sent. */
  readonly opened: Promise<void>
  /** After the first payment, before this no more is paid. */
  readonly accepted: Promise<void>
  /** The next message; `undefined` at the end. Throws where the stream was given up, or failed. */
  next(): Promise<Uint8Array | undefined>
  send(message: Uint8Array): void
  /** Ends the connection; resolves when the other side has done so too, or takes too long. */
  close(timeoutMs: number): Promise<void>
}

/** Messages that have come and were not read yet. */
export class Messages {
  readonly #messages: Uint8Array[] = []
  #queued = 0
  #failure: Error | undefined
  #isEnded = false
  #wake: () => void = () => undefined

  get failure(): Error | undefined {
    return this.#failure
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      const message = this.#messages.shift()
      if (message !== undefined) {
        this.#queued -= message.length
        return message
      }
      if (this.#isEnded) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Tells whether there was room for it. */
  push(message: Uint8Array): boolean {
    this.#queued += message.length
    this.#messages.push(message)
    const hasRoom = this.#queued <= queuedMax
    if (!hasRoom) this.fail(new UnansweredError('the vendor sends faster than it is read'))
    this.#wake()
    return hasRoom
  }

  fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }

  end(): void {
    this.#isEnded = true
    this.#wake()
  }
}
