import { exitCodes, type Output } from './command.ts'

/** Standard output and standard error of this process. */
export interface Terminal extends Output {
  /** Whether something written to standard output was lost: then no command has done what it should. */
  readonly hasLost: boolean
}

/**
 * Takes over what goes wrong with the two streams, so that none of it is a stack trace. A reader that has gone away
 * (`lockstep help | head -1`) has seen what it wanted: the command goes on to its own exit code. A disk that is full has not:
 * that is said, and the exit code is 1.
 */
export function openTerminal(): Terminal {
  let hasLost = false
  const say = (text: string): void => void process.stderr.write(`${text}\n`)
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || hasLost) return
    hasLost = true
    say(`lockstep: standard output cannot be written (${error.code ?? error.message}), and what it should hold is lost`)
    // Where the command has given its code before the stream failed.
    process.exitCode ||= exitCodes.failed
  })
  // There is nowhere left to say it.
  process.stderr.on('error', () => undefined)
  return {
    out: (text) => void process.stdout.write(`${text}\n`),
    say,
    get isTerminal(): boolean {
      return process.stderr.isTTY === true
    },
    get hasLost(): boolean {
      return hasLost
    },
  }
}
