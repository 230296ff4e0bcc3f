/** `npm run sim -- --seed N --steps M --seeds K [--json] [--replay FILE] [--verbose]`. */

import { fork } from 'node:child_process'
import { randomInt } from 'node:crypto'
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
}

async function live({ seed, steps }: Order): Promise<Report> {
  const lived = await simulate(seed, steps)
  const failure = lived.violation && explain(seed, lived, await shrink(lived))
  return { seed, counts: [...lived.counts], traceHash: lived.traceHash, failure }
}

function explain(seed: number, { violation }: Simulated, shrunk: Simulated): string {
  return [
    `seed ${seed}, step ${violation?.step}: ${violation?.guarantee} does not hold: ${violation?.detail}`,
    `What is left of it, for --replay FILE: ${shrunk.violation?.detail}`,
    encodeHistory(shrunk.history),
  ].join('\n')
}

/** A process for each core, each with the next seed as soon as it is done with one. */
function share(orders: readonly Order[], onReport: (report: Report) => void): Promise<void> {
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
        onReport(report as Report)
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
    const { violation } = await replay(parseHistory(readFileSync(values.replay, 'utf8')), listen)
    console.log(violation === undefined ? 'every guarantee holds' : `${violation.guarantee}: ${violation.detail}`)
    return violation === undefined ? 0 : 1
  }
  const [first, seeds, steps] = [values.seed ?? String(randomInt(2 ** 31)), values.seeds, values.steps].map(Number)
  if (!isCount(first) || !isCount(seeds) || !isCount(steps)) {
    console.error('usage: npm run sim -- [--seed N] [--seeds K] [--steps M] [--json] [--verbose] [--replay FILE]')
    return 2
  }
  console.error(`seed ${first}`)
  if (listen !== undefined) await simulate(first, steps, listen)
  return runAll({ first, seeds, steps, json: values.json })
}

async function runAll(options: {
  readonly first: number
  readonly seeds: number
  readonly steps: number
  readonly json: boolean
}): Promise<number> {
  const { first, seeds, steps, json } = options
  const counts = new Map<string, number>()
  const failures: string[] = []
  const hashes = new Map<number, string>()
  const orders = Array.from({ length: seeds }, (_, at) => ({ seed: first + at, steps }))
  await share(orders, (report) => {
    for (const [name, count] of report.counts) counts.set(name, (counts.get(name) ?? 0) + count)
    hashes.set(report.seed, report.traceHash)
    if (report.failure === undefined) return
    failures.push(report.failure)
    console.error(report.failure)
  })
  const missing = seeds * steps < stepsEnough ? [] : missingIn(counts)
  for (const kind of missing) console.error(`never happened: ${kind}`)
  const summary = {
    seed: first,
    seeds,
    steps: seeds * steps,
    payments: counts.get('payments') ?? 0,
    crashes: sumOf(counts, 'crash: '),
    faults: sumOf(counts, 'fault: '),
    violations: failures.length,
    ...(seeds === 1 && { traceHash: hashes.get(first) }),
    counts: Object.fromEntries([...counts].sort(([left], [right]) => (left < right ? -1 : 1))),
  }
  console.log(json ? JSON.stringify(summary) : summary)
  return failures.length === 0 && missing.length === 0 ? 0 : 1
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0
}

process.exitCode = await main()
