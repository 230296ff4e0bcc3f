/** Stores on a PostgreSQL server. The driver `pg` is loaded when the first one is used. */

export { postgresSource, postgresTarget } from './copy.ts'
export type { PostgresOptions } from './driver.ts'
export { planPostgresMigrations, runOnPostgres } from './run.ts'
