import { type Command, CommandError, exitCodes, type Output, UsageError } from './command.ts'
import { demo } from './commands/demo.ts'
import { createHelp } from './commands/help.ts'
import { keys } from './commands/keys.ts'
import { paper } from './commands/paper.ts'
import { verify } from './commands/verify.ts'

const topics: readonly Command[] = [demo, paper, verify, keys]
const help = createHelp(topics)
const commands: readonly Command[] = [...topics, help]

/** Runs the command that `args` name and gives the exit code. An error is one line; a bug keeps its stack. */
export async function main(args: readonly string[]): Promise<number> {
  const [first = 'help', ...rest] = args
  const output = terminalOutput()
  const name = ['--help', '-h'].includes(first) ? 'help' : first
  const command = commands.find((candidate) => candidate.name === name)
  try {
    if (command === undefined) throw new UsageError(`no such command: ${first}`)
    if (rest.includes('--help') || rest.includes('-h')) return await help.run([command.name], output)
    return await command.run(rest, output)
  } catch (error) {
    if (error instanceof UsageError) {
      const about = command === undefined ? 'lockstep help' : `lockstep help ${command.name}`
      output.say(`lockstep: ${error.message}. See "${about}".`)
      return exitCodes.usage
    }
    if (error instanceof CommandError) {
      output.say(`lockstep: ${error.message}`)
      return error.exitCode
    }
    throw error
  }
}

function terminalOutput(): Output {
  return {
    out: (text) => void process.stdout.write(`${text}\n`),
    say: (text) => void process.stderr.write(`${text}\n`),
    isTerminal: process.stderr.isTTY === true,
  }
}
