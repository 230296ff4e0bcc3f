import { examine } from '../../ops/doctor/examine.ts'
import type { Finding } from '../../ops/doctor/finding.ts'
import { type Command, exitCodes, type Output, parseOptions, UsageError } from '../command.ts'
import { configHelp, configOption } from '../service/config.ts'

export const doctor: Command = {
  name: 'doctor',
  summary: 'look at everything a config names, and say what to do',
  help: `usage: lockstep doctor --config FILE [--json]

Looks at the program, the config, keys and who can read them, stores (version, integrity, room on their disks), the chain, the
banks and their clocks, and the ports. Changes nothing; a service may run meanwhile. Says what is wrong and what to do about it,
and exits 1 where something keeps a service from working.

${configHelp}
  --json          one JSON object: {"ok", "findings": [{"about", "state", "detail", "remedy"}]}

example:
  lockstep doctor --config lockstep.json`,
  async run(args, output) {
    const { values } = parseOptions(args, { ...configOption, json: { type: 'boolean', default: false } })
    const path = values.config ?? process.env.LOCKSTEP_CONFIG
    if (path === undefined) throw new UsageError('name the config file: --config FILE')
    const findings = await examine(path)
    const ok = findings.every(({ state }) => state !== 'fault')
    if (values.json) output.out(JSON.stringify({ ok, findings }))
    else say(output, findings)
    return ok ? exitCodes.done : exitCodes.failed
  },
}

const marks = { ok: 'ok     ', warning: 'warning', fault: 'fault  ' } as const

function say(output: Output, findings: readonly Finding[]): void {
  for (const { about, state, detail, remedy } of findings) {
    output.out(`${marks[state]}  ${about}: ${detail}${remedy === undefined ? '' : `\n         → ${remedy}`}`)
  }
  const count = (state: Finding['state']): string => {
    const { length } = findings.filter((finding) => finding.state === state)
    return `${length} ${state}${state === 'ok' || length === 1 ? '' : 's'}`
  }
  output.say(`${count('ok')}, ${count('warning')}, ${count('fault')}`)
}
