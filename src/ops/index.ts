/** Running a bank or a vendor: config, logs, metrics, health, jobs, audits. What `lockstep bank` and `lockstep vendor` are made of. */

export { type AuditOptions, auditBooks } from './audit/audit.ts'
export type { Reader } from './audit/reader.ts'
export type { AuditReport, CheckReport, Counts, Fault, Totals } from './audit/report.ts'
export { openBankReader, openJournalReader, openVendorReader } from './audit/stores.ts'
export * from './config/index.ts'
export { type Details, errorDetails, jsonLogger, type Logger, type LogLevel, silentLogger } from './log/logger.ts'
export { openLogger } from './log/pino.ts'
export type { Family, HistogramFamily, ValueFamily } from './metrics/families.ts'
export { type Exposition, openExposition } from './metrics/prometheus.ts'
export { startBank } from './service/bankService.ts'
export type { RunningService, ServiceDeps } from './service/service.ts'
export { startVendor } from './service/vendorService.ts'
