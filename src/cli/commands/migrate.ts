import type { MigrationPlan } from '../../sql/schema.ts'
import { type Command, exitCodes, type Output, parseOptions } from '../command.ts'
import { configHelp, configOption, loadConfig } from '../service/config.ts'
import { type ConfiguredStore, configuredStores } from '../service/stores.ts'

export const migrate: Command = {
  name: 'migrate',
  summary: 'bring stores to the version of this program, or show what that would do',
  help: `usage: lockstep migrate --config FILE [--plan] [--json]

Brings every store that FILE names to the version of this program, one transaction a step: a step that fails is rolled back.
Each service does that itself when it starts; this does it at a time of your choosing. Nothing goes back to an older version:
make a backup first, with the program that the store is of.

${configHelp}
  --plan          change nothing: show the version of each store, and the statements that would run
  --json          one JSON object a store: {"place", "role", "version", "target", "steps"}

examples:
  lockstep migrate --config lockstep.json --plan
  lockstep migrate --config lockstep.json`,
  async run(args, output) {
    const { values } = parseOptions(args, {
      ...configOption,
      plan: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    })
    for (const store of configuredStores(loadConfig(values.config))) {
      const plan = await store.plan()
      if (!values.plan) await bring(store, plan)
      say(output, plan, { isPlan: values.plan, json: values.json })
    }
    return exitCodes.done
  },
}

async function bring({ migrate }: ConfiguredStore, { version, target }: MigrationPlan): Promise<void> {
  // One that is not there yet is made by the service that needs it.
  if (version > 0 && version < target) await migrate()
}

function say(
  output: Output,
  plan: MigrationPlan,
  { isPlan, json }: { readonly isPlan: boolean; readonly json: boolean },
): void {
  if (json) {
    output.out(JSON.stringify(plan))
    return
  }
  const { role, place, version, target, steps } = plan
  const name = `${role}: ${place}`
  if (version === 0) output.out(`${name}: there is none yet; it is made at version ${target}`)
  else if (version === target) output.out(`${name}: version ${version}, the newest`)
  else
    output.out(
      `${name}: ${isPlan ? `version ${version}, and ${target} is the newest` : `from version ${version} to ${target}`}`,
    )
  if (!isPlan || version === 0) return
  for (const step of steps) output.out(`\n-- to version ${step.version}: ${step.title}\n${step.sql.trim()}`)
}
