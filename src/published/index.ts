/**
 * The published scheme of Wang, Chen, Chu and Lan (Mathematics 2023, 11, 3472), as the paper has it and with the least
 * repair that makes it open. It is here to be tested, measured and compared with: what it leaves open is listed in
 * `docs/security.md`. Payments are made with `lockstep/protocol`.
 */

export * as adversaries from './adversaries.ts'
export * as Bank from './Bank.ts'
export * as Client from './Client.ts'
export * as ecdsa from './ecdsa.ts'
export { figures } from './figures.ts'
export * as games from './games.ts'
export * as LockableSignature from './LockableSignature.ts'
export type { Reading } from './messages.ts'
export * as messages from './messages.ts'
export type { Operations, Sent } from './operations.ts'
export { type Phase, type Run, type RunInput, run } from './run.ts'
export * as Vendor from './Vendor.ts'
