/** What is wrong with a store, for whoever has to react: the message says it to people. */
export type StoreFault =
  /** Another process holds it, or conflicting writers took too long. */
  | 'busy'
  /** The journal is another process's while that one lives. */
  | 'held'
  | 'readOnly'
  | 'full'
  | 'disk'
  | 'damaged'
  /** Not a store of this role. */
  | 'foreign'
  /** A newer program has migrated it. */
  | 'newer'
  | 'migration'
  /** The file cannot be opened, the server not reached, the user not let in. */
  | 'unreachable'
  /** The connection broke while a commit was on its way, and the database does not say what became of it. */
  | 'outcomeUnknown'
  | 'driverMissing'
  /** It does not sync what it acknowledges. */
  | 'unsafe'
  | 'closed'

/** Faults that can go away while the program runs: what was refused can be tried again as it was. */
const passing: ReadonlySet<StoreFault> = new Set([
  'busy',
  'readOnly',
  'full',
  'disk',
  'unreachable',
  'outcomeUnknown',
] as const)

/**
 * The environment of a store failed. Its message says what to do. Nothing was written, unless the fault is
 * `outcomeUnknown`: then read before deciding anything.
 */
export class StoreError extends Error {
  override readonly name: string = 'StoreError'
  readonly fault: StoreFault

  constructor(message: string, options: ErrorOptions & { readonly fault?: StoreFault } = {}) {
    super(message, options)
    this.fault = options.fault ?? 'disk'
  }

  /** Whether it may go away by itself. */
  get passes(): boolean {
    return passing.has(this.fault)
  }
}
