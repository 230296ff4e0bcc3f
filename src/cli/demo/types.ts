import type { LockSchemeName } from '../../crypto/locks.ts'
import type { Files } from '../archive/archive.ts'

/** What a demo sells, and how. */
export interface DemoOptions {
  readonly profile: 'lockstep' | 'published'
  /** The file that the vendor sells. */
  readonly content: Uint8Array
  readonly payments: number
  readonly chain: 'evm' | 'embedded'
  readonly lockScheme: LockSchemeName
}

/** What `lockstep demo --json` prints. Amounts are base units as decimal strings; a field that does not apply is null. */
export interface DemoResult {
  readonly profile: 'lockstep' | 'published'
  readonly lockScheme: LockSchemeName | null
  readonly backend: 'native' | 'portable'
  readonly channelId: string | null
  readonly payments: number
  readonly ticks: number | null
  readonly paid: string
  readonly charged: string | null
  readonly refunded: string
  readonly retry: { readonly sent: number; readonly handlerRuns: number; readonly charges: number } | null
  /** σ_0 … σ_n. */
  readonly receiptsOpened: number
  readonly receiptsVerified: number
  /** Of the bytes that the client received, hex. */
  readonly contentSha256: string
  readonly chain: {
    readonly kind: 'evm' | 'embedded'
    readonly chainId: number | null
    readonly registry: string | null
    readonly recordTx: string
    readonly leaf: string
    readonly proofVerified: boolean
  }
  readonly ms: Phases & { readonly record: number }
  /** On the wire, both ways, HTTP's own included; without what was bought. */
  readonly bytes: Phases & { readonly perPayment: number }
}

interface Phases {
  readonly setup: number
  readonly transaction: number
  readonly release: number
}

/** A demo that ran to its end. */
export interface DemoRun {
  readonly result: DemoResult
  /** What a verifier needs: `--save` writes it. */
  readonly files: Files
  /** `Tx_0` and `Tx_n` as recorded, for the summary. */
  readonly recorded: { readonly first: Uint8Array; readonly last: Uint8Array }
}
