import type { LedgerRow } from './ledger.ts'

/** For people: aligned columns. */
export function toTable(rows: readonly LedgerRow[]): string {
  const lines = [
    ['TIME', 'CHARGED', 'PRICE', 'ASSET', 'METHOD', 'URL'],
    ...rows.map(({ time, charged, price, asset, method, url }) => [
      time.slice(0, 19).replace('T', ' '),
      charged ?? '?',
      price,
      asset,
      method,
      url,
    ]),
  ]
  return aligned(lines)
}

/** RFC 4180, with a header. No field starts like a formula, which a spreadsheet would run. */
export function toCsv(rows: readonly LedgerRow[]): string {
  const lines = [columns.join(','), ...rows.map((row) => columns.map((column) => field(row[column])).join(','))]
  return `${lines.join('\r\n')}\r\n`
}

/** One JSON object a line. */
export function toNdjson(rows: readonly LedgerRow[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
}

/** Text in columns; the last one is as long as it is. */
export function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]?.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0))) ?? []
  return lines
    .map((line) =>
      line
        .map((text, at) => text.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const columns = ['time', 'host', 'method', 'url', 'price', 'charged', 'asset', 'channel', 'index'] as const

function field(value: string | number | null): string {
  const text = value === null ? '' : String(value)
  const safe = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
