import { randomBytes } from 'node:crypto'
import {
  attachRegistry,
  type Chain,
  ChainError,
  deployRegistry,
  openLog,
  recorderAddress,
  sqliteLogStore,
  startAnvil,
} from '../../chain/index.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import { openDatabase } from '../../sqlite/open.ts'
import { type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import { CommandError } from '../command.ts'

/** Where a demo plays: its chain, its clock, and whoever watches. */
export interface Stage {
  readonly chain: Chain
  /** As in the terms of its channels. */
  readonly network: string
  now(): UnixSeconds
  /** Cryptographic randomness. */
  random(size: number): Uint8Array
  progress(label: string, done: number, total: number): void
  close(): Promise<void>
}

/** Starts the chain that a demo records on: a real EVM node with a fresh registry, or the bank's own log. */
export async function openStage(
  kind: 'evm' | 'embedded',
  bank: Schnorr.KeyPair,
  progress: Stage['progress'],
): Promise<Stage> {
  const base = { now: currentTime, random: (size: number) => new Uint8Array(randomBytes(size)), progress }
  if (kind === 'embedded') {
    const network = 'lockstep:demo'
    const database = openDatabase(':memory:', 'log', [])
    const chain = openLog({ store: sqliteLogStore(database), key: bank, now: currentTime }, { network })
    return { ...base, chain, network, close: async () => database.close() }
  }
  try {
    const anvil = await startAnvil()
    const key = base.random(32)
    const { url: rpcUrl, chainId } = anvil
    try {
      await anvil.fund(await recorderAddress(key), 10n ** 18n)
      const { registry } = await deployRegistry({ rpcUrl, chainId, key })
      const chain = await attachRegistry({ rpcUrl, chainId, key, registry, pollMs: 50 })
      return { ...base, chain, network: `eip155:${chainId}`, close: () => anvil.stop() }
    } catch (error) {
      await anvil.stop()
      throw error
    }
  } catch (error) {
    if (error instanceof ChainError)
      throw new CommandError(`${error.message} Here that is --chain embedded.`, { cause: error })
    throw error
  }
}

/** The system's clock. */
export function currentTime(): UnixSeconds {
  return unixSeconds(BigInt(Math.floor(Date.now() / 1000)))
}
