/** Times one kind of operation in this process. */

/** Operations on inputs made for them alone: nothing is measured twice on the same bytes. */
export interface Batch {
  /** How many operations `run` performs. */
  readonly count: number
  /** Throws where an operation does not give what it must: a fast failure is no result. */
  run(): void | Promise<void>
}

/** What a variant does, ready to be repeated. */
export interface Work {
  /** Whose arithmetic does it: `native` or `portable` of this project, or `noble` as the peers carry it. */
  readonly backend: string
  /** Makes the inputs of `count` operations. Not measured. */
  prepare(count: number): Batch | Promise<Batch>
  /** Gives back files and the like. */
  dispose?(): void | Promise<void>
}

export interface Plan {
  /** Operations a sample. */
  readonly count: number
  readonly warmUps: number
  readonly samples: number
}

/** Microseconds an operation, one number a sample. */
export interface Samples {
  readonly backend: string
  /** All threads of the process: what it costs. */
  readonly cpuMicros: readonly number[]
  /** What one waits for. */
  readonly wallMicros: readonly number[]
}

/** A batch of one operation an input. */
export function each<Input>(inputs: readonly Input[], operation: (input: Input) => void): Batch {
  return {
    count: inputs.length,
    run() {
      for (const input of inputs) operation(input)
    },
  }
}

/** The same for operations that answer with a promise, one after the other. */
export function eachInTurn<Input>(inputs: readonly Input[], operation: (input: Input) => Promise<void>): Batch {
  return {
    count: inputs.length,
    async run() {
      for (const input of inputs) await operation(input)
    },
  }
}

export async function measure(work: Work, plan: Plan): Promise<Samples> {
  const cpuMicros: number[] = []
  const wallMicros: number[] = []
  try {
    for (let round = 0; round < plan.warmUps + plan.samples; round++) {
      const batch = await work.prepare(plan.count)
      // The garbage of preparing is not the operation's.
      globalThis.gc?.()
      const started = { cpu: process.cpuUsage(), wallMs: performance.now() }
      const running = batch.run()
      if (running !== undefined) await running
      const wallMs = performance.now() - started.wallMs
      const { user, system } = process.cpuUsage(started.cpu)
      if (round < plan.warmUps) continue
      cpuMicros.push((user + system) / batch.count)
      wallMicros.push((wallMs * 1000) / batch.count)
    }
  } finally {
    await work.dispose?.()
  }
  return { backend: work.backend, cpuMicros, wallMicros }
}
