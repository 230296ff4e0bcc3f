import { constants } from 'node:os'

const ending = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Lets a signal end the process as an exit does, so that what hangs on its exit is put away, with the code that a shell
 * expects: 128 and the number of the signal. Gives the way back to how it was.
 */
export function exitOnSignals(before: () => void): () => void {
  const exit = (signal: NodeJS.Signals): void => {
    before()
    process.exit(128 + constants.signals[signal])
  }
  for (const signal of ending) process.on(signal, exit)
  return () => {
    for (const signal of ending) process.off(signal, exit)
  }
}
