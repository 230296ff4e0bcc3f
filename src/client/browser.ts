/** The client of pages: `lockstep/client` where a bundler asks for a browser. */

export * from './portable.ts'
export { wallet } from './wallet/page.ts'
