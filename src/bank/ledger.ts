import type { Bank } from '../protocol/index.ts'
import type * as Open from '../wire/Open.ts'
import type * as Terms from '../wire/Terms.ts'

export type Entry = Bank.Entry
export type Transfer = Bank.Transfer

/** Money that came in from outside. */
export function depositEntry(
  reference: Uint8Array,
  deposit: { readonly account: Uint8Array; readonly asset: string; readonly amount: bigint },
): Entry {
  const { account: owner, asset, amount } = deposit
  const transfer = { asset, amount, from: { place: 'outside', owner }, to: { place: 'account', owner } } as const
  return { kind: 'deposit', reference, transfers: [transfer] }
}

/** F, from the client's account into its channel. */
export function openEntry(channelId: Uint8Array, open: Open.Open & { readonly agreed: Terms.Terms }): Entry {
  const { asset, funds: amount } = open.agreed
  const from = { place: 'account', owner: open.account } as const
  return { kind: 'open', reference: channelId, transfers: [{ asset, amount, from, to: channelOf(channelId) }] }
}

/** What a claim moves: out of the channel in the client's shard, then to the vendor in its own. */
export function closeEntries(
  channel: Bank.BankChannel & { readonly account: Uint8Array },
  settlement: Pick<Bank.Settlement, 'settled' | 'refund'>,
): readonly Entry[] {
  const { channelId, account, terms } = channel
  const { settled, refund } = settlement
  const { asset } = terms
  const from = channelOf(channelId)
  const transit = { place: 'transit', owner: channelId } as const
  const client = { place: 'account', owner: account } as const
  const vendor = { place: 'account', owner: terms.vendor } as const
  const settle: Entry = {
    kind: 'settle',
    reference: channelId,
    transfers: [
      { asset, amount: settled, from, to: transit },
      { asset, amount: refund, from, to: client },
    ].filter(movesMoney),
  }
  const credit: Entry = {
    kind: 'credit',
    reference: channelId,
    transfers: [{ asset, amount: settled, from: transit, to: vendor }].filter(movesMoney),
  }
  return [settle, credit]
}

function channelOf(channelId: Uint8Array): Bank.Holding {
  return { place: 'channel', owner: channelId }
}

function movesMoney(transfer: Transfer): boolean {
  return transfer.amount > 0n
}
