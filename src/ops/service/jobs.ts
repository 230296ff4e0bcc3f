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

export function countDone({ counters, nowMs }: Pick<JobDeps, 'counters' | 'nowMs'>, job: string): void {
  bump(counters.done, job)
  counters.lastDone.set(job, Math.floor(nowMs() / 1000))
}

export function countFailed(
  { counters, logger }: Pick<JobDeps, 'counters' | 'logger'>,
  job: string,
  error: unknown,
): void {
  bump(counters.failed, job)
  logger.error('job failed', { job, ...errorDetails(error) })
}

/** Starts jobs, each for the first time at some moment of the first minute. */
export function startJobs(deps: JobDeps, jobs: readonly Job[]): Jobs {
  const running = jobs.map((job) => startJob(deps, job))
  return {
    async stop() {
      await Promise.all(running.map((stop) => stop()))
    },
  }
}

/** Seconds until the next time: the interval by up to a fifth more or less; after failures from a second on, doubled each time. */
export function delayOf(
  interval: { readonly everySeconds: number; readonly failures: number },
  chance: number,
): number {
  const { everySeconds, failures } = interval
  const longest = Math.max(everySeconds, retryMaxSeconds)
  const seconds = failures === 0 ? everySeconds : Math.min(longest, 2 ** Math.min(failures - 1, 20))
  return seconds * (0.8 + 0.4 * chance)
}

/** Within the first minute whatever fails is seen, and a restart of many starts nothing at once. */
const firstMaxSeconds = 60
const retryMaxSeconds = 60

function startJob(deps: JobDeps, { name, everySeconds, run }: Job): () => Promise<void> {
  const { chance } = deps
  let timer: NodeJS.Timeout
  let current: Promise<void> = Promise.resolve()
  let isStopped = false
  let failures = 0

  const attempt = async (): Promise<void> => {
    try {
      await run()
      failures = 0
      countDone(deps, name)
    } catch (error) {
      failures += 1
      countFailed(deps, name, error)
    }
    if (!isStopped) schedule(delayOf({ everySeconds, failures }, chance()))
  }
  const schedule = (seconds: number): void => {
    timer = setTimeout(() => {
      current = attempt()
    }, seconds * 1000)
  }
  schedule(Math.min(everySeconds, firstMaxSeconds) * chance())
  return async () => {
    isStopped = true
    clearTimeout(timer)
    await current
  }
}
