import { lastBank } from '../../client/wallet/bank.ts'
import { nodePlatform, openHome } from '../../client/wallet/nodeHome.ts'
import type { PayingWalletOptions } from '../../client/wallet/options.ts'
import { openWallet, type PayingWallet } from '../../client/wallet/payingWallet.ts'
import { UsageError } from '../command.ts'

/** Options of every command that opens a wallet. */
export const walletOptions = {
  bank: { type: 'string' },
  store: { type: 'string' },
  account: { type: 'string' },
  asset: { type: 'string' },
  'allow-http': { type: 'boolean', default: false },
} as const

export const walletHelp = `  --bank URL      the bank that holds your deposit; $LOCKSTEP_BANK, or the one of last time, where it is left out
  --store FILE    the wallet's file; $LOCKSTEP_WALLET, or ~/.lockstep/wallet.db, where it is left out
  --account FILE  the account's secret key. Left out: beside the wallet, made at the first start
  --asset NAME    what is paid in, as USD. Left out: the first asset of the bank
  --allow-http    pay over plain http also where the vendor is not on this machine`

export interface WalletValues {
  readonly bank?: string | undefined
  readonly store?: string | undefined
  readonly account?: string | undefined
  readonly asset?: string | undefined
  readonly 'allow-http': boolean
}

/** Opens the wallet that the options or the environment name. */
export async function openNamed(values: WalletValues, more: Partial<PayingWalletOptions> = {}): Promise<PayingWallet> {
  const home = await usage(() => openHome(placeOf(values)))
  try {
    const bank = values.bank ?? process.env.LOCKSTEP_BANK ?? (await home.journal.recall(lastBank))
    if (bank === undefined) throw new UsageError('name the bank that holds your deposit: --bank URL')
    const { asset, 'allow-http': allowHttp } = values
    return await usage(() =>
      openWallet({ bank, allowHttp, ...(asset && { asset }), ...more }, { ...nodePlatform, home }),
    )
  } catch (error) {
    await home.journal.close()
    throw error
  }
}

/** Where the wallet is. */
export function placeOf({ store, account }: Pick<WalletValues, 'store' | 'account'>): {
  store?: string
  account?: string
} {
  const place = store ?? process.env.LOCKSTEP_WALLET
  return { ...(place !== undefined && { store: place }), ...(account !== undefined && { account }) }
}

/** What a wallet was given that is none, such as an amount that cannot be read, is a wrong use of the command. */
async function usage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message)
    throw error
  }
}
