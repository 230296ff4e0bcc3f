import { type Command, CommandError, exitCodes, type Output, UsageError } from './command.ts'
import { createHelp } from './commands/help.ts'

/** Every command, in the order of the list that help prints; loaded when it is asked for. */
const topics: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./commands/demo.ts')).demo,
  paper: async () => (await import('./commands/paper.ts')).paper,
  verify: async () => (await import('./commands/verify.ts')).verify,
  keys: async () => (await import('./commands/keys.ts')).keys,
  bank: async () => (await import('./commands/bank.ts')).bank,
  vendor: async () => (await import('./commands/vendor.ts')).vendor,
  channels: async () => (await import('./commands/channels.ts')).channels,
  ledger: async () => (await import('./commands/ledger.ts')).ledger,
  migrate: async () => (await import('./commands/migrate.ts')).migrate,
  backup: async () => (await import('./commands/backup.ts')).backup,
  restore: async () => (await import('./commands/restore.ts')).restore,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
}

const help = createHelp(() => Promise.all(Object.values(topics).map((load) => load())))

/** Runs the command that `args` name and gives the exit code. An error is one line; a bug keeps its stack. */
export async function main(args: readonly string[]): Promise<number> {
  const [first = 'help', ...rest] = args
  const output = terminalOutput()
  const name = ['--help', '-h'].includes(first) ? 'help' : first
  try {
    if (name === 'help') return await help.run(rest, output)
    if (!Object.hasOwn(topics, name)) throw new UsageError(`no such command: ${first}`)
    if (rest.includes('--help') || rest.includes('-h')) return await help.run([name], output)
    const command = await topics[name]!()
    return await command.run(rest, output)
  } catch (error) {
    if (error instanceof UsageError) {
      output.say(`lockstep: ${error.message}. See "lockstep help${Object.hasOwn(topics, name) ? ` ${name}` : ''}".`)
      return exitCodes.usage
    }
    if (error instanceof CommandError || isExpected(error)) {
      output.say(`lockstep: ${error.message}`)
      return error instanceof CommandError ? error.exitCode : exitCodes.failed
    }
    throw error
  }
}

/** Errors of the outer layers that say in one line what to do. By name: their modules need not be loaded for it. */
const expected: ReadonlySet<string> = new Set([
  'AdminRefused',
  'AdminSocketError',
  'ChainError',
  'CollectError',
  'ListenError',
  'OpsListenError',
  'PortBusyError',
  'RefusedError',
  'StoreError',
  'UnansweredError',
])

function isExpected(error: unknown): error is Error {
  return error instanceof Error && expected.has(error.name)
}

function terminalOutput(): Output {
  return {
    out: (text) => void process.stdout.write(`${text}\n`),
    say: (text) => void process.stderr.write(`${text}\n`),
    isTerminal: process.stderr.isTTY === true,
  }
}
