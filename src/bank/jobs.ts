import { pause } from '../chain/waiting.ts'
import type { Bank } from './service.ts'

export interface JobsOptions {
  readonly bank: Pick<Bank, 'beat' | 'expire' | 'review' | 'record'>
  /** Ends the jobs. */
  readonly signal: AbortSignal
  /** How often each is done. */
  readonly everyMs?: Partial<Record<JobName, number>>
  /** 0 to 1, uniform: so that the banks of a town do not all work in the same moment. */
  readonly chance?: () => number
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
  /** Told of every failure: what failed is done again after a while, longer each time. */
  readonly onError?: (job: JobName, error: unknown) => void
}

/**
 * `beat` steps the clock, `expire` gives back funds after their deadline, `review` looks for releases withheld, `record` puts
 * what was settled on the chain.
 */
export type JobName = 'beat' | 'expire' | 'review' | 'record'

/** Does what a bank has to do by itself, until the signal. Resolves when what was under way then has ended. */
export async function runJobs(options: JobsOptions): Promise<void> {
  const names: readonly JobName[] = ['beat', 'expire', 'review', 'record']
  await Promise.all(names.map((name) => run(name, options)))
}

/** The clock counts no more than a minute between two beats: it is missed rather often before that matters. */
const everyMsDefault: Readonly<Record<JobName, number>> = {
  beat: 5_000,
  expire: 60_000,
  review: 600_000,
  record: 60_000,
}

async function run(name: JobName, options: JobsOptions): Promise<void> {
  const { bank, signal, everyMs = {}, chance = Math.random, sleep = pause } = options
  const { onError = (job, error): void => process.emitWarning(`the job ${job} failed: ${String(error)}`) } = options
  const interval = everyMs[name] ?? everyMsDefault[name]
  // The clock starts at once; everything else at some time, so that a restart of many does not do it all at once.
  if (name !== 'beat') await sleep(interval * chance(), signal)
  for (let failures = 0; !signal.aborted; ) {
    try {
      await bank[name]()
      failures = 0
    } catch (error) {
      failures += 1
      onError(name, error)
    }
    await sleep(delayOf({ interval, failures }, chance()), signal)
  }
}

/** The interval by up to a fifth more or less; after failures from a second on, doubled each time up to the interval. */
export function delayOf(
  { interval, failures }: { readonly interval: number; readonly failures: number },
  chance: number,
): number {
  const base = failures === 0 ? interval : Math.min(interval, 1000 * 2 ** Math.min(failures - 1, 20))
  return base * (0.8 + 0.4 * chance)
}
