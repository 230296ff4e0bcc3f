/**
 * `node probe.ts FIRST SEEDS STEPS`: lives through one seed after the other until a guarantee does not hold. A line of JSON for
 * each seed, with the violation where there is one. `run.ts` starts it beside a source with a fault in it.
 */

import { simulate } from '../simulate.ts'

const [first, seeds, steps] = process.argv.slice(2).map(Number) as [number, number, number]

for (let seed = first; seed < first + seeds; seed++) {
  const violation = await violationOf(seed)
  console.log(JSON.stringify({ seed, ...violation }))
  if (violation !== undefined) break
}

async function violationOf(seed: number): Promise<{ guarantee: string; detail: string } | undefined> {
  try {
    const { violation } = await simulate(seed, steps)
    return violation && { guarantee: violation.guarantee, detail: violation.detail }
  } catch (error) {
    // A world that cannot even be lived in is a fault that everybody sees.
    return { guarantee: 'bug', detail: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
