import { existsSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/** What a run left behind, judged by SQL and by the files that handlers and clients wrote. */
export interface Audit {
  readonly payments: number
  /** Acknowledged to a client, and not charged in the vendor's store. */
  readonly lost: number
  /** Requests charged twice, or payments whose handler ran twice. */
  readonly doubled: number
  /** Base units that the bank's books are out by, with every fault it lists. */
  readonly imbalance: string
  readonly chargedWithoutEffect: number
  /** Effects that were not charged and are not listed as in doubt. */
  readonly effectsUnlisted: number
  readonly inDoubt: number
  /** Settled at the bank for another sum than the vendor charged. */
  readonly settledWrong: number
}

interface Charge {
  readonly payment: string
  readonly status: string
  readonly charged: bigint
}

export function audit(
  folder: string,
  names: { readonly vendors: readonly string[]; readonly clients: readonly string[] },
): Audit {
  const charges = new Map<string, Charge>()
  const effects: { payment: string; id: string }[] = []
  for (const vendor of names.vendors) {
    for (const charge of chargesOf(`${folder}/${vendor}.db`)) charges.set(charge.payment, charge)
    effects.push(...effectsOf(`${folder}/${vendor}.effects`))
  }
  const worked = [...charges.values()].filter(({ status, charged }) => status === 'charged' && charged === 100n)
  const withEffect = new Set(effects.map(({ payment }) => payment))
  const chargedIds = effects.filter(({ payment }) => charges.get(payment)?.status === 'charged').map(({ id }) => id)
  const acknowledged = names.clients.flatMap((client) => linesOf(`${folder}/${client}.acknowledged`))
  const known = new Set(chargedIds)
  const uncharged = effects.filter(({ payment }) => charges.get(payment)?.status !== 'charged')
  return {
    payments: worked.length,
    lost: acknowledged.filter((line) => !known.has(line.split(' ')[1]!)).length,
    doubled: chargedIds.length - known.size + effects.length - withEffect.size,
    imbalance: imbalanceOf(`${folder}/bank.db`),
    chargedWithoutEffect: worked.filter(({ payment }) => !withEffect.has(payment)).length,
    effectsUnlisted: uncharged.filter(({ payment }) => charges.get(payment)?.status !== 'running').length,
    inDoubt: [...charges.values()].filter(({ status }) => status === 'running').length,
    settledWrong: settledWrong(folder, names.vendors),
  }
}

function chargesOf(path: string): Charge[] {
  const rows = query(
    path,
    'SELECT lower(hex(substr(channel_id, 1, 16))) AS channel, number, status, charged FROM payments',
  )
  return rows.map((row) => ({
    payment: `${String(row.channel)}:${String(row.number)}`,
    status: row.status as string,
    charged: row.charged as bigint,
  }))
}

function effectsOf(path: string): { payment: string; id: string }[] {
  return linesOf(path).map((line) => {
    const [payment = '', id = ''] = line.split(' ')
    return { payment, id }
  })
}

/** The books by SQL alone: every asset's balances against what came in, and the faults that the schema itself defines. */
function imbalanceOf(path: string): string {
  const faults = query(path, 'SELECT count(*) AS faults FROM imbalances')[0]!.faults as bigint
  const sums = query(path, 'SELECT asset, sum(balance) AS total FROM balances GROUP BY asset')
  const off = sums.reduce((sum, { total }) => sum + (total as bigint), 0n)
  return (faults === 0n ? off : off + faults).toString()
}

/** Channels that the bank settled for more or less than the vendor's store says it charged. */
function settledWrong(folder: string, vendors: readonly string[]): number {
  const spent = new Map(
    vendors.flatMap((vendor) =>
      query(`${folder}/${vendor}.db`, 'SELECT hex(channel_id) AS channel, spent FROM channels').map(
        (row) => [row.channel as string, row.spent as bigint] as const,
      ),
    ),
  )
  const closed = query(
    `${folder}/bank.db`,
    "SELECT hex(channel_id) AS channel, settled FROM channels WHERE status = 'closed'",
  )
  return closed.filter(({ channel, settled }) => spent.get(channel as string) !== settled).length
}

function query(path: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    const statement = db.prepare(sql)
    statement.setReadBigInts(true)
    return statement.all() as Record<string, unknown>[]
  } finally {
    db.close()
  }
}

/** Whole lines: a crash may have cut the last one. */
function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
}
