import type { Operations, Sent } from '../../published/index.ts'
import { type PhaseName, phases } from './measure.ts'
import type { Report, Timed } from './report.ts'

/** The report as tables: the paper's column, the published scheme as measured here, and Lockstep/1 beside it. */
export function tableOf(report: Report): string {
  const { n, runs, warmUps, backend, machine, literalOpened, repairedOpened, paper } = report
  const { client, vendor } = paper.formulas
  return `The published scheme and Lockstep/1, ${count(n, 'payment')}, beside the paper (Mathematics 2023, 11, 3472)

${aligned(timeRows(report), ['left', 'left', 'right', 'right', 'left', 'right', 'right', 'left', 'right'])}

${notes(report).join('\n')}

${aligned(elementRows(report), ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'])}

The paper’s formulas: client ${client}, vendor ${vendor}. A lock is an h; what s is it does not say.
In its scheme the vendor sends nothing.

Read as printed, the last message opens ${grouped(literalOpened)} of ${count(n, 'receipt')}; with σ_n beside its lock, ${grouped(repairedOpened)}.

Medians of ${count(runs, 'run')} of each scheme, in turn, after ${warmUps} to warm up.
Backend ${backend}, Node.js ${machine.node}, ${machine.platform}, ${machine.cpu}.`
}

/** The paper's figures are for ten payments. */
function isComparable({ n, paper }: Report): boolean {
  return n === paper.communication.payments
}

function timeRows(report: Report): readonly (readonly string[])[] {
  const { paper, measured, lockstep, backend } = report
  const rows: (readonly string[])[] = [
    ['', '', 'the paper', 'published', '', '', 'Lockstep/1', '', ''],
    ['', '', '', '', '', '', lockstep.lockScheme, '', ''],
  ]
  const ratio = (phase: PhaseName, { ms }: Timed): string =>
    isComparable(report) ? comparison((1000 * paper[phase].seconds) / ms) : ''
  for (const phase of phases) {
    const [here, ours] = [measured[phase], lockstep[phase]]
    const measuredHere = [`${significant(here.ms, 3)} ms`, backend, ratio(phase, here)]
    const measuredOurs = [`${significant(ours.ms, 3)} ms`, backend, ratio(phase, ours)]
    rows.push(
      [phase, 'time', `${1000 * paper[phase].seconds} ms`, ...measuredHere, ...measuredOurs],
      ['', 'bytes', `${paper[phase].kb} kb`, grouped(here.bytes), '', '', grouped(ours.bytes), '', ''],
    )
  }
  return rows
}

function notes(report: Report): readonly string[] {
  const { n, lockstep, measured } = report
  const perPayment = grouped(Math.round(measured.transaction.bytes / n))
  return [
    `A payment: ${perPayment} bytes published, ${grouped(Math.round(lockstep.perPayment.bytes))} with Lockstep/1, where the vendor answers each one.`,
    isComparable(report)
      ? '÷ is how many times less than the paper, × how many times more. Its kb are bits or bytes, which it does not say: no ratio.'
      : 'The paper’s figures are for ten payments: no ratio.',
    'Lockstep/1 opens with the request, the grant and the showing to the vendor; the paper counts the bank’s answer alone.',
  ]
}

function elementRows({ n, sent, operations, literal, lockstep }: Report): readonly (readonly string[])[] {
  const sends = (who: string, what: Sent): readonly string[] => {
    const elements = [what.sig, what.f, what.h, what.tx].map(grouped)
    return ['sends', who, ...elements, '', grouped(what.bytes)]
  }
  const computes = (who: string, what: Operations): readonly string[] => {
    const elements = [what.sig, what.f, what.h].map(grouped)
    return ['computes', who, ...elements, '', grouped(what.vf), '']
  }
  const total = (who: string, bytes: number): readonly string[] => ['sends', who, '', '', '', '', '', grouped(bytes)]
  return [
    ['', '', 'sig', 'f', 'h', 'Tx', 'verified', 'bytes'],
    ['the paper', 'client', '1', grouped(n), grouped(n - 1), '', '', ''],
    ['the paper', 'vendor', '', grouped(n), '', '', '', ''],
    sends('bank', sent.bank),
    sends('client, as printed', literal.sent),
    sends('client, repaired', sent.client),
    sends('vendor', sent.vendor),
    computes('bank', operations.bank),
    computes('client, as printed', literal.operations),
    computes('client, repaired', operations.client),
    computes('vendor, repaired', operations.vendor),
    total('bank, Lockstep/1', lockstep.sent.bank.bytes),
    total('client, Lockstep/1', lockstep.sent.client.bytes),
    total('vendor, Lockstep/1', lockstep.sent.vendor.bytes),
  ]
}

type Side = 'left' | 'right'

/** Columns two spaces apart, each as wide as its widest cell. */
function aligned(rows: readonly (readonly string[])[], sides: readonly Side[]): string {
  const widths = sides.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const cell = (text: string, column: number): string =>
    sides[column] === 'left' ? text.padEnd(widths[column]!) : text.padStart(widths[column]!)
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n')
}

function comparison(timesLess: number): string {
  return timesLess >= 1 ? `÷ ${significant(timesLess, 2)}` : `× ${significant(1 / timesLess, 2)}`
}

function significant(value: number, digits: number): string {
  return value >= 10 ** digits ? grouped(Math.round(value)) : value.toPrecision(digits)
}

function grouped(value: number): string {
  return value.toLocaleString('en-US')
}

function count(value: number, noun: string): string {
  return `${grouped(value)} ${noun}${value === 1 ? '' : 's'}`
}
