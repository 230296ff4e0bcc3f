/** Lockstep as a scheme of x402: for resource servers, clients and facilitators of `@x402/core`, and for the wallet. */

export type { CounterOptions } from '../counter.ts'
export { type ClientScheme, clientScheme, x402Fetch } from './client.ts'
export { facilitator, facilitatorScheme, type Members, network, type RequirementsExtra, scheme } from './scheme.ts'
export { priced, serverScheme } from './server.ts'
export { byX402 } from './way.ts'
