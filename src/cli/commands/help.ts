import { type Command, exitCodes, parseOptions, UsageError } from '../command.ts'

/** The command that explains all commands, itself among them. */
export function createHelp(others: () => Promise<readonly Command[]>): Command {
  const help: Command = {
    name: 'help',
    summary: 'what each command does, with examples',
    help: `usage: lockstep help [COMMAND]

Prints the list of commands, or all about one of them.`,
    async run(args, output) {
      const commands = [...(await others()), help]
      const [name] = parseOptions(args, {}, 1).positionals
      const command = commands.find((candidate) => candidate.name === name)
      if (name !== undefined && command === undefined) throw new UsageError(`no such command: ${name}`)
      output.out(command?.help ?? overview(commands))
      return exitCodes.done
    },
  }
  return help
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
  lockstep dev                       a bank, a shop and test money: pay, sell and try things out
  lockstep help demo                 all about one command

Data goes to stdout, prose to stderr; --json prints one JSON object. Exit codes: 0 done, 1 failed, 2 used wrongly.`
}
