/** Where a service says what it does: one event a line, with a few named details. */
export interface Logger {
  debug(event: string, details?: Details): void
  info(event: string, details?: Details): void
  warn(event: string, details?: Details): void
  error(event: string, details?: Details): void
  /** Resolves when all is written. Called before the process ends. */
  flush(): Promise<void>
}

export type Details = { readonly [name: string]: unknown }

const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

/** A logger of JSON lines: `{"level":"info","time":"2026-01-01T00:00:00.000Z","event":"opened",…}`. */
export function jsonLogger(options: {
  readonly level: LogLevel
  readonly now: () => Date
  /** Given a line with its end. */
  readonly write: (line: string) => void
}): Logger {
  const { level: least, now, write } = options
  const at =
    (level: LogLevel) =>
    (event: string, details: Details = {}): void => {
      if (logLevels.indexOf(level) < logLevels.indexOf(least)) return
      write(`${JSON.stringify({ level, time: now().toISOString(), event, ...printable(details) })}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), flush: async () => undefined }
}

/** For a program that is not to say anything. */
export const silentLogger: Logger = jsonLogger({ level: 'error', now: () => new Date(0), write: () => undefined })

/**
 * Details as JSON has them. What could be a secret or tell who pays is left out by its name, and bytes by their form: nobody
 * who logs has to remember.
 */
export function printable(details: Details): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(details).flatMap(([name, value]) => {
      if (value === undefined) return []
      return [[name, unmentioned.test(name) ? '[left out]' : printableValue(value)]]
    }),
  )
}

/** An error with what caused it. Its stack is for those that nobody expects. */
export function errorDetails(error: unknown, { withStack = false }: { readonly withStack?: boolean } = {}): Details {
  if (!(error instanceof Error)) return { error: String(error) }
  const fault =
    'fault' in error ? error.fault : 'reason' in error ? error.reason : 'code' in error ? error.code : undefined
  const causes: string[] = []
  for (let cause = error.cause; cause instanceof Error && causes.length < causesMax; cause = cause.cause) {
    causes.push(`${cause.name}: ${cause.message}`)
  }
  return {
    error: error.message,
    kind: error.name,
    fault,
    causes: causes.length > 0 ? causes : undefined,
    stack: withStack ? error.stack : undefined,
  }
}

const causesMax = 5

/** Names of details that hold, or may hold, a secret or a payer. */
const unmentioned = /secret|seed|private|password|payer|account|client|keyPair|authorization|cookie/i

function printableValue(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return `[${value.length} bytes]`
  if (value instanceof Error) return printable(errorDetails(value))
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.slice(0, listedMax).map(printableValue)
  return printable(value as Details)
}

const listedMax = 100
