import { nodePlatform, openHome } from './nodeHome.ts'
import type { PayingWalletOptions } from './options.ts'
import { openWallet, type PayingWallet } from './payingWallet.ts'

/**
 * Opens a wallet whose journal is a file that this process has to itself, and whose account is made at the first start.
 *
 * ```ts
 * const w = await wallet({ bank: 'https://bank.example', budget: { request: '0.05', day: '5' } })
 * const response = await w.fetch('https://api.example/joke')
 * ```
 */
export async function wallet(options: PayingWalletOptions): Promise<PayingWallet> {
  const home = await openHome(options)
  try {
    return await openWallet(options, { ...nodePlatform, home })
  } catch (error) {
    await home.journal.close()
    throw error
  }
}
