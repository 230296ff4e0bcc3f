/**
 * The tables of a role as numbered migrations: `migrations[0]` makes version 1 of an empty store. Append only: what has run
 * somewhere is never edited. The first line of each is a comment that names it.
 *
 * Written in SQLite's words; `postgres/dialect.ts` translates them.
 */
export interface Schema {
  readonly role: string
  readonly migrations: readonly string[]
}

/** What opening a store with this program would do to it. */
export interface MigrationPlan {
  /** The file, or the server and its schema. */
  readonly place: string
  readonly role: string
  /** 0 where there is no store yet. */
  readonly version: number
  /** Version of this program. */
  readonly target: number
  readonly steps: readonly {
    /** The version that it makes. */
    readonly version: number
    readonly title: string
    readonly sql: string
  }[]
}

export function planOf(place: string, version: number, { role, migrations }: Schema): MigrationPlan {
  const steps = migrations.slice(version).map((sql, at) => ({ version: version + at + 1, title: titleOf(sql), sql }))
  return { place, role, version, target: migrations.length, steps }
}

/** The comment in a migration's first line. */
export function titleOf(sql: string): string {
  return /^\s*--\s*(.+)/.exec(sql)?.[1] ?? 'untitled'
}
