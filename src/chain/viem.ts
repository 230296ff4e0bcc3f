import { ChainError, type ChainReason } from './chainError.ts'

export type Viem = typeof import('viem')

/** viem is an optional peer: whoever keeps to the embedded log does without it. */
export async function loadViem(load: () => Promise<unknown> = () => import('viem')): Promise<Viem> {
  try {
    return (await load()) as Viem
  } catch (cause) {
    throw new ChainError(
      'PackageMissing',
      'The package viem is not installed, and nothing on an EVM chain can be read or recorded without it. ' +
        'Run npm install viem, or use the embedded chain.',
      { cause },
    )
  }
}

export interface Fault {
  readonly reason: Extract<ChainReason, 'Unreachable' | 'NoRegistry' | 'Refused'>
  /** What the other side did, as a clause: `http://127.0.0.1:8545 does not answer`. */
  readonly says: string
}

/** What an error of viem's means here, by its class and never by its text. `name` stands for the node in messages. */
export function faultOf(viem: Viem, error: unknown, name: string): Fault {
  if (!(error instanceof viem.BaseError))
    return { reason: 'Refused', says: `${name} answers nonsense (${lineOf(error)})` }
  const has = <T>(kind: abstract new (...args: never[]) => T): T | undefined =>
    (error.walk((inner) => inner instanceof kind) as T | null) ?? undefined

  const http = has(viem.HttpRequestError)
  if (http?.status !== undefined) return { reason: 'Unreachable', says: `${name} answers with HTTP ${http.status}` }
  if (http !== undefined || has(viem.TimeoutError) !== undefined) {
    return { reason: 'Unreachable', says: `${name} does not answer` }
  }
  if (has(viem.ContractFunctionZeroDataError) !== undefined) {
    return { reason: 'NoRegistry', says: 'there is no registry at that address' }
  }
  const reverted = has(viem.ContractFunctionRevertedError)
  if (reverted !== undefined) return { reason: 'Refused', says: `the contract refuses it: ${revertOf(reverted)}` }
  const rpc = has(viem.RpcRequestError)
  return { reason: 'Refused', says: `${name} refuses it: ${rpc?.details ?? error.shortMessage}` }
}

/** An endpoint as messages name it: its path and query may hold a key. */
export function nameOf(rpcUrl: string): string {
  return URL.canParse(rpcUrl) ? new URL(rpcUrl).origin : 'the RPC endpoint'
}

export function isAddress(text: string): boolean {
  return /^0x[0-9a-f]{40}$/.test(text)
}

function revertOf(error: InstanceType<Viem['ContractFunctionRevertedError']>): string {
  if (error.data === undefined) return error.reason ?? error.signature ?? 'no reason given'
  return `${error.data.errorName}(${(error.data.args ?? []).join(', ')})`
}

function lineOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)
}
