import type { Row } from '../../sql/program.ts'
import type { Reader } from './reader.ts'
import { amountIn, nameIn, ownerIn } from './rows.ts'

export type ExportFormat = 'csv' | 'ndjson'

/** Every transfer of the journal, oldest first, a line each; CSV starts with the names of its columns. */
export async function* exportJournal(reader: Reader, format: ExportFormat): AsyncIterable<string> {
  if (format === 'csv') yield columns.join(',')
  for await (const row of reader.each(sql)) {
    const values = valuesOf(row)
    // Keys, amounts and words of the schema: none of them needs quotes.
    yield format === 'csv'
      ? values.join(',')
      : JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, values[at]])))
  }
}

const columns = ['at', 'kind', 'reference', 'line', 'asset', 'amount', 'from', 'from_owner', 'to', 'to_owner'] as const

const sql = `
  SELECT entries.at, transfers.kind, transfers.reference, line, asset, amount, from_place, from_owner, to_place, to_owner
  FROM transfers JOIN entries ON entries.shard = transfers.shard AND entries.kind = transfers.kind
    AND entries.reference = transfers.reference
  ORDER BY entries.at, transfers.reference, transfers.kind, line`

function valuesOf(row: Row): readonly string[] {
  return [
    amountIn(row, 'at').toString(),
    nameIn(row, 'kind'),
    ownerIn(row, 'reference'),
    amountIn(row, 'line').toString(),
    nameIn(row, 'asset'),
    amountIn(row, 'amount').toString(),
    nameIn(row, 'from_place'),
    ownerIn(row, 'from_owner'),
    nameIn(row, 'to_place'),
    ownerIn(row, 'to_owner'),
  ]
}
