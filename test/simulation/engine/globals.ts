import { native } from './native.ts'
import type { Scheduler } from './scheduler.ts'

/** What programs under simulation find in place of the runtime's own. */
export interface Surroundings {
  readonly scheduler: Scheduler
  /** Virtual time, ms. */
  readonly now: () => number
  readonly fetch: typeof globalThis.fetch
  readonly WebSocket: typeof globalThis.WebSocket
}

/**
 * Puts timers, turns of the event loop, `fetch` and `WebSocket` under the scheduler, so that nothing real decides when code
 * of `src/` goes on: `GroupCommit` waits for a turn that a history orders. Gives what puts the runtime's own back.
 */
export function enterWorld({ scheduler, now, fetch, WebSocket }: Surroundings): () => void {
  const timeoutOf = AbortSignal.timeout
  const timers = new Map<number, ReturnType<Scheduler['ask']>>()
  let handles = 0

  const later = (kind: 'turn' | 'timer', ms: number, work: () => void): number => {
    const handle = ++handles
    const process = scheduler.current
    const lane = kind === 'turn' && process ? `${process.party}.${process.run} turns` : undefined
    const happen = (): void => {
      timers.delete(handle)
      work()
    }
    timers.set(
      handle,
      scheduler.ask({
        kind,
        due: now() + ms,
        happen,
        ...(process && { process }),
        ...(lane !== undefined && { lane }),
      }),
    )
    return handle
  }
  const cancel = (handle: unknown): void => {
    const effect = timers.get(handle as number)
    if (effect !== undefined) scheduler.drop(effect)
  }
  const refuse = (): never => {
    throw new Error('an interval never ends: a simulated program waits for what happens')
  }
  Object.assign(globalThis, {
    setImmediate: (work: () => void) => later('turn', 0, work),
    setTimeout: (work: () => void, ms = 0) => later('timer', ms, work),
    clearTimeout: cancel,
    setInterval: refuse,
    clearInterval: cancel,
    fetch,
    WebSocket,
  })
  // A request of a simulation ends by its network, never by a clock.
  AbortSignal.timeout = () => new AbortController().signal
  return () => {
    Object.assign(globalThis, native)
    AbortSignal.timeout = timeoutOf
  }
}
