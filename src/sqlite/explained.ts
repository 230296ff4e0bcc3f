import { StoreError, type StoreFault } from '../sql/storeError.ts'

/** What SQLite's primary result codes mean to whoever runs the store. */
const causes: Readonly<Record<number, { readonly fault: StoreFault; readonly advice: string }>> = {
  3: { fault: 'unreachable', advice: 'This user may not open the file. Give it the right to read and write it.' },
  5: {
    fault: 'busy',
    advice: 'Another process holds the store for too long. Nothing was written: stop the other one, or try again.',
  },
  6: { fault: 'busy', advice: 'The store is in use by this very process. Nothing was written: try again.' },
  8: {
    fault: 'readOnly',
    advice:
      'The store is read-only. Nothing was written: give this user the right to write the file, those beside it and its folder, and it goes on by itself.',
  },
  10: { fault: 'disk', advice: 'The disk failed. Nothing was acknowledged: look at the disk and its cables.' },
  11: { fault: 'damaged', advice: 'The store is damaged. Stop, keep the file, and restore a backup.' },
  13: { fault: 'full', advice: 'The disk is full. Nothing was written: make room, and it goes on by itself.' },
  14: {
    fault: 'unreachable',
    advice: 'The file cannot be opened. Does its folder exist, and may this user write there?',
  },
  15: { fault: 'busy', advice: 'Too many processes start on the store at once. Nothing was written: try again.' },
  26: { fault: 'foreign', advice: 'The file is no SQLite database. Nothing was changed: name another file.' },
}

/**
 * A failing environment as a {@link StoreError} that says what to do, by SQLite's result code. Anything else is a bug and
 * stays what it is.
 */
export function explained(error: unknown, path: string): unknown {
  const cause = causes[resultCode(error) & 0xff]
  return cause === undefined ? error : new StoreError(`${path}: ${cause.advice}`, { cause: error, fault: cause.fault })
}

/** SQLite's extended result code, 0 where the error is another. */
function resultCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0
}
