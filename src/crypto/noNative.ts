import type { Backend } from './backend.ts'

/** Pages have no native backend: a bundler takes this in place of `native.ts`. */
export const native: Backend | undefined = undefined
