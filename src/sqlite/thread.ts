/** The thread that a store has to itself: it waits for the disk, the event loop of its server does not. */

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { Tasks } from '../sql/program.ts'
import type { Schema } from '../sql/schema.ts'
import { type Answer, type Call, opening, sendError, type ThreadData } from './messages.ts'
import { type Outcome, SqliteRunner } from './run.ts'

const { path, module, exclusive } = workerData as ThreadData
const { schema, tasks } = (await import(module)) as { readonly schema: Schema; readonly tasks: Tasks }
const port = parentPort!

let store: SqliteRunner | undefined
answer(
  opening,
  attempt(() => {
    store = new SqliteRunner(path, schema, { exclusive })
  }),
)
if (store === undefined) port.close()

port.on('message', (first: Call) => {
  let group: Call[] = []
  const finish = (): void => {
    perform(group)
    group = []
  }
  for (const call of [first, ...waiting()]) {
    if (!writes(call) || group.length === togetherMax) finish()
    if (writes(call)) group.push(call)
    else perform([call])
  }
  finish()
})

/** Writes that share a sync: those behind them wait no longer than that. */
const togetherMax = 256

/** What was called while this thread was at work. */
function waiting(): readonly Call[] {
  const calls: Call[] = []
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    calls.push(next.message as Call)
  }
  return calls
}

function writes({ task }: Call): boolean {
  const mode = task === undefined ? undefined : tasks[task]?.mode
  return mode === 'write' || mode === 'serializable'
}

function perform(calls: readonly Call[]): void {
  const [first] = calls
  if (first === undefined) return
  if (calls.length === 1) {
    performOne(first)
    return
  }
  const outcomes = store!.runTogether(calls.map(({ task, args }) => ({ task: tasks[task!]!, args })))
  for (const [at, { id }] of calls.entries()) answer(id, outcomes[at]!)
}

function performOne({ id, task, args }: Call): void {
  answer(
    id,
    attempt(() => (task === undefined ? store?.close() : store?.run(tasks[task]!, args))),
  )
  if (task === undefined) port.close()
}

function attempt(work: () => unknown): Outcome {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    return { ok: false, error }
  }
}

function answer(id: number, outcome: Outcome): void {
  const message: Answer = outcome.ok ? { id, ...outcome } : { id, ok: false, error: sendError(outcome.error) }
  port.postMessage(message)
}
