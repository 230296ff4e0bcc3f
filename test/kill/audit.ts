import { existsSync, readFileSync } from 'node:fs'
import { toHex } from '../../src/crypto/bytes.ts'
import { price } from './config.ts'

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

/** Asks the store of a process, past the program that wrote it. */
export type Query = (name: string, sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>

interface Charge {
  readonly payment: string
  readonly status: string
  readonly charged: bigint
}

export async function audit(
  query: Query,
  run: { readonly folder: string; readonly vendors: readonly string[]; readonly clients: readonly string[] },
): Promise<Audit> {
  const { folder, vendors, clients } = run
  const charges = new Map((await Promise.all(vendors.map((vendor) => chargesOf(query, vendor)))).flat())
  const effects = vendors.flatMap((vendor) => effectsOf(`${folder}/${vendor}.effects`))
  const worked = [...charges.values()].filter(({ status, charged }) => status === 'charged' && charged === price)
  const withEffect = new Set(effects.map(({ payment }) => payment))
  const chargedIds = effects.filter(({ payment }) => charges.get(payment)?.status === 'charged').map(({ id }) => id)
  const acknowledged = clients.flatMap((client) => linesOf(`${folder}/${client}.acknowledged`))
  const known = new Set(chargedIds)
  const uncharged = effects.filter(({ payment }) => charges.get(payment)?.status !== 'charged')
  return {
    payments: worked.length,
    lost: acknowledged.filter((line) => !known.has(line.split(' ')[1]!)).length,
    doubled: chargedIds.length - known.size + effects.length - withEffect.size,
    imbalance: await imbalanceOf(query),
    chargedWithoutEffect: worked.filter(({ payment }) => !withEffect.has(payment)).length,
    effectsUnlisted: uncharged.filter(({ payment }) => charges.get(payment)?.status !== 'running').length,
    inDoubt: [...charges.values()].filter(({ status }) => status === 'running').length,
    settledWrong: await settledWrong(query, vendors),
  }
}

async function chargesOf(query: Query, vendor: string): Promise<(readonly [string, Charge])[]> {
  const rows = await query(vendor, 'SELECT channel_id, number, status, charged FROM payments')
  return rows.map((row) => {
    const payment = `${toHex((row.channel_id as Uint8Array).subarray(0, 16))}:${String(row.number)}`
    return [payment, { payment, status: row.status as string, charged: BigInt(row.charged as bigint) }]
  })
}

function effectsOf(path: string): { payment: string; id: string }[] {
  return linesOf(path).map((line) => {
    const [payment = '', id = ''] = line.split(' ')
    return { payment, id }
  })
}

/** The books by SQL alone: every asset's balances against what came in, and the faults that the schema itself defines. */
async function imbalanceOf(query: Query): Promise<string> {
  const faults = await query('bank', 'SELECT * FROM imbalances')
  const balances = await query('bank', 'SELECT balance FROM balances')
  const off = balances.reduce((sum, { balance }) => sum + BigInt(balance as bigint), 0n)
  return (off + BigInt(faults.length)).toString()
}

/** Channels that the bank settled for more or less than the vendor's store says it charged. */
async function settledWrong(query: Query, vendors: readonly string[]): Promise<number> {
  const spent = new Map<string, bigint>()
  for (const vendor of vendors) {
    for (const row of await query(vendor, 'SELECT channel_id, spent FROM channels')) {
      spent.set(toHex(row.channel_id as Uint8Array), BigInt(row.spent as bigint))
    }
  }
  const closed = await query('bank', "SELECT channel_id, settled FROM channels WHERE status = 'closed'")
  return closed.filter((row) => spent.get(toHex(row.channel_id as Uint8Array)) !== BigInt(row.settled as bigint)).length
}

/** Whole lines: a crash may have cut the last one. */
function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
}
