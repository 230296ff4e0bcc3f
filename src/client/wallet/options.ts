import type { OnTraffic } from '../channel.ts'
import type { Fetch } from '../remote.ts'
import type { WalletEvent } from './events.ts'

/**
 * What a wallet may pay, as decimal strings in its asset, such as `'0.05'`. What is left out has no limit but the deposit.
 *
 * What counts is what is revealed: coins that left count as spent, also where the vendor charged less than they are worth.
 */
export interface Budget {
  /** For one request, or for one unit of a stream: what it costs, and what is revealed for it at once. */
  readonly request?: string
  /** To one host in a day, UTC. */
  readonly host?: string
  /** To all hosts together in a day, UTC. */
  readonly day?: string
  /** Put into one channel when it is opened. Left out: what 1,024 requests like the first one cost. */
  readonly channel?: string
  /** Paid to one host and not yet acknowledged as spent: what a vendor could take without giving anything for it. */
  readonly atRisk?: string
}

/** A payment that is about to be made. */
export interface Purchase {
  readonly method: string
  readonly url: string
  readonly host: string
  /** Decimal, in the asset. For a metered route, the most that it may cost. */
  readonly price: string
  /** As `USD/6`. */
  readonly asset: string
  readonly kind: 'request' | 'stream'
  /** What this very request was thought to cost, where its vendor has raised the price since. */
  readonly raisedFrom?: string
}

/** How a wallet is opened: its bank is enough. */
export interface PayingWalletOptions {
  /** The bank that holds the deposit. Without a key, the one that the bank has at first is held to from then on. */
  readonly bank: string | { readonly url: string; readonly key: string | Uint8Array }
  readonly budget?: Budget
  /** As `USD` or `USD/6`. Left out: the first one of the bank. */
  readonly asset?: string
  /** Where the wallet keeps what it signed. Node.js: a file, `~/.lockstep/wallet.db` by default. Browser: a name. */
  readonly store?: string
  /** The account's secret key, or the file that holds it. Left out: made beside the store at the first start. */
  readonly account?: string | Uint8Array
  /** Asked before each payment. What it refuses, or throws, is not paid. */
  readonly approve?: (purchase: Purchase) => boolean | Promise<boolean>
  /** Told of everything that happens to money. */
  readonly onEvent?: (event: WalletEvent) => void
  /** Told of each payment, once it has its answer. */
  readonly onPayment?: (payment: Extract<WalletEvent, { kind: 'payment' }>) => void
  /** Pays hosts over plain http also where they are not this machine. */
  readonly allowHttp?: boolean
  /** Seconds that a channel is opened for, if the vendor does not ask for more. A day by default. */
  readonly channelLife?: number
  /** How often a request is sent whose response does not come: always the same bytes, paid once. */
  readonly attempts?: number
  /** What bank and vendor may take to answer anything but a paid request. */
  readonly timeoutMs?: number
  readonly fetch?: Fetch
  readonly onTraffic?: OnTraffic
}
