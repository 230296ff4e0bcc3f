import { type Command, exitCodes, parseOptions, UsageError } from '../command.ts'

export const help: Command = {
  name: 'help',
  summary: 'what each command does, with examples',
  help: `usage: lockstep help [COMMAND]

Prints the list of commands, or all about one of them.`,
  async run(args, output) {
    // Imported here: the list of commands holds this one.
    const { commands } = await import('../main.ts')
    const [name] = parseOptions(args, {}, 1).positionals
    if (name === undefined) {
      output.out(overview(commands))
      return exitCodes.done
    }
    const command = commands.find((candidate) => candidate.name === name)
    if (command === undefined) throw new UsageError(`no such command: ${name}`)
    output.out(command.help)
    return exitCodes.done
  },
}

function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  return `lockstep: pay per request, second, byte or token, in one round trip

usage: lockstep COMMAND [options]

${commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}

Start here:
  lockstep demo                      a paid stream from first payment to chain, on this machine
  lockstep demo --save DIR           the same, keeping everything a verifier needs
  lockstep verify DIR                check it again, offline
  lockstep help demo                 all about one command

Data goes to stdout, prose to stderr; --json prints one JSON object. Exit codes: 0 done, 1 failed, 2 used wrongly.`
}
