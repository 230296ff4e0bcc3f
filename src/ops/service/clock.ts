import { type UnixSeconds, unixSeconds } from '../../wire/amount.ts'

/** The system's clock. */
export function systemTime(): UnixSeconds {
  return unixSeconds(BigInt(Math.floor(Date.now() / 1000)))
}

/** Waits, or returns early where the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
