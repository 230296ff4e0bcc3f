import { type ParseArgsConfig, parseArgs } from 'node:util'

/** One command of the CLI: one file under `commands/`. */
export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What `lockstep help NAME` prints: usage, options, examples. */
  readonly help: string
  /** Gives the exit code. Data goes to stdout, prose to stderr. */
  run(args: readonly string[], output: Output): Promise<number>
}

/** Where a command writes. */
export interface Output {
  /** Data: what a program would read. */
  out(text: string): void
  /** Prose: what a person would read. */
  say(text: string): void
  /** Whether a person is watching, so that progress may be drawn. */
  readonly isTerminal: boolean
}

/** Exit codes: 0 done, 1 not done or not valid, 2 used wrongly. */
export const exitCodes = { done: 0, failed: 1, usage: 2 } as const

/** The command was used wrongly: one line and exit 2. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError'
}

/** The command could not be done here: one line that says what to do, and exit 1 (2 where `exitCode` says so). */
export class CommandError extends Error {
  override readonly name: string = 'CommandError'
  readonly exitCode: number

  constructor(message: string, options: { readonly cause?: unknown; readonly exitCode?: number } = {}) {
    super(message, { cause: options.cause })
    this.exitCode = options.exitCode ?? exitCodes.failed
  }
}

/** Parses options strictly. An unknown one, or a missing value, is a {@link UsageError}. */
export function parseOptions<T extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: T,
  positionals = 0,
): ReturnType<typeof parseArgs<{ args: string[]; options: T; strict: true; allowPositionals: true }>> {
  try {
    const parsed = parseArgs({ args: joinNegatives(args, options), options, strict: true, allowPositionals: true })
    const [extra] = parsed.positionals.slice(positionals)
    if (extra !== undefined) throw new UsageError(`unexpected argument: ${extra}`)
    return parsed
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(error instanceof Error ? error.message.split('. ')[0]! : String(error))
  }
}

/** `--n -5` means `--n=-5`: what it takes says why that is wrong, where the parser would call it ambiguous. */
function joinNegatives(args: readonly string[], options: NonNullable<ParseArgsConfig['options']>): string[] {
  return args.reduce<string[]>((joined, arg) => {
    const before = joined.at(-1)
    const takesValue = before?.startsWith('--') === true && options[before.slice(2)]?.type === 'string'
    if (takesValue && /^-\d/.test(arg)) joined[joined.length - 1] = `${before}=${arg}`
    else joined.push(arg)
    return joined
  }, [])
}

/** Words of somebody else as part of one line: what would move a terminal's cursor, or turn its text round, is spelt out. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (one) => `\\u{${one.codePointAt(0)!.toString(16)}}`)
}

/** A whole number given as an option. */
export function wholeOption(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (!/^[0-9]+$/.test(text) || value < min || value > max) {
    throw new UsageError(`--${name} takes a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`)
  }
  return value
}

/** One of a closed set of words given as an option. */
export function choiceOption<const W extends string>(name: string, text: string, words: readonly W[]): W {
  const word = words.find((candidate) => candidate === text)
  if (word === undefined) throw new UsageError(`--${name} is one of ${words.join(', ')}, not ${JSON.stringify(text)}`)
  return word
}
