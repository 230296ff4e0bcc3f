import type { Age } from './reads.ts'

/**
 * The second place of Design 3.6: which journal is the newest. Put on another disk, it also shows that a whole disk was
 * copied or set back.
 *
 * At a start the mark first names both generations, then the journal takes the next one, then the mark names that alone: a
 * crash in between leaves them in agreement. `commits` is written after each commit, without waiting for the disk: it may
 * lag behind the journal, never lead. So a journal with fewer commits than its mark is an old copy, of the same
 * generation too.
 */
export interface Mark extends Age {
  /** The generation that a start was about to begin; `generation` itself otherwise. */
  readonly next: bigint
}

/** Whether a journal is the one that the mark was written for, or a later state of it. */
export function agrees({ generation, commits }: Age, mark: Mark | undefined): boolean {
  if (mark === undefined) return generation === 0n
  return (generation === mark.generation || generation === mark.next) && commits >= mark.commits
}

/** The generation after every one that the journal or its mark knows of. */
export function generationAfter({ generation }: Age, mark: Mark | undefined): bigint {
  const known = [generation, mark?.generation ?? 0n, mark?.next ?? 0n]
  return known.reduce((highest, one) => (one > highest ? one : highest)) + 1n
}

/** Why the channels of a journal were retired that does not agree with its mark. */
export const stale: string =
  'this journal is an older copy, or a copy is in use elsewhere: its generation file knows of later commits'
