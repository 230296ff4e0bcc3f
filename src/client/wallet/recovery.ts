import { toHex } from '../../crypto/bytes.ts'
import type { PayingChannel } from '../channel.ts'
import { RefusedError } from '../errors.ts'
import type { Outcome } from '../journal/contract.ts'
import type { Wallet } from '../wallet.ts'
import type { BankDesk } from './bank.ts'
import type { Money } from './money.ts'

/** What was found out of channels that had not ended. Amounts are decimal strings in the wallet's asset. */
export interface Recovered {
  /** Channels whose opening the bank has answered only now. */
  readonly opened: readonly PayingChannel[]
  /** Channels that have ended at the bank, as is known since now. */
  readonly ended: readonly EndedView[]
  /** Channels that the bank has and this wallet does not: their keys are lost, their funds come back at the deadline. */
  readonly lost: readonly LostView[]
  readonly failed: readonly { readonly channel: string; readonly cause: unknown }[]
}

/** A channel that has ended. Amounts are decimal strings in the asset. */
export interface EndedView {
  readonly channel: string
  readonly host: string
  readonly status: Outcome['status']
  /** To the vendor. */
  readonly spent: string
  /** Back to the account. */
  readonly refund: string
  /** Charged too much, and taken back by the bank. */
  readonly returned: string
}

/** A channel that the bank knows and this journal does not: its secrets are gone. */
export interface LostView {
  readonly channel: string
  readonly funds: string
  /** ISO 8601, UTC: from then on the bank gives the funds back. */
  readonly deadline: string
  /** What came back now. */
  readonly refund: string | undefined
}

/** Asks for openings that were not answered, and the bank for what became of every other channel; does what is due there. */
export async function recover(opener: Wallet, money: Money): Promise<Omit<Recovered, 'lost'>> {
  const { opened, ended, failed } = await opener.sync()
  return {
    opened,
    ended: ended.map(({ channelId, vendorUrl, outcome: { status, settled, refund, returned } }) => ({
      channel: toHex(channelId),
      host: new URL(vendorUrl).host,
      status,
      spent: money.format(settled),
      refund: money.format(refund),
      returned: money.format(returned),
    })),
    failed: failed.map(({ channelId, cause }) => ({ channel: toHex(channelId), cause })),
  }
}

/** Looks for channels that the account opened and the journal has lost: what their deadlines give back is asked for. */
export async function findLost(
  desk: BankDesk,
  money: Money,
  known: ReadonlySet<string>,
): Promise<Pick<Recovered, 'lost' | 'failed'>> {
  const lost: LostView[] = []
  const failed: Recovered['failed'][number][] = []
  for (const { channelId, asset, status, funds, deadline } of await desk.channels()) {
    const channel = toHex(channelId)
    if (status !== 'open' || known.has(channel) || asset !== money.asset) continue
    try {
      const refund = deadline < desk.now() ? money.format(await desk.expire(channelId)) : undefined
      const until = new Date(Number(deadline) * 1000).toISOString()
      lost.push({ channel, funds: money.format(funds), deadline: until, refund })
    } catch (cause) {
      if (!(cause instanceof RefusedError)) throw cause
      failed.push({ channel, cause })
    }
  }
  return { lost, failed }
}
