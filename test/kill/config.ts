import { utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'

/** What every process of a kill test is told, as JSON in the environment. */
export interface ProcessConfig {
  readonly name: string
  /** Of the run: keys derive from it. */
  readonly label: string
  /** Folder of the stores and of the files that processes write for the audit. */
  readonly folder: string
  readonly bankPort: number
  readonly vendorPorts: readonly number[]
  readonly clients: number
  /** Of this process, where it listens. */
  readonly port: number
  /** Where bank and vendors keep their books, by process; files in `folder` where it is left out. */
  readonly databases?: Readonly<Record<string, string>> | undefined
}

export const asset = 'USD/6'
export const network = 'lockstep:kill'
export const price = 100n

/** The database of this process on a PostgreSQL server, if that is where it keeps its books. */
export function databaseOf(config: ProcessConfig): { readonly url: string } | undefined {
  const url = config.databases?.[config.name]
  return url === undefined ? undefined : { url }
}

export function configOf(): ProcessConfig {
  return JSON.parse(process.env.LOCKSTEP_KILL ?? '') as ProcessConfig
}

export function keyOf(config: Pick<ProcessConfig, 'label'>, name: string): Schnorr.KeyPair {
  return Schnorr.keyPair(sha256(utf8(`${config.label} ${name}`)))
}

export function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`
}

export function now(): UnixSeconds {
  return unixSeconds(BigInt(Math.floor(Date.now() / 1000)))
}

/** Tells the one that started this process how far it is. */
export function report(word: 'ready' | 'done'): void {
  process.send?.(word)
}

/** Resolves when the process is asked to finish in good order. */
export function untilAskedToFinish(): Promise<void> {
  return new Promise((resolve) => {
    process.on('message', (message) => {
      if (message === 'finish') resolve()
    })
  })
}
