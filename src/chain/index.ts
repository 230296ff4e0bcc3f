/** Where settled channels are recorded: the bank's own log, or a registry contract on an EVM chain. */

export { type Anvil, type AnvilOptions, anvilBinary, startAnvil } from './anvil.ts'
export type { Batch, Chain, ChainIdentity, EmbeddedIdentity, EvmIdentity, Hex, Recorded } from './Chain.ts'
export { ChainError, type ChainReason } from './chainError.ts'
export { type Audit, auditLog, type EmbeddedOptions, type LogStore, openLog } from './embedded.ts'
export { sqliteLogStore } from './embeddedSqlite.ts'
export { type ProofFault, type TrustRoots, type Verdict, verifyRecord } from './evidence.ts'
export { attachRegistry, type Deployed, deployRegistry, type RegistryOptions, recorderAddress } from './evm.ts'
export * as LogEntry from './LogEntry.ts'
export * as RecordProof from './RecordProof.ts'
export * as TreeHead from './TreeHead.ts'
