import { countsSql, imbalanceSql, ledgerChecks, totalsSql } from './ledgerChecks.ts'
import type { Reader } from './reader.ts'
import { type ComputedCheck, deepChecks, type Owner, quickChecks } from './recordChecks.ts'
import type { AuditReport, Fault, Totals } from './report.ts'
import { amountIn, countIn, nameIn } from './rows.ts'

export interface AuditOptions extends Owner {
  /** Also verifies the bank's signature on every channel. */
  readonly isDeep: boolean
}

/**
 * Recomputes a bank's books from its journal, and its records up to what is on the chain. Reads one moment of the store, beside the
 * service that writes it. Damage ends no check but its own.
 */
export async function auditBooks(reader: Reader, options: AuditOptions): Promise<AuditReport> {
  const { isDeep, ...owner } = options
  const checks: { readonly name: string; readonly ok: boolean }[] = []
  const faults: Fault[] = []
  const check = async (name: string, find: () => Promise<string | undefined>): Promise<void> => {
    const detail = await find()
    checks.push({ name, ok: detail === undefined })
    if (detail !== undefined) faults.push({ check: name, detail })
  }

  await check('the database finds nothing wrong with itself', () => reader.integrity())
  for (const { name, sql, tell } of ledgerChecks) {
    await check(name, async () => {
      const [row] = await reader.all(sql)
      return row && tell(row)
    })
  }
  const computed: readonly ComputedCheck[] = isDeep ? deepChecks : quickChecks
  for (const { name, find } of computed) await check(name, () => find(reader, owner))

  const totals = (await reader.all(totalsSql)).map((row) => ({
    asset: nameIn(row, 'asset'),
    deposited: amountIn(row, 'deposited'),
    withdrawn: amountIn(row, 'withdrawn'),
    accounts: amountIn(row, 'accounts'),
    locked: amountIn(row, 'locked'),
    channels: amountIn(row, 'channels'),
    transit: amountIn(row, 'transit'),
  }))
  await check('what came in less what went out is what is there', async () =>
    totals.map(lossOf).find((loss) => loss !== undefined),
  )

  const imbalance = Object.fromEntries(
    (await reader.all(imbalanceSql)).map((row) => [nameIn(row, 'asset'), amountIn(row, 'wrong')]),
  )
  const [counted = {}] = await reader.all(countsSql)
  const counts = {
    accounts: countIn(counted, 'accounts'),
    channelsOpen: countIn(counted, 'channels_open'),
    channelsEnded: countIn(counted, 'channels_ended'),
    entries: countIn(counted, 'entries'),
    transfers: countIn(counted, 'transfers'),
    records: countIn(counted, 'records'),
    recordsQueued: countIn(counted, 'records_queued'),
    batches: countIn(counted, 'batches'),
  }
  return { ok: faults.length === 0, checks, faults, imbalance, counts, totals }
}

function lossOf({ asset, deposited, withdrawn, accounts, locked, channels, transit }: Totals): string | undefined {
  const held = accounts + locked + channels + transit
  const expected = deposited - withdrawn
  if (held === expected) return undefined
  return `${deposited} of ${asset} came in and ${withdrawn} went out; ${held} is there, not ${expected}`
}
