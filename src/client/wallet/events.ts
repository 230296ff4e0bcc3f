/** What happens to a wallet's money, as it happens. Amounts are decimal strings in the asset. */
export type WalletEvent = { readonly host: string; readonly asset: string } & (
  | {
      /** A request has its answer; one that is metered while it leaves, once that was read. */
      readonly kind: 'payment'
      readonly method: string
      readonly url: string
      /** Id of the channel, in hex. */
      readonly channel: string
      readonly index: number
      /** What it was allowed to cost. */
      readonly price: string
      /** What the vendor says it charged; nothing where it did not say. */
      readonly charged: string | undefined
      readonly status: number
    }
  | {
      /** A stream has ended, or was left. */
      readonly kind: 'streamed'
      readonly method: string
      readonly url: string
      readonly channel: string
      /** That came. */
      readonly units: number
      readonly unitPrice: string
    }
  | {
      /** A request is sent again, with the same bytes: it is paid once. */
      readonly kind: 'retried'
      readonly method: string
      readonly url: string
      readonly channel: string
      readonly index: number
      readonly cause: unknown
    }
  | { readonly kind: 'opened'; readonly channel: string; readonly funds: string }
  | { readonly kind: 'closed'; readonly channel: string; readonly spent: string; readonly receiptsOpened: number }
  /** A channel could not be closed now. It is closed at the next start, or by the bank when its time is up. */
  | { readonly kind: 'closeFailed'; readonly channel: string; readonly cause: unknown }
  /** Nothing was paid. */
  | { readonly kind: 'refused'; readonly method: string; readonly url: string; readonly cause: Error }
  /** The vendor contradicted what was agreed: the wallet pays it nothing more. */
  | { readonly kind: 'disputed'; readonly channel: string; readonly detail: string }
)
