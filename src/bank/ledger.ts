import type { Bank } from '../protocol/index.ts'
import type * as Open from '../wire/Open.ts'
import type * as Terms from '../wire/Terms.ts'

/**
 * Where money can be. `outside` is the world that deposits come from: it alone goes below zero, by what its owner has paid
 * in. `transit` is a vendor's credit on its way from the client's shard to the vendor's.
 */
type Place = 'outside' | 'account' | 'channel' | 'transit'

/** Money moved from one place to another: never out of nothing, never into it. */
export interface Transfer {
  readonly asset: string
  /** Above zero. */
  readonly amount: bigint
  readonly from: { readonly place: Place; readonly owner: Uint8Array }
  readonly to: { readonly place: Place; readonly owner: Uint8Array }
}

/**
 * One movement in the journal, posted once and never changed. Each transfer is both of its postings, so that an entry
 * balances by its form.
 *
 * | entry | from | to | amount | once a |
 * | --- | --- | --- | --- | --- |
 * | `deposit` | outside | account | what came in | deposit |
 * | `open` | client's account | channel | F | channel |
 * | `settle` | channel | transit, client's account | settled, F − settled | channel |
 * | `credit` | transit | vendor's account | settled | channel |
 */
export interface Entry {
  readonly kind: 'deposit' | 'open' | 'settle' | 'credit'
  /** 32 bytes: the deposit's own number, or the channel id. Kind and reference together are unique. */
  readonly reference: Uint8Array
  readonly transfers: readonly Transfer[]
}

export function depositEntry(
  reference: Uint8Array,
  deposit: { readonly account: Uint8Array; readonly asset: string; readonly amount: bigint },
): Entry {
  const { account: owner, asset, amount } = deposit
  const transfer = { asset, amount, from: { place: 'outside', owner }, to: { place: 'account', owner } } as const
  return { kind: 'deposit', reference, transfers: [transfer] }
}

export function openEntry(channelId: Uint8Array, open: Open.Open & { readonly agreed: Terms.Terms }): Entry {
  const { asset, funds: amount } = open.agreed
  const from = { place: 'account', owner: open.account } as const
  return { kind: 'open', reference: channelId, transfers: [{ asset, amount, from, to: channelOf(channelId) }] }
}

/** What a close moves: out of the channel in the client's shard, then to the vendor in its own. */
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

function channelOf(channelId: Uint8Array): Transfer['from'] {
  return { place: 'channel', owner: channelId }
}

function movesMoney(transfer: Transfer): boolean {
  return transfer.amount > 0n
}
