/** What a bank demands before it opens a channel: data, published with its offer. Design 3.8. */
export interface Rules {
  /** Asset names, such as `USD/6`. */
  readonly assets: readonly string[]
  readonly network: string
  readonly fundsMin: bigint
  /** Seconds between `openedAt` and the bank's clock, either way. */
  readonly openedWithin: bigint
  /** Seconds a channel may live. */
  readonly lifeMin: bigint
  readonly lifeMax: bigint
  readonly graceMin: number
  readonly graceMax: number
  /** A channel needs more than this from both sides. */
  readonly reputationAbove: number
  /** What a new account starts with. */
  readonly reputationNew: number
}

export const defaultRules: Omit<Rules, 'assets' | 'network'> = {
  fundsMin: 1n,
  openedWithin: 300n,
  lifeMin: 60n,
  lifeMax: 366n * 86_400n,
  graceMin: 60,
  graceMax: 30 * 86_400,
  reputationAbove: 50,
  reputationNew: 60,
}
