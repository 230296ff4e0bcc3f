/** What the adversaries of a world really did: who did none of it must never be found guilty. By channel id, in hex. */
export interface Guilt {
  /** Indices whose lock or commitment is wrong, as the client signs them in its checkpoints. */
  readonly badLocks: Map<string, Set<number>>
  /** core_i by i where the client sent another one than its journal has. */
  readonly toldCores: Map<string, Map<number, Uint8Array>>
  /** Pairs of receipts of one index, as evidence. */
  readonly equivocations: Map<string, Uint8Array>
  /** Closings that a vendor signed for less than it claims. */
  readonly lowClosings: Map<string, Uint8Array>
}

export function createGuilt(): Guilt {
  return { badLocks: new Map(), toldCores: new Map(), equivocations: new Map(), lowClosings: new Map() }
}
