import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { backendName, openChannel, pay } from '../channel.ts'
import { type Figures, times, type Work } from '../measure.ts'
import { type BenchVendor, type Message, openVendor } from '../service.ts'
import { quantile } from '../statistics.ts'

/**
 * What a payment waits for at half load. The first half of a sample finds out how many a second the vendor takes; the other half arrives at
 * half that rate, on time whatever became of the ones before. Beside it, what a sync of one page takes on the same disk at that moment.
 */
export async function atHalfLoad(): Promise<Work<readonly Message[]>> {
  const vendor = await openVendor('sqlite')
  return {
    backend: backendName,
    async prepare(count) {
      const { client } = await vendor.attach(openChannel({ parties: vendor.parties }))
      return times(count, () => pay(client))
    },
    async run(messages) {
      const half = Math.floor(messages.length / 2)
      const startMs = performance.now()
      await vendor.take(messages.slice(0, half))
      const everyMs = (2 * (performance.now() - startMs)) / half
      const waits = await arrive(vendor, messages.slice(half), everyMs)
      const syncs = syncsIn(vendor.opened.folder, messages.length > 100 ? 200 : 5)
      return figuresOf(waits, syncs, everyMs)
    },
    dispose: vendor.close,
  }
}

/** Milliseconds that each waited, from when it was to arrive until it was durable. */
async function arrive(vendor: BenchVendor, messages: readonly Message[], everyMs: number): Promise<readonly number[]> {
  const waits: number[] = []
  const startMs = performance.now()
  const answers: Promise<void>[] = []
  while (answers.length < messages.length) {
    const dueMs = startMs + answers.length * everyMs
    if (dueMs > performance.now()) await turnOfTheLoop()
    else {
      const answer = vendor.accept(messages[answers.length]!)
      answers.push(answer.then(() => void waits.push(performance.now() - dueMs)))
    }
  }
  await Promise.all(answers)
  return waits
}

function syncsIn(folder: string, count: number): readonly number[] {
  const file = openSync(join(folder, 'sync'), 'w')
  const page = new Uint8Array(4096)
  const syncs = times(count, () => {
    const startMs = performance.now()
    writeSync(file, page)
    fsyncSync(file)
    return performance.now() - startMs
  })
  closeSync(file)
  return syncs
}

function figuresOf(waits: readonly number[], syncs: readonly number[], everyMs: number): Figures {
  const [p50, p99, sync] = [quantile(waits, 0.5), quantile(waits, 0.99), quantile(syncs, 0.5)]
  return {
    paymentsASecond: 1000 / everyMs,
    p50Ms: p50,
    p99Ms: p99,
    syncMs: sync,
    syncP99Ms: quantile(syncs, 0.99),
    p50OverSyncMs: p50 - sync,
    p99InSyncs: p99 / sync,
  }
}
