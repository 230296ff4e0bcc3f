/**
 * Measures what Lockstep costs beside its peers: `npm run bench -- [--rounds N] [--only NAME,NAME] [--json] [--quick]`.
 * What is measured, and how to read it: docs/internals/benchmarks.md.
 */

import { describeCommit, describeMachine } from './machine.ts'
import { parseOptions, UsageError } from './options.ts'
import { toJson, toText } from './report.ts'
import { runRounds } from './rounds.ts'

try {
  const { json, ...plan } = parseOptions(process.argv.slice(2))
  const [machine, commit] = [describeMachine(), describeCommit()]
  const results = runRounds(plan, (round, name) => {
    process.stderr.write(`round ${round} of ${plan.rounds}: ${name}\n`)
  })
  const run = { machine, commit, quick: plan.quick, results }
  process.stdout.write(json ? `${JSON.stringify(toJson(run))}\n` : toText(run))
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
