/**
 * First byte of every message: the version in the high half, the kind in the low one.
 * A reader that meets another version refuses the message by this byte alone.
 */
export const version = 1

export const kinds = {
  input: 0x10,
  payment: 0x11,
  tick: 0x12,
  checkpoint: 0x13,
  attachment: 0x14,
  statement: 0x15,
  closing: 0x16,
  release: 0x17,
  close: 0x18,
  open: 0x19,
  delivery: 0x1a,
  end: 0x1b,
  problem: 0x1c,
  ask: 0x1d,
  command: 0x1e,
  evidence: 0x1f,
} as const

/** Second byte of {@link kinds.evidence}: which fraud it shows. */
export const proofs = { badOpening: 0, equivocation: 1 } as const

/** Widths that every part of the protocol shares, in bytes. */
export const sizes = {
  hash: 32,
  key: 32,
  coin: 32,
  salt: 16,
  reference: 16,
  mac: 16,
  commitment: 32,
  receipt: 64,
  signature: 64,
} as const

/** Units in a segment, and so coins a verifier ever walks: Design 3.2. */
export const segmentLengthMax = 1024

/** Payments between two checkpoints, and so cores that a proof of fraud ever holds, but for the one before: Design 3.2. */
export const checkpointEvery = 1024

/** Indices past the contiguous prefix that a vendor accepts: Design 3.5. */
export const windowSize = 1024

export const indexMax = 0xffffffff
