import { type Details, jsonLogger, type Logger, type LogLevel, printable } from './logger.ts'

/**
 * A logger on stderr: `pino` where it is installed, which writes without holding up the loop; otherwise plain lines. Both say
 * the same. A log that cannot be written, on a full disk, loses lines and stops nothing.
 */
export async function openLogger(level: LogLevel): Promise<Logger> {
  const pino = await loadPino()
  const plain = jsonLogger({ level, now: () => new Date(), write: (line) => void process.stderr.write(line) })
  // There is nowhere left to say it.
  if (process.stderr.listenerCount('error') === 0) process.stderr.on('error', () => undefined)
  if (pino === undefined) return plain
  const destination = pino.destination({ dest: 2, sync: false })
  let isBroken = false
  destination.on('error', () => {
    isBroken = true
    // It would try the same line again, and for ever when the process ends. Plain lines are each tried once.
    destination.destroy()
  })
  const logger = pino.pino(
    {
      level,
      base: null,
      messageKey: 'event',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
  const at =
    (name: LogLevel) =>
    (event: string, details: Details = {}): void => {
      if (isBroken) plain[name](event, details)
      else if (logger.isLevelEnabled(name)) logger[name](printable(details), event)
    }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    // In order: a synchronous flush would overtake a line that is on its way.
    flush: () => new Promise((resolve) => (isBroken ? resolve() : destination.flush(() => resolve()))),
  }
}

/** An optional peer: `undefined` where it is not installed. */
async function loadPino(): Promise<Pick<typeof import('pino'), 'pino' | 'destination'> | undefined> {
  try {
    const { pino } = await import('pino')
    return { pino, destination: pino.destination }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}
