/** `npm run sim:mutants -- [--json] [--seed N] [--seeds K] [--steps M] [--only NAME,NAME] [--concurrency N]`. */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { mutants } from './catalogue.ts'
import { type Found, judge, stopAll } from './judge.ts'
import type { Mutant } from './Mutant.ts'
import { assertCurrent, createWorkplace, type Workplace } from './workplace.ts'

interface Plan {
  readonly first: number
  /** Within which a mutant has to be caught. */
  readonly seeds: number
  readonly steps: number
}

interface Result extends Found {
  readonly mutant: Mutant
}

const workplaces: Workplace[] = []

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '200' },
      steps: { type: 'string', default: '200' },
      only: { type: 'string' },
      concurrency: { type: 'string', default: String(availableParallelism()) },
    },
  })
  const [first, seeds, steps, concurrency] = [values.seed, values.seeds, values.steps, values.concurrency].map(Number)
  const names = values.only?.split(',')
  const chosen = mutants.filter(({ name }) => names === undefined || names.includes(name))
  const unknown = names?.filter((name) => mutants.every((mutant) => mutant.name !== name)) ?? []
  if (!isCount(first) || !isCount(seeds) || !isCount(steps) || !isCount(concurrency) || unknown.length > 0) {
    for (const name of unknown) console.error(`there is no mutant ${name}`)
    console.error(
      'usage: npm run sim:mutants -- [--json] [--seed N] [--seeds K] [--steps M] [--only NAME,NAME] [--concurrency N]',
    )
    return 2
  }
  for (const mutant of chosen) assertCurrent(mutant)
  const plan = { first, seeds, steps }
  const results = await judgeAll(chosen, plan, concurrency)
  const caught = results.filter(({ violation }) => violation !== undefined)
  const taken = caught.map((result) => result.seeds).toSorted((left, right) => left - right)
  const seedsMax = taken.at(-1) ?? 0
  const control = await judgeUnchanged({ ...plan, seeds: seedsMax })
  const summary = {
    mutants: results.length,
    caught: caught.length,
    medianSeeds: taken[Math.floor((taken.length - 1) / 2)] ?? 0,
    seedsMax,
    seedsAllowed: seeds,
    seed: first,
    steps,
    missed: results.filter(({ violation }) => violation === undefined).map(({ mutant }) => mutant.name),
    control: { seeds: control.seeds, ...control.violation },
    results: results.map(({ mutant, seeds: count, violation, stuck }) => ({
      name: mutant.name,
      seeds: count,
      ...(violation && { guarantee: violation.guarantee, detail: violation.detail.split('\n')[0] }),
      ...(stuck !== undefined && { stuck }),
    })),
  }
  console.log(values.json ? JSON.stringify(summary) : summary)
  const isClean = control.violation === undefined && control.stuck === undefined
  if (!isClean) console.error('the source without a fault breaks a guarantee itself: nothing of this counts')
  return isClean && summary.missed.length === 0 ? 0 : 1
}

/** A workplace for each of `concurrency`, each with the next mutant as soon as it is done with one. */
async function judgeAll(chosen: readonly Mutant[], plan: Plan, concurrency: number): Promise<readonly Result[]> {
  const left = [...chosen]
  const results: Result[] = []
  const workers = Array.from({ length: Math.min(concurrency, chosen.length) }, async () => {
    const workplace = enter()
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const found = await workplace.with(mutant, () => judge({ folder: workplace.folder, ...plan }))
      results.push({ mutant, ...found })
      tell(`${results.length}/${chosen.length}`, mutant, found)
    }
  })
  await Promise.all(workers)
  return chosen.map((mutant) => results.find((result) => result.mutant === mutant)!)
}

/** The same seeds on the source as it is: what was caught was caught because of its fault. */
function judgeUnchanged(plan: Plan): Promise<Found> {
  return judge({ folder: enter().folder, ...plan })
}

function enter(): Workplace {
  const workplace = createWorkplace()
  workplaces.push(workplace)
  return workplace
}

function leaveAll(): void {
  stopAll()
  for (const workplace of workplaces.splice(0)) workplace.leave()
}

function tell(place: string, { name, breaks }: Mutant, { seeds, violation, stuck }: Found): void {
  const said =
    violation === undefined
      ? `MISSED in ${seeds} seeds: ${stuck ?? breaks}`
      : `caught by seed ${seeds}: ${violation.guarantee}: ${violation.detail.split('\n')[0]}`
  console.error(`${place} ${name}: ${said}`)
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 1
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    leaveAll()
    process.exit(130)
  })
}
try {
  process.exitCode = await main()
} finally {
  leaveAll()
}
