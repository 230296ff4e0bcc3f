import { toHex } from '../../crypto/bytes.ts'
import type * as Offer from '../../http/Offer.ts'
import { refuse } from '../../protocol/index.ts'
import type { PayingChannel } from '../channel.ts'
import { RefusedError, UnansweredError } from '../errors.ts'
import { dayOf } from './spending.ts'
import type { TabContext } from './tab.ts'

interface Wanted {
  readonly origin: string
  readonly offer: Offer.Offer
  /** Of what is about to be bought: the least that the channel has to hold. */
  readonly price: bigint
}

/** Opens a channel that can pay a price and more like it. Says what to do where the bank is away, or refuses. */
export async function openFor(context: TabContext, wanted: Wanted): Promise<PayingChannel> {
  const { opener, desk, money, channelLife, spending } = context
  const { origin, offer } = wanted
  const { host } = new URL(origin)
  if (offer.asset !== money.asset) {
    const detail = `${host} sells in ${offer.asset}; this wallet pays in ${money.asset}`
    throw new RefusedError(refuse('AssetMismatch', detail))
  }
  // A coin is revealed whole, whatever what it is paid for costs.
  const much = spending.assess(host, offer.unitPrice, dayOf(desk.now()))
  if (much !== undefined) throw new RefusedError(refuse('BudgetExceeded', much))
  const enough = BigInt(offer.lifeMin) * 2n
  const life = least(desk.offer().rules.lifeMax, most(channelLife, enough))
  try {
    return await insist(context, wanted, (funds) => opener.open(origin, { funds, life, offer }))
  } catch (error) {
    if (error instanceof UnansweredError) {
      const message = `No channel to ${host} could be opened, and nothing was paid. ${error.message}`
      throw new UnansweredError(message, { cause: error })
    }
    if (!(error instanceof RefusedError) || !needsFunds.has(error.reason)) throw error
    const { reason } = error
    const detail = `pay in at ${desk.url} for account ${toHex(desk.account)}, which has too little there: ${error.detail}`
    throw new RefusedError({ reason, detail })
  }
}

/** Does what the bank asks for where that can be done: registers the account, sets the clock, makes do with less. */
async function insist(
  context: TabContext,
  wanted: Wanted,
  open: (funds: bigint) => Promise<PayingChannel>,
): Promise<PayingChannel> {
  const { desk, money } = context
  const tried = new Set<string>()
  let funds = fundsFor(context, wanted)
  for (;;) {
    try {
      return await open(funds.wanted)
    } catch (error) {
      const reason = error instanceof RefusedError ? error.reason : undefined
      if (reason === undefined || tried.has(reason)) throw error
      tried.add(reason)
      if (reason === 'AccountUnknown') {
        // A bank that takes no deposit for it has its operator make accounts: then the first refusal is what to know.
        await desk.register(money.asset).catch((refusal) => {
          throw refusal.reason === 'AssetMismatch' ? error : refusal
        })
      } else if (reason === 'ClockSkewed') await desk.refresh()
      else if (reason === 'FundsTooSmall') {
        // The bank wants more in a channel than it did.
        await desk.refresh()
        funds = fundsFor(context, wanted)
      } else if (reason === 'BalanceTooLow') {
        const balance = await desk.balance(money.asset)
        if (balance < funds.least) {
          const detail = `a channel takes ${money.say(funds.least)}; it has ${money.say(balance)}`
          throw new RefusedError(refuse('BalanceTooLow', detail))
        }
        // Not all of it: other vendors are to be paid as well.
        funds = { ...funds, wanted: most(funds.least, balance / 4n) }
      } else throw error
    }
  }
}

/** Base units to put into a channel. */
interface Funds {
  readonly least: bigint
  readonly wanted: bigint
}

function fundsFor({ limits, desk, money }: TabContext, { origin, offer, price }: Wanted): Funds {
  const { rules, limits: bankLimits } = desk.offer()
  const needed = [rules.fundsMin, bankLimits.channelMin.get(money.asset) ?? 0n, offer.unitPrice].reduce(most, price)
  const { channel } = limits
  if (channel === undefined) return { least: needed, wanted: most(needed, price * requestsAChannel) }
  if (channel >= needed) return { least: needed, wanted: channel }
  const detail = `a channel to ${new URL(origin).host} needs ${money.say(needed)}; budget.channel is ${money.say(channel)}`
  throw new RefusedError(refuse('BudgetExceeded', detail))
}

const requestsAChannel = 1_024n

const needsFunds: ReadonlySet<string> = new Set(['AccountUnknown', 'DepositTooSmall', 'BalanceTooLow'])

function most(one: bigint, other: bigint): bigint {
  return one > other ? one : other
}

function least(one: bigint, other: bigint): bigint {
  return one < other ? one : other
}
