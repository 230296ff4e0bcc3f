/** What a check asks of money. */

import { parseDecimal } from '../../src/wire/amount.ts'

/** What the bank paid the vendor over a channel, once it has. */
export async function settledAt(bank: string, channel: string): Promise<bigint> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    const answer = await fetch(`${bank}/v1/channels/${channel}`)
    const { status, settled } = (await answer.json()) as { readonly status: string; readonly settled?: string }
    if (status === 'closed') return BigInt(settled!)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('waited in vain for the bank to settle')
}

/** Base units of a decimal string in USD/6. */
export function unitsOf(decimal: string): bigint {
  const parsed = parseDecimal(decimal, { code: 'USD', decimals: 6 })
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.value
}

export function sumOf(amounts: readonly bigint[]): bigint {
  return amounts.reduce((sum, one) => sum + one, 0n)
}
