import type { Row } from '../../sql/program.ts'
import type { MigrationPlan } from '../../sql/schema.ts'
import { StoreError } from '../../sql/storeError.ts'

/** Reads a store beside the service that writes it. Everything it gives is of one moment, and it can change nothing. */
export interface Reader {
  all(sql: string): Promise<readonly Row[]>
  /** Row by row, for what may not fit into memory. */
  each(sql: string): AsyncIterable<Row>
  /** The condition that a column has these bytes. */
  isBlob(column: string, bytes: Uint8Array): string
  /** What the database itself finds wrong with its pages, indexes and foreign keys. */
  integrity(): Promise<string | undefined>
  close(): Promise<void>
}

/** Throws {@link StoreError} where there is no store, or one that this program would bring to another version first. */
export function assertNewest({ place, version, target }: MigrationPlan): void {
  if (version === 0) throw new StoreError(`there is no store at ${place}`, { fault: 'unreachable' })
  if (version === target) return
  throw new StoreError(
    `${place} is at version ${version}; this program reads ${target}: "lockstep migrate" brings it there`,
    { fault: 'migration' },
  )
}
