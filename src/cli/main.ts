import { type Command, CommandError, exitCodes, printable, UsageError } from './command.ts'
import { createCompletion } from './commands/completion.ts'
import { createHelp } from './commands/help.ts'
import { openTerminal } from './terminal.ts'
import { programVersion } from './version.ts'

/** Every command, in the order of the list that help prints; loaded when it is asked for. */
const topics: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./commands/demo.ts')).demo,
  dev: async () => (await import('./commands/dev.ts')).dev,
  paper: async () => (await import('./commands/paper.ts')).paper,
  verify: async () => (await import('./commands/verify.ts')).verify,
  keys: async () => (await import('./commands/keys.ts')).keys,
  pay: async () => (await import('./commands/pay.ts')).pay,
  wallet: async () => (await import('./commands/wallet.ts')).wallet,
  bank: async () => (await import('./commands/bank.ts')).bank,
  vendor: async () => (await import('./commands/vendor.ts')).vendor,
  channels: async () => (await import('./commands/channels.ts')).channels,
  ledger: async () => (await import('./commands/ledger.ts')).ledger,
  migrate: async () => (await import('./commands/migrate.ts')).migrate,
  backup: async () => (await import('./commands/backup.ts')).backup,
  restore: async () => (await import('./commands/restore.ts')).restore,
  proxy: async () => (await import('./commands/proxy.ts')).proxy,
  mcp: async () => (await import('./commands/mcp.ts')).mcp,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
}

const completion = createCompletion(all)
const help = createHelp(async () => [...(await all()), completion])

const terminal = openTerminal()

/** Runs the command that `args` name and gives the exit code. An error is one line; a bug keeps its stack. */
export async function main(args: readonly string[]): Promise<number> {
  const [first = 'help', ...rest] = args
  try {
    const code = await run(first, rest)
    return code === exitCodes.done && terminal.hasLost ? exitCodes.failed : code
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.say(
        `lockstep: ${printable(error.message)}. See "lockstep help${Object.hasOwn(topics, first) ? ` ${first}` : ''}".`,
      )
      return exitCodes.usage
    }
    const missing = missingPackage(error)
    if (missing !== undefined) {
      terminal.say(
        `lockstep: the package ${missing} is not installed: run "npm ci" in a clone, or "npm install ${missing}"`,
      )
      return exitCodes.failed
    }
    if (error instanceof CommandError || isExpected(error)) {
      terminal.say(`lockstep: ${error.message}`)
      if (wrongUse.has(error.name)) return exitCodes.usage
      return error instanceof CommandError ? error.exitCode : exitCodes.failed
    }
    throw error
  }
}

async function run(name: string, args: readonly string[]): Promise<number> {
  if (['--version', '-V'].includes(name)) {
    terminal.out(programVersion())
    return exitCodes.done
  }
  if (['help', '--help', '-h'].includes(name)) return help.run(args, terminal)
  if (name === 'completion' && !args.includes('--help')) return completion.run(args, terminal)
  if (name === 'completion') return help.run([name], terminal)
  if (!Object.hasOwn(topics, name)) throw new UsageError(`no such command: ${name}`)
  if (args.includes('--help') || args.includes('-h')) return help.run([name], terminal)
  const command = await topics[name]!()
  return command.run(args, terminal)
}

function all(): Promise<readonly Command[]> {
  return Promise.all(Object.values(topics).map((load) => load()))
}

/** Errors of the outer layers that say in one line what to do. By name: their modules need not be loaded for it. */
const expected: ReadonlySet<string> = new Set([
  'AdminRefused',
  'AdminSocketError',
  'BackendError',
  'ChainError',
  'CollectError',
  'ListenError',
  'PaywallError',
  'PriceError',
  'ProxyError',
  'RefusedError',
  'StoreError',
  'UnansweredError',
])

/** Of these, what says that an option, a file or a variable was wrong. */
const wrongUse: ReadonlySet<string> = new Set(['BackendError', 'PriceError', 'ProxyError'])

function isExpected(error: unknown): error is Error {
  return error instanceof Error && expected.has(error.name)
}

/** A package that could not be found, an optional one or, in a clone, any before `npm ci`. */
function missingPackage(error: unknown): string | undefined {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') return undefined
  return /^Cannot find package '([^']+)'/.exec(error.message)?.[1]
}
