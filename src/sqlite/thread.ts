/** The thread that a store has to itself: it waits for the disk, the event loop of its server does not. */

import { parentPort, workerData } from 'node:worker_threads'
import type { Tasks } from '../sql/program.ts'
import type { Schema } from '../sql/schema.ts'
import { type Answer, type Call, opening, sendError, type ThreadData } from './messages.ts'
import { SqliteRunner } from './run.ts'

const { path, module, exclusive } = workerData as ThreadData
const { schema, tasks } = (await import(module)) as { readonly schema: Schema; readonly tasks: Tasks }
const port = parentPort!

let store: SqliteRunner | undefined
answer(opening, () => {
  store = new SqliteRunner(path, schema, { exclusive })
})
if (store === undefined) port.close()

port.on('message', ({ id, task, args }: Call) => {
  answer(id, () => (task === undefined ? store?.close() : store?.run(tasks[task]!, args)))
  if (task === undefined) port.close()
})

function answer(id: number, work: () => unknown): void {
  let message: Answer
  try {
    message = { id, ok: true, value: work() }
  } catch (error) {
    message = { id, ok: false, error: sendError(error) }
  }
  port.postMessage(message)
}
