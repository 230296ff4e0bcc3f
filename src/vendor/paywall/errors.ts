/** The paywall cannot be opened, or is told something that cannot be. Nothing was opened, stored or charged. */
export class PaywallError extends Error {
  override readonly name: string = 'PaywallError'
}

/** A price that is none, or more than the ceiling. Thrown where a route is made; in a handler, it charges nothing. */
export class PriceError extends Error {
  override readonly name: string = 'PriceError'
}
