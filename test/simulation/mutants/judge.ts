import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Probe {
  /** A copy of the project. */
  readonly folder: string
  readonly first: number
  /** At most so many. */
  readonly seeds: number
  readonly steps: number
}

/** What the simulator found in one copy of the project. */
export interface Found {
  /** Lived through, the last one included. */
  readonly seeds: number
  /** Of the last one. None: every guarantee held in all of them. */
  readonly violation: { readonly guarantee: string; readonly detail: string } | undefined
  /** Why it did not get to the end, where it did not: then nothing is known. */
  readonly stuck: string | undefined
}

/** A seed takes a second or two; one that takes so long never ends. */
const seedMsMax = 180_000

const running = new Set<ChildProcess>()

/** Lets the simulator look at a copy of the project, in a process of its own. */
export function judge({ folder, first, seeds, steps }: Probe): Promise<Found> {
  const script = join(folder, 'test/simulation/mutants/probe.ts')
  const child = spawn(process.execPath, ['--no-warnings', script, ...[first, seeds, steps].map(String)], {
    cwd: folder,
    // Of what one mutant leaves as it is the next one finds the compiled code.
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder, '.compiled') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let lived = 0
  let violation: Found['violation']
  let errors = ''
  let isLate = false
  let alarm = setTimeout(giveUp, seedMsMax)
  function giveUp(): void {
    isLate = true
    child.kill('SIGKILL')
  }
  createInterface(child.stdout).on('line', (line) => {
    clearTimeout(alarm)
    alarm = setTimeout(giveUp, seedMsMax)
    lived += 1
    const { guarantee, detail } = JSON.parse(line) as { guarantee?: string; detail: string }
    if (guarantee !== undefined) violation = { guarantee, detail }
  })
  child.stderr.on('data', (chunk) => {
    errors = (errors + String(chunk)).slice(-2000)
  })
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(alarm)
      running.delete(child)
      const isDone = violation !== undefined || lived === seeds
      const why = isLate ? `a seed took more than ${seedMsMax / 1000} s` : `it ended with ${code}: ${errors}`
      resolve({ seeds: lived, violation, stuck: isDone ? undefined : why })
    })
  })
}

/** Ends every simulator that is under way. */
export function stopAll(): void {
  for (const child of running) child.kill('SIGKILL')
}
