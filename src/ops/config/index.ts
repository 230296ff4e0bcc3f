/** The config file: one for every role, with the environment laid over it. */

export { ConfigError } from './configError.ts'
export type { Environment } from './field.ts'
export { exposureOf, type KeySource, readKeyPair, readSecret } from './keys.ts'
export { isPostgres } from './kinds.ts'
export { type LoadedConfig, networkOf, readConfig, sectionOf } from './readConfig.ts'
export { configReference } from './reference.ts'
export { jsonSchema } from './settings.ts'
export type * from './shape.ts'
