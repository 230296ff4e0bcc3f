import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { kinds, missingIn } from './coverage.ts'
import { encodeHistory, parseHistory, shrink } from './shrink.ts'
import { replay, simulate } from './simulate.ts'
import type { World } from './world.ts'

const runner = new URL('run.ts', import.meta.url).pathname

/** What the command prints with `--json`. */
async function run(args: string): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [runner, '--json', ...args.split(' ')])
  return JSON.parse(stdout) as Record<string, unknown>
}

/** A guarantee that no world keeps for long, to see a failure with. */
function sellsLittle({ truth }: World): string | undefined {
  const most = Math.max(0, ...[...truth.channels.values()].map(({ cores }) => cores.size))
  return most > 2 ? 'a client made three payments' : undefined
}

describe('a simulation', () => {
  test('sees every guarantee held, in a sample of worlds', async () => {
    const { seeds, violations, payments } = await run('--seeds 16 --steps 200 --seed 1')
    expect({ seeds, violations }).toEqual({ seeds: 16, violations: 0 })
    expect(payments).toBeGreaterThan(300)
  })

  test('lives the same life in two processes, and another one from another seed', async () => {
    const [one, again] = await Promise.all([run('--steps 150 --seed 5'), run('--steps 150 --seed 5')])
    expect(again).toEqual(one)
    const here = [await simulate(5, 150), await simulate(6, 150)] as const
    expect(here[0].counts.get('payments') ?? 0).toBe(one.payments)
    expect(here[0].traceHash).not.toBe(here[1].traceHash)
  })

  test('names what a run did not try', () => {
    expect(missingIn(new Map())).toEqual(kinds)
    expect(missingIn(new Map(kinds.slice(1).map((kind) => [kind, 1])))).toEqual(kinds.slice(0, 1))
  })
})

describe('a failure', () => {
  test('is shrunk to what it takes, and what is printed of it replays', async () => {
    const failed = await simulate(11, 100, { check: sellsLittle })
    expect(failed.violation).toMatchObject({ guarantee: 'bug', detail: 'a client made three payments' })

    const shrunk = await shrink(failed, { check: sellsLittle, secondsMax: 120 })
    const printed = encodeHistory(shrunk.history)
    expect(shrunk.history.actions.length).toBeLessThanOrEqual(6)
    expect(shrunk.history.actions.length).toBeLessThan(failed.history.actions.length)

    const replayed = await replay(parseHistory(printed), { check: sellsLittle })
    expect(replayed.violation).toEqual(shrunk.violation)
    expect(replayed.traceHash).toBe(shrunk.traceHash)
    // The same history keeps every guarantee that there is.
    expect((await replay(parseHistory(printed))).violation).toBeUndefined()
  })

  test('keeps its meaning whatever is left out of its history', async () => {
    const { history } = await simulate(12, 120)
    const everyOther = history.actions.filter((_, at) => at % 2 === 0)
    expect((await replay({ ...history, actions: everyOther })).violation).toBeUndefined()
  })
})
