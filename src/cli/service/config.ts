import { ConfigError, type LoadedConfig, readConfig } from '../../ops/config/index.ts'
import { CommandError, exitCodes, UsageError } from '../command.ts'

/** The option of every command that reads a config. */
export const configOption = { config: { type: 'string' } } as const

/** What help says of it. */
export const configHelp = '  --config FILE   the config file: docs/reference/config.md. Left out: $LOCKSTEP_CONFIG'

/** The config that the option or the environment names. What is wrong with it is said line by line, with exit 2. */
export function loadConfig(option: string | undefined): LoadedConfig {
  const path = option ?? process.env.LOCKSTEP_CONFIG
  if (path === undefined) throw new UsageError('name the config file: --config FILE')
  return sayingWhatIsWrong(() => readConfig(path))
}

/** Runs what may throw a {@link ConfigError}. */
export function sayingWhatIsWrong<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw explained(error)
  }
}

/** A {@link ConfigError} as what the command line prints, any other error as it is. */
export function explained(error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error
  return new CommandError(error.problems.join('\nlockstep: '), { cause: error, exitCode: exitCodes.usage })
}
