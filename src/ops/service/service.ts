import type { Logger } from '../log/logger.ts'

/** What a service is given by the program that starts it. */
export interface ServiceDeps {
  readonly logger: Logger
  /** Of the program. */
  readonly version: string
  /** How this program is run again, for an audit beside it: `[node, …, lockstep.js]`. */
  readonly self: readonly string[]
  /** Aborted when the service is to stop, which it may be before it has started. */
  readonly signal: AbortSignal
}

export interface RunningService {
  readonly url: string
  readonly opsUrl: string
  /** Lets what runs end, makes it durable, and closes everything. */
  stop(): Promise<void>
}

/** What a service has opened, to be closed in reverse. */
export class Opened {
  readonly #closers: { readonly what: string; readonly close: () => Promise<void> }[] = []
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(what: string, close: () => Promise<void>): void {
    this.#closers.push({ what, close })
  }

  /** Closes everything, whatever fails on the way; throws the first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const { what, close } of this.#closers.splice(0).reverse()) {
      try {
        await close()
        this.#logger.debug('closed', { what })
      } catch (error) {
        failures.push(error)
        this.#logger.error('could not be closed', { what, error })
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

/** The service was told to stop before it had started. */
export class StoppedError extends Error {
  override readonly name: string = 'StoppedError'
}
