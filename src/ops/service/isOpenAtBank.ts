import { equal, toHex } from '../../crypto/bytes.ts'
import { bankAnswerMax, bankPaths, parseChannelStatus } from '../../http/bank.ts'
import type { OriginOptions } from '../../vendor/index.ts'
import type { BankAddress } from '../config/index.ts'

type Channel = Parameters<NonNullable<OriginOptions['isOpen']>>[0]

/** Whether the bank of a channel has it open. Throws where the bank does not say. */
export async function isOpenAtBank(banks: readonly BankAddress[], { channelId, terms }: Channel): Promise<boolean> {
  const bank = banks.find(({ key }) => equal(key, terms.bank))
  if (bank === undefined) return false
  const url = new URL(bankPaths.channel(channelId), bank.url)
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(10_000) })
  if (response.status === 404) return false
  const status = parseChannelStatus((await response.text()).slice(0, bankAnswerMax))
  if (!response.ok || !status.ok) {
    throw new Error(`the bank at ${bank.url} does not say how channel ${toHex(channelId)} stands`)
  }
  return status.value.status === 'open'
}
