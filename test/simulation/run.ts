/** `npm run sim -- [--seed N] [--seeds K] [--steps M] [--json] [--stop] [--verbose] [--replay FILE]`. */

import { fork } from 'node:child_process'
import { createHash, randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { missingIn, stepsEnough, sumOf } from './coverage.ts'
import { encodeHistory, parseHistory, shrink } from './shrink.ts'
import { replay, type Simulated, simulate } from './simulate.ts'

/** What a worker says of one seed. */
interface Report {
  readonly seed: number
  readonly counts: readonly (readonly [string, number])[]
  readonly traceHash: string
  readonly failure: string | undefined
}

interface Order {
  readonly seed: number
  readonly steps: number
  /** Whether a failure is made short. */
  readonly shorten: boolean
}

async function live({ seed, steps, shorten }: Order): Promise<Report> {
  const lived = await simulate(seed, steps)
  const failure = lived.violation && explain(seed, lived, shorten ? await shrink(lived) : undefined)
  return { seed, counts: [...lived.counts], traceHash: lived.traceHash, failure }
}

function explain(seed: number, { violation }: Simulated, shrunk: Simulated | undefined): string {
  const failed = `seed ${seed}, step ${violation?.step}: ${violation?.guarantee} does not hold: ${violation?.detail}`
  if (shrunk === undefined) return failed
  return [
    failed,
    `What is left of it, for --replay FILE: ${shrunk.violation?.detail}`,
    encodeHistory(shrunk.history),
  ].join('\n')
}

/** A process for each core, each with the next seed as soon as it is done with one, until `onReport` says that it is enough. */
function share(orders: readonly Order[], onReport: (report: Report) => 'on' | 'enough'): Promise<void> {
  const left = [...orders]
  const count = Math.min(availableParallelism(), orders.length)
  const workers = Array.from({ length: count }, async () => {
    const worker = fork(import.meta.filename, ['--worker'])
    await new Promise<void>((resolve, reject) => {
      const next = (): void => {
        const order = left.shift()
        if (order === undefined) worker.disconnect()
        else worker.send(order)
      }
      worker.on('message', (report) => {
        if (onReport(report as Report) === 'enough') left.length = 0
        next()
      })
      worker.on('error', reject)
      worker.on('exit', (code, signal) =>
        code === 0 ? resolve() : reject(new Error(`a worker ended with ${code ?? signal}`)),
      )
      next()
    })
  })
  return Promise.all(workers).then(() => undefined)
}

function work(): void {
  process.on('message', (order) => {
    const { seed } = order as Order
    const failed = (error: unknown): Report => ({
      seed,
      counts: [],
      traceHash: '',
      failure: `seed ${seed}: the simulator itself fails: ${error instanceof Error ? error.stack : String(error)}`,
    })
    void live(order as Order)
      .catch(failed)
      .then((report) => process.send?.(report))
  })
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string', default: '1' },
      steps: { type: 'string', default: '400' },
      json: { type: 'boolean', default: false },
      stop: { type: 'boolean', default: false },
      replay: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      worker: { type: 'boolean', default: false },
    },
  })
  const listen = values.verbose ? (line: string): void => console.error(line) : undefined
  if (values.worker) {
    work()
    return 0
  }
  if (values.replay !== undefined) {
    const { violation } = await replay(parseHistory(readFileSync(values.replay, 'utf8')), { listen })
    console.log(violation === undefined ? 'every guarantee holds' : `${violation.guarantee}: ${violation.detail}`)
    return violation === undefined ? 0 : 1
  }
  const [first, seeds, steps] = [values.seed ?? String(randomInt(2 ** 31)), values.seeds, values.steps].map(Number)
  if (!isCount(first) || !isCount(seeds) || !isCount(steps)) {
    console.error(
      'usage: npm run sim -- [--seed N] [--seeds K] [--steps M] [--json] [--stop] [--verbose] [--replay FILE]',
    )
    return 2
  }
  console.error(`seed ${first}`)
  if (listen !== undefined) await simulate(first, steps, { listen })
  return runAll({ first, seeds, steps, json: values.json, stop: values.stop })
}

async function runAll(options: {
  readonly first: number
  readonly seeds: number
  readonly steps: number
  readonly json: boolean
  /** Ends at the first violation, as it is. */
  readonly stop: boolean
}): Promise<number> {
  const { first, seeds, steps, json, stop } = options
  const counts = new Map<string, number>()
  const failures: string[] = []
  const hashes = new Map<number, string>()
  const orders = Array.from({ length: seeds }, (_, at) => ({ seed: first + at, steps, shorten: !stop }))
  await share(orders, (report) => {
    for (const [name, count] of report.counts) counts.set(name, (counts.get(name) ?? 0) + count)
    hashes.set(report.seed, report.traceHash)
    if (hashes.size % 100 === 0) console.error(`${hashes.size} of ${seeds} seeds`)
    if (report.failure === undefined) return 'on'
    failures.push(report.failure)
    console.error(report.failure)
    return stop ? 'enough' : 'on'
  })
  const lived = hashes.size
  const missing = lived * steps < stepsEnough ? [] : missingIn(counts)
  for (const kind of missing) console.error(`never happened: ${kind}`)
  const summary = {
    seed: first,
    seeds: lived,
    steps: lived * steps,
    payments: counts.get('payments') ?? 0,
    crashes: sumOf(counts, 'crash: '),
    faults: sumOf(counts, 'fault: '),
    violations: failures.length,
    historyHash: hashOf(hashes),
    counts: Object.fromEntries([...counts].sort(([left], [right]) => (left < right ? -1 : 1))),
  }
  console.log(json ? JSON.stringify(summary) : summary)
  return failures.length === 0 && missing.length === 0 ? 0 : 1
}

/** One for all histories, whichever was done first. */
function hashOf(hashes: ReadonlyMap<number, string>): string {
  const inOrder = [...hashes].sort(([left], [right]) => left - right)
  return createHash('sha256').update(JSON.stringify(inOrder)).digest('hex')
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0
}

process.exitCode = await main()
