/** The figures the paper prints. Its communication formulas are for ten payments. */

export const figures: Figures = {
  // Times in seconds and amounts in "kb" are the paper's own; it does not say whether bits or bytes.
  setup: { seconds: 0.1, kb: 311 },
  transaction: { seconds: 0.14, kb: 476 },
  release: { seconds: 0.004, kb: 0 },
  communication: {
    payments: 10,
    client: 'sig + 10f + s + 9h',
    vendor: '10f',
  },
  /** The scheme the paper compares itself with, its reference [23]. */
  comparison: {
    payments: 10,
    client: 'sig + 10f + s + 10h + m',
    vendor: '10f',
  },
}

export interface Figures {
  readonly setup: Phase
  readonly transaction: Phase
  readonly release: Phase
  readonly communication: Communication
  readonly comparison: Communication
}

export interface Phase {
  readonly seconds: number
  readonly kb: number
}

export interface Communication {
  readonly payments: number
  readonly client: string
  readonly vendor: string
}
