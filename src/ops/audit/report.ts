/** What an audit of a bank's books found. */
export interface AuditReport {
  readonly ok: boolean
  /** Each check that was made, with how many rows it looked at where that says something. */
  readonly checks: readonly CheckReport[]
  /** In the order of the checks: each with the first thing that is wrong. */
  readonly faults: readonly Fault[]
  /** Asset → base units by which balances differ from their postings, and assets from zero. All `0` while the books are right. */
  readonly imbalance: Readonly<Record<string, bigint>>
  readonly counts: Counts
  /** Where the money of each asset is: what came in less what went out is the sum of the rest. */
  readonly totals: readonly Totals[]
}

export interface CheckReport {
  readonly name: string
  readonly ok: boolean
}

export interface Fault {
  readonly check: string
  readonly detail: string
}

export interface Counts {
  readonly accounts: number
  readonly channelsOpen: number
  readonly channelsEnded: number
  readonly entries: number
  readonly transfers: number
  readonly records: number
  readonly recordsQueued: number
  readonly batches: number
}

export interface Totals {
  readonly asset: string
  readonly deposited: bigint
  readonly withdrawn: bigint
  readonly accounts: bigint
  readonly locked: bigint
  readonly channels: bigint
  readonly transit: bigint
}

/** For a program to read. Amounts are strings. */
export function encodeReport(report: AuditReport): string {
  return JSON.stringify(report, (_name, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
}

/** Of {@link encodeReport}, by this very program. */
export function parseReport(text: string): AuditReport {
  const json = JSON.parse(text) as Omit<AuditReport, 'imbalance' | 'totals'> & {
    readonly imbalance: Readonly<Record<string, string>>
    readonly totals: readonly Readonly<Record<keyof Totals, string>>[]
  }
  const { imbalance, totals } = json
  return {
    ...json,
    imbalance: Object.fromEntries(Object.entries(imbalance).map(([asset, amount]) => [asset, BigInt(amount)])),
    totals: totals.map(({ asset, ...sums }) => ({
      asset,
      ...(Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, BigInt(sum)])) as Omit<Totals, 'asset'>),
    })),
  }
}
