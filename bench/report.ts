import { type VariantName, variantNames, variants } from './catalogue.ts'
import type { Machine } from './machine.ts'
import type { Result, Results } from './rounds.ts'
import { cpuMicros, figure, figureKeys, perSecond, ratio, wallMicros } from './statistics.ts'
import { assessTargets, type Outcome } from './targets.ts'

export interface Run {
  readonly machine: Machine
  readonly commit: string
  readonly quick: boolean
  readonly results: Results
}

/** Everything, as one value. Times are microseconds an operation. */
export function toJson({ machine, commit, quick, results }: Run): unknown {
  const entries = variantNames.flatMap((name) => {
    const result = results[name]
    return result === undefined ? [] : [[name, variantJson(results, name, result)] as const]
  })
  return { machine, commit, quick, unit, variants: Object.fromEntries(entries), targets: assessTargets(results, quick) }
}

/** The same for a reader: medians, targets, raw samples. */
export function toText(run: Run): string {
  const { machine, commit, quick, results } = run
  const { cpu, cores, platform, node, load, storeFileSystem } = machine
  const head = [
    `Lockstep ${commit} on ${cpu}, ${cores} cores, ${platform}, Node.js ${node}; load ${load}; stores on ${storeFileSystem}`,
    ...(quick ? ['Quick: it shows that everything runs. The times mean nothing.'] : []),
  ]
  const tables = [medians(results), figures(results), outcomes(assessTargets(results, quick)), raw(results)]
  return [head.join('\n'), ...tables.filter((one) => one !== ''), ''].join('\n\n')
}

const unit: VariantName = 'sha256'

function variantJson(results: Results, name: VariantName, result: Result): unknown {
  const { does } = variants[name]
  if (!result.measured) return { does, missing: result.missing }
  return {
    does,
    backend: result.backend,
    cpuMicros: cpuMicros(results, name),
    wallMicros: wallMicros(results, name),
    ratio: ratio(results, name, unit) ?? null,
    figures: Object.fromEntries(figureKeys(results, name).map((key) => [key, figure(results, name, key)])),
    rounds: result.rounds.map(({ cpuMicros: cpu, wallMicros: wall, figures: found }) => ({
      cpuMicros: cpu,
      wallMicros: wall,
      figures: found,
    })),
  }
}

function medians(results: Results): string {
  const rows = measuredOf(results).map((name) => {
    const result = results[name]!
    if (!result.measured) return [name, '', '', '', '', '', `not measured: ${result.missing}`]
    const times = [cpuMicros(results, name), wallMicros(results, name), perSecond(results, name)]
    const numbers = [...times, ratio(results, name, unit)]
    return [name, result.backend, ...numbers.map(print), variants[name].does]
  })
  return table(['variant', 'backend', 'CPU µs', 'wall µs', '/s', '× SHA-256', 'what'], rows, [2, 3, 4, 5])
}

/** What the runs found out beside their time. */
function figures(results: Results): string {
  const rows = measuredOf(results).flatMap((name) =>
    figureKeys(results, name).map((key) => [name, key, print(figure(results, name, key))]),
  )
  return rows.length === 0 ? '' : table(['variant', 'figure', 'median'], rows, [2])
}

function outcomes(all: readonly Outcome[]): string {
  const rows = all.map(({ what, target, measured, unit: of, met }) => [
    what,
    target,
    measured === null ? '' : `${print(measured)} ${of}`,
    met === null ? '' : met ? 'met' : 'MISSED',
  ])
  return table(['target of Design 6', 'target', 'measured', ''], rows, [1, 2])
}

function raw(results: Results): string {
  const lines = measuredOf(results).flatMap((name) => {
    const result = results[name]!
    if (!result.measured) return []
    return (['cpuMicros', 'wallMicros'] as const).map((clock) => {
      const rounds = result.rounds.map((samples) => samples[clock].map(print).join(' '))
      return `${name} ${clock === 'cpuMicros' ? 'CPU' : 'wall'}: ${rounds.join(' | ')}`
    })
  })
  return ['raw samples, µs an operation, rounds between bars', ...lines].join('\n')
}

function measuredOf(results: Results): readonly VariantName[] {
  return variantNames.filter((name) => results[name] !== undefined)
}

function print(value: number | undefined): string {
  if (value === undefined) return ''
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
}

function table(head: readonly string[], rows: readonly (readonly string[])[], right: readonly number[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return all
    .map((row) =>
      row
        .map((cell, column) => (right.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
