import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Runner } from '../sql/program.ts'
import { StoreError } from '../sql/storeError.ts'
import { type Answer, type Call, compact, opening, receiveError, type ThreadData } from './messages.ts'
import type { OpenOptions } from './open.ts'

export interface WorkerOptions extends OpenOptions {
  readonly path: string
  /** URL of the TypeScript module that exports the role's `schema` and `tasks`. */
  readonly tasks: URL
}

/**
 * Runs a role's tasks in a thread of its own, one after the other in the order of the calls: a read sees every commit that
 * was called for before it. Resolves once the store is open. A thread that dies is started anew by the next call.
 */
export async function runInWorker(options: WorkerOptions): Promise<Runner> {
  const store = new WorkerRunner(options)
  await store.open()
  return store
}

class WorkerRunner implements Runner {
  readonly #options: WorkerOptions
  #thread: Thread | undefined
  #closed: Promise<void> | undefined

  constructor(options: WorkerOptions) {
    this.#options = options
  }

  async open(): Promise<Thread> {
    const thread = new Thread(this.#options, () => {
      // A store in memory went with its thread.
      if (this.#thread === thread && this.#options.path !== ':memory:') this.#thread = undefined
    })
    this.#thread = thread
    await thread.opened
    return thread
  }

  async run(task: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#closed !== undefined) throw new StoreError(`${this.#options.path} was closed`, { fault: 'closed' })
    const thread = this.#thread ?? (await this.open())
    return thread.call(task, args)
  }

  close(): Promise<void> {
    this.#closed ??= this.#thread?.end() ?? Promise.resolve()
    return this.#closed
  }
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: unknown): void
}

class Thread {
  readonly #worker: Worker
  readonly #path: string
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended: Promise<void>
  readonly opened: Promise<unknown>
  #calls: number = opening
  /** Why it ended, or was never there. */
  #failure: unknown
  #hasEnded = false

  constructor({ path, tasks, exclusive = false }: WorkerOptions, onEnd: () => void) {
    this.#path = path
    const workerData: ThreadData = { path, module: built(tasks), exclusive }
    this.#worker = new Worker(new URL(built(new URL('./thread.ts', import.meta.url))), { workerData })
    this.opened = this.#expect(opening)
    this.#worker.on('message', (answer: Answer) => this.#settle(answer))
    this.#worker.on('error', (error) => {
      this.#failure = error
    })
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        onEnd()
        this.#abandon()
        resolve()
      })
    })
  }

  async call(task: string | undefined, args: readonly unknown[]): Promise<unknown> {
    if (this.#hasEnded) throw new StoreError(`${this.#path}: the thread of the store ended`, { fault: 'closed' })
    this.#calls += 1
    const call: Call = { id: this.#calls, task, args: compact(args) }
    // Arguments that cannot cross throw here: then nothing was called, and nobody waits.
    this.#worker.postMessage(call)
    return await this.#expect(call.id)
  }

  /** What was called before is answered first. */
  async end(): Promise<void> {
    if (!this.#hasEnded) {
      await this.call(undefined, [])
      // Who closes a store waits for the end of its thread.
      this.#worker.ref()
    }
    await this.#ended
  }

  #expect(id: number): Promise<unknown> {
    // A process whose work is done ends, whether or not it closed its store.
    if (this.#waiting.size === 0) this.#worker.ref()
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if (answer.ok) waiting?.resolve(answer.value)
    else this.#refuse(waiting, answer)
  }

  #refuse(waiting: Waiting | undefined, { id, error }: Answer & { readonly ok: false }): void {
    const received = receiveError(error)
    if (id === opening) this.#failure = received
    waiting?.reject(received)
  }

  #abandon(): void {
    this.#hasEnded = true
    const error =
      this.#failure instanceof StoreError
        ? this.#failure
        : new StoreError(`${this.#path}: the thread of the store ended. What became of a write is unknown.`, {
            cause: this.#failure,
            fault: 'outcomeUnknown',
          })
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

/** The module as it runs here: the build has made JavaScript of it. */
function built(module: URL): string {
  return module.href.replace(/\.ts$/, extname(import.meta.url))
}
