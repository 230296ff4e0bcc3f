/** Times one kind of operation in this process. */

/** What a run found out beside its time, by name; the unit is in the name, as in `bytesWritten`. */
export type Figures = Readonly<Record<string, number>>

/** What a variant does, ready to be repeated on inputs that are new each time. */
export interface Work<Input> {
  /** Whose arithmetic does it: `native` or `portable` of this project, or `noble` as the peers carry it. */
  readonly backend: string
  /** Makes the inputs of `count` operations. Not measured. */
  prepare(count: number): Input | Promise<Input>
  /**
   * Performs them. Throws where one does not give what it must: a fast failure is no result. The same function object each
   * time, as in a server: what is compiled for a closure is thrown away with it.
   */
  run(input: Input): void | Promise<Figures | undefined> | Promise<void>
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
  /** All threads of the process, the garbage collector's too: what it costs. */
  readonly cpuMicros: readonly number[]
  /** What one waits for. */
  readonly wallMicros: readonly number[]
  /** One number a sample as well. */
  readonly figures: Readonly<Record<string, readonly number[]>>
}

export async function measure<Input>(work: Work<Input>, plan: Plan): Promise<Samples> {
  const cpuMicros: number[] = []
  const wallMicros: number[] = []
  const figures: Record<string, number[]> = {}
  try {
    // All inputs first, and kept to the end: none of the garbage in a sample is theirs.
    const inputs: Input[] = []
    for (let round = 0; round < plan.warmUps + plan.samples; round++) inputs.push(await work.prepare(plan.count))
    globalThis.gc?.()
    for (const [round, input] of inputs.entries()) {
      const started = { cpu: process.cpuUsage(), wallMs: performance.now() }
      const running = work.run(input)
      const found = running === undefined ? undefined : await running
      const wallMs = performance.now() - started.wallMs
      const { user, system } = process.cpuUsage(started.cpu)
      if (round < plan.warmUps) continue
      cpuMicros.push((user + system) / plan.count)
      wallMicros.push((wallMs * 1000) / plan.count)
      for (const [name, value] of Object.entries(found ?? {})) {
        figures[name] ??= []
        figures[name].push(value)
      }
    }
  } finally {
    await work.dispose?.()
  }
  return { backend: work.backend, cpuMicros, wallMicros, figures }
}

/** A run of one operation an input. */
export function each<Item>(operate: (item: Item) => void): (items: readonly Item[]) => void {
  return (items) => {
    for (const item of items) operate(item)
  }
}

/** The same for operations that answer with a promise, one after the other. */
export function eachInTurn<Item>(operate: (item: Item) => Promise<void>): (items: readonly Item[]) => Promise<void> {
  return async (items) => {
    for (const item of items) await operate(item)
  }
}

/** So many new items. */
export function times<Item>(count: number, create: (at: number) => Item): readonly Item[] {
  return Array.from({ length: count }, (_, at) => create(at))
}
