import { toHex } from '../../crypto/bytes.ts'
import { assert } from '../../protocol/index.ts'
import { formatDecimal, parseAsset } from '../../wire/amount.ts'
import type { ArchiveSound, Facts, RecordFound } from './archive.ts'
import type { Channel } from './channel.ts'
import type { History } from './history.ts'

/** What is known of a channel once every byte of its archive was checked. */
export function soundVerdict(channel: Channel, history: History, record: RecordFound): ArchiveSound {
  return {
    ok: true,
    profile: 'lockstep',
    bank: channel.terms.bank,
    record,
    summary: summaryOf(channel, history, record),
    facts: factsOf(channel, history, record),
  }
}

function summaryOf(channel: Channel, history: History, { chain, batch, recordTx }: RecordFound): readonly string[] {
  const { terms, record } = channel
  const asset = parseAsset(terms.asset)
  assert(asset.ok, 'terms that a parser accepts name an asset')
  const money = (value: bigint): string => `${formatDecimal(value, asset.value)} ${asset.value.code}`
  const payments = history.cores.length
  const place = chain.kind === 'evm' ? `registry ${chain.registry} on ${terms.network}` : "the bank's own log"
  const basis = record.basis === 'proven' ? '' : ', on the word of the vendor at the time'
  return [
    `channel   ${toHex(channel.channelId)}`,
    `paid      ${money(history.paid)} in ${count(payments, 'payment')}, of ${money(terms.funds)} put in`,
    `settled   ${money(record.settled)} charged, ${money(terms.funds - record.settled)} refunded${basis}`,
    `receipts  all ${payments + 1} verified, with ${count(payments, 'lock')} (${terms.lockScheme}) and ${count(history.checkpoints, 'checkpoint')}`,
    `recorded  ${place}, batch ${batch.number}`,
    `          ${recordTx}`,
  ]
}

function factsOf(channel: Channel, history: History, { chain, batch, recordTx }: RecordFound): Facts {
  const { terms, closing, record } = channel
  const payments = history.cores.length
  return {
    lockScheme: terms.lockScheme,
    channelId: toHex(channel.channelId),
    bank: toHex(terms.bank),
    vendor: toHex(terms.vendor),
    network: terms.network,
    asset: terms.asset,
    payments,
    checkpoints: history.checkpoints,
    receiptsVerified: payments + 1,
    funds: terms.funds.toString(),
    paid: history.paid.toString(),
    charged: closing.spent.toString(),
    refunded: (terms.funds - record.settled).toString(),
    chain: {
      kind: chain.kind,
      chainId: chain.kind === 'evm' ? chain.chainId : null,
      registry: chain.kind === 'evm' ? chain.registry : null,
      recordTx,
      batch: batch.number,
      leaf: toHex(channel.leaf),
      basis: record.basis,
    },
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
