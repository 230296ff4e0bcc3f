/** The store could not be read or written. Nothing was charged, and nothing of what was asked for happened: ask again. */
export class StoreUnavailableError extends Error {
  override readonly name: string = 'StoreUnavailableError'
}

/** Another reading of the store has taken this one's place: what was made of it since is void. Look the channel up again. */
export class EvictedError extends Error {
  override readonly name: string = 'EvictedError'

  constructor() {
    super('this channel was given up, and is read again from the store: look it up again')
  }
}

/** Nothing was paid for this claim, or nobody knows. The channel stays claimed: collecting again is safe. */
export class CollectError extends Error {
  override readonly name: string = 'CollectError'
  /** The bank may have paid: its answer did not come, or could not be read. */
  readonly isUnknown: boolean

  constructor(message: string, options: ErrorOptions & { readonly isUnknown?: boolean } = {}) {
    super(message, options)
    this.isUnknown = options.isUnknown ?? false
  }
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
