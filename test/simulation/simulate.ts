import { type Action, apply } from './actions.ts'
import { endWorld } from './ending.ts'
import { turnOfTheLoop } from './engine/native.ts'
import type { Violation, WorldPlan } from './engine/world.ts'
import { createGenerator, planWorld } from './generate.ts'
import { createWorld, type World } from './world.ts'

/** A world and all that was done in it: enough to live through it again. */
export interface History {
  readonly plan: WorldPlan
  readonly actions: readonly Action[]
}

export interface Simulated {
  readonly history: History
  readonly counts: ReadonlyMap<string, number>
  readonly traceHash: string
  /** The first guarantee that did not hold, and the step after which it did not. */
  readonly violation: (Violation & { readonly step: number }) | undefined
}

export interface Watch {
  /** Hears of all that happens, line by line. */
  readonly listen?: ((line: string) => void) | undefined
  /** One more guarantee, looked at after every step: what it says does not hold. */
  readonly check?: ((world: World) => string | undefined) | undefined
}

/** One life of one world. The same seed and number of steps give the same one. */
export function simulate(seed: number, steps: number, watch: Watch = {}): Promise<Simulated> {
  const generator = createGenerator(seed)
  return live(planWorld(seed), (world, step) => (step < steps ? generator.next(world) : undefined), watch)
}

/** Lives through a history again. */
export function replay({ plan, actions }: History, watch: Watch = {}): Promise<Simulated> {
  return live(plan, (_world, step) => actions[step], watch)
}

async function live(
  plan: WorldPlan,
  next: (world: World, step: number) => Action | undefined,
  { listen, check }: Watch,
): Promise<Simulated> {
  const actions: Action[] = []
  const world = await createWorld(plan, listen)
  const { ground } = world
  const escaped = (error: unknown): void => {
    ground.violate('bug', `nobody heard of this: ${error instanceof Error ? error.stack : String(error)}`)
  }
  process.on('unhandledRejection', escaped)
  try {
    for (let step = 0; ground.violations.length === 0; step++) {
      const action = next(world, step)
      if (action === undefined) break
      actions.push(action)
      await apply(world, action)
      await turnOfTheLoop()
      const fault = check?.(world)
      if (fault !== undefined) ground.violate('bug', fault)
    }
    if (ground.violations.length === 0) await endWorld(world)
    await turnOfTheLoop()
    const [first] = ground.violations
    const violation = first && { ...first, step: actions.length - 1 }
    return { history: { plan, actions }, counts: ground.counts, traceHash: ground.traceHash(), violation }
  } finally {
    process.off('unhandledRejection', escaped)
    world.leave()
  }
}
