import type { Logger } from '../log/logger.ts'
import { errorDetails } from '../log/logger.ts'
import { bump, type Tally } from '../metrics/tally.ts'

/** Something a service does again and again by itself. */
export interface Job {
  readonly name: string
  readonly everySeconds: number
  /** Rejects where it could not be done: then it is tried again sooner. */
  run(): Promise<void>
}

export interface Jobs {
  /** Starts none any more, and resolves when those that run have ended. */
  stop(): Promise<void>
}

export interface JobCounters {
  /** By `job` and whether it was done. */
  readonly done: Tally
  readonly failed: Tally
  /** Unix seconds of the last time it was done, by job. */
  readonly lastDone: Map<string, number>
}

export function createJobCounters(): JobCounters {
  return { done: new Map(), failed: new Map(), lastDone: new Map() }
}

export interface JobDeps {
  readonly logger: Logger
  readonly counters: JobCounters
  readonly nowMs: () => number
  /** Uniform, from 0 up to 1. */
  readonly chance: () => number
}

/** Starts jobs, each for the first time after a part of its interval, so that a restart of many starts nothing at once. */
export function startJobs(deps: JobDeps, jobs: readonly Job[], jitter: number): Jobs {
  const running = jobs.map((job) => startJob(deps, job, jitter))
  return {
    async stop() {
      await Promise.all(running.map((stop) => stop()))
    },
  }
}

/** Seconds until the next time: the interval with jitter, or less after failures, doubling from one second. */
export function delayOf(
  interval: { readonly everySeconds: number; readonly jitter: number; readonly failures: number },
  chance: number,
): number {
  const { everySeconds, jitter, failures } = interval
  const longest = Math.max(everySeconds, retryMaxSeconds)
  const seconds = failures === 0 ? everySeconds : Math.min(longest, 2 ** Math.min(failures - 1, 20))
  return seconds * (1 + jitter * (2 * chance - 1))
}

const retryMaxSeconds = 60

function startJob(deps: JobDeps, { name, everySeconds, run }: Job, jitter: number): () => Promise<void> {
  const { logger, counters, nowMs, chance } = deps
  let timer: NodeJS.Timeout
  let current: Promise<void> = Promise.resolve()
  let isStopped = false
  let failures = 0

  const attempt = async (): Promise<void> => {
    try {
      await run()
      failures = 0
      bump(counters.done, name)
      counters.lastDone.set(name, Math.floor(nowMs() / 1000))
    } catch (error) {
      failures += 1
      bump(counters.failed, name)
      logger.error('job failed', { job: name, failures, ...errorDetails(error) })
    }
    if (!isStopped) schedule(delayOf({ everySeconds, jitter, failures }, chance()))
  }
  const schedule = (seconds: number): void => {
    timer = setTimeout(() => {
      current = attempt()
    }, seconds * 1000)
  }
  schedule(everySeconds * chance())
  return async () => {
    isStopped = true
    clearTimeout(timer)
    await current
  }
}
