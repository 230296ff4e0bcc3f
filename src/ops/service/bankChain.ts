import type { LogStore } from '../../chain/index.ts'
import {
  attachRegistry,
  type Chain,
  ChainError,
  type EvmIdentity,
  openLog,
  recorderAddress,
} from '../../chain/index.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import type { UnixSeconds } from '../../wire/amount.ts'
import { type ChainConfig, readSecret } from '../config/index.ts'
import type { Logger } from '../log/logger.ts'

/**
 * The chain that a bank records on. A node that does not answer now keeps no bank from opening and closing channels: records queue,
 * and each job asks again. A node of another chain, or a key that may not record, is an error at once.
 */
export async function openBankChain(
  deps: {
    readonly log: LogStore
    readonly key: Schnorr.KeyPair
    readonly now: () => UnixSeconds
    readonly logger: Logger
  },
  config: ChainConfig,
  network: string,
): Promise<Chain> {
  const { log, key, now, logger } = deps
  const { kind, rpcUrl, chainId, registry, recorderKeyFile, fromBlock, confirmations } = config
  if (kind === 'embedded') return openLog({ store: log, key, now }, { network })
  // The config was checked to have them.
  if (rpcUrl === undefined || chainId === undefined || registry === undefined || recorderKeyFile === undefined) {
    throw new RangeError('a registry needs rpcUrl, chainId, registry and recorderKeyFile')
  }
  const recorderKey = readSecret(recorderKeyFile)
  const attach = (): Promise<Chain> =>
    attachRegistry({ rpcUrl, chainId, registry, key: recorderKey, fromBlock: BigInt(fromBlock), confirmations })
  try {
    return await attach()
  } catch (error) {
    if (!(error instanceof ChainError) || error.reason !== 'Unreachable') throw error
    logger.warn('the chain does not answer', { error: error.message })
    return attachLater({ kind: 'evm', chainId, registry, recorder: await recorderAddress(recorderKey) }, attach)
  }
}

/** A chain whose identity is known before its node answers. */
function attachLater(identity: EvmIdentity, attach: () => Promise<Chain>): Chain {
  let attached: Chain | undefined
  const chain = async (): Promise<Chain> => {
    attached ??= await attach()
    return attached
  }
  return {
    identity,
    last: async () => (await chain()).last(),
    record: async (batch) => (await chain()).record(batch),
    prove: async (number) => (await chain()).prove(number),
    async *watch(options) {
      yield* (await chain()).watch(options)
    },
  }
}
