/** What a party computed. */
export interface Operations {
  /** Signatures made. */
  sig: number
  /** Signatures verified. */
  vf: number
  /** Steps of the hash chain `f_i = H(f_{i-1})`. */
  f: number
  /** Hashes of a signature: one a lock made or opened. */
  h: number
}

/** What a party sent, in the elements of the paper's messages, and its exact bytes. */
export interface Sent {
  /** Signatures in the clear. */
  sig: number
  /** Chain values `f_i`. */
  f: number
  /** Locks `ℓk_i = σ_{i-1} ⊕ H(σ_i)`: the paper's `h`. */
  h: number
  /** Transaction messages `Tx_i`. */
  tx: number
  bytes: number
}

export function noOperations(): Operations {
  return { sig: 0, vf: 0, f: 0, h: 0 }
}

export function nothingSent(): Sent {
  return { sig: 0, f: 0, h: 0, tx: 0, bytes: 0 }
}
