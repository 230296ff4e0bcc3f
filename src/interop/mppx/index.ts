/** Lockstep as a payment method of the Machine Payments Protocol: for servers and clients of `mppx`, and for the wallet. */

export type { CounterOptions } from '../counter.ts'
export { type ClientMethod, clientMethod, mppFetch } from './client.ts'
export type { LockstepMethod, Members, Requested } from './method.ts'
export { type LockstepTransport, type ServerMethod, serverMethod } from './server.ts'
export { byMpp, type MppHandler } from './way.ts'
