import { quiet } from './native.ts'

/** One run of a party's program, from its start to its crash. */
export interface Process {
  readonly party: string
  /** How many of its runs there were before. */
  readonly run: number
  alive: boolean
}

/**
 * `read`, `commit`: of a store. `turn`: of the event loop. `timer`: once its time has come. `handler`: what a vendor sells.
 * `request`, `answer`: on the network. `frame`: a message of a WebSocket.
 */
export type EffectKind = 'read' | 'commit' | 'turn' | 'timer' | 'handler' | 'request' | 'answer' | 'frame'

/** `failed`: it did not happen, and whoever waits hears so. `twice`: once now and once more later. */
export type Outcome = 'ok' | 'failed' | 'twice'

/** Something between a program and the world that has not happened yet. */
export interface Effect {
  /** Names it in a trace. */
  readonly label: string
  /** Whose it is and of what kind: with its place among those of this name that are pending, it names it in a history. */
  readonly name: string
  readonly kind: EffectKind
  /** Whose program goes on when it happens; none while it is on the network. */
  readonly process: Process | undefined
  /** Effects of one lane happen in their order. */
  readonly lane: string | undefined
  /** When its time comes, in ms. */
  readonly due: number
  /** Whose program goes on, where that depends on how it ends. */
  readonly into: ((outcome: Outcome) => Process | undefined) | undefined
  /** Set aside: it happens when a history names it. */
  isHeld: boolean
  readonly happen: (outcome: Outcome) => void
}

export interface Asked {
  readonly kind: EffectKind
  readonly process?: Process
  readonly lane?: string
  readonly due?: number
  /** What it is about, for who reads a history. */
  readonly about?: string
  readonly into?: (outcome: Outcome) => Process | undefined
  readonly happen: (outcome: Outcome) => void
}

/** Everything that happens in a simulated world happens here, one thing after the other. */
export interface Scheduler {
  /** In the order in which they were asked for. */
  readonly pending: readonly Effect[]
  /** Whose program runs now. */
  readonly current: Process | undefined
  ask(effect: Asked): Effect
  /** Takes an effect back: it never happens. */
  drop(effect: Effect): void
  /** Lets it happen, and every program go on until it waits again. */
  finish(effect: Effect, outcome: Outcome): Promise<void>
  /** Runs a piece of a process's program until it waits. */
  run(process: Process | undefined, work: () => void): Promise<void>
  /** Ends a process: nothing that it waits for happens any more. */
  kill(process: Process): void
  /** Whether it may happen now. */
  isReady(effect: Effect, now: number): boolean
  /** The effect of such a {@link referenceTo}. */
  find(reference: string): Effect | undefined
  /** Names an effect, in a way that still fits where what came before is left out. */
  referenceTo(effect: Effect): string
}

/** `trace` hears of all that happens, in order. */
export function createScheduler(trace: (line: string) => void): Scheduler {
  const pending: Effect[] = []
  const counts = new Map<string, number>()
  let current: Process | undefined

  const drop = (effect: Effect): void => {
    const at = pending.indexOf(effect)
    if (at >= 0) pending.splice(at, 1)
  }
  const run = async (process: Process | undefined, work: () => void): Promise<void> => {
    current = process
    work()
    await quiet()
    current = undefined
  }

  return {
    pending,
    get current() {
      return current
    },
    ask({ kind, process, lane, due = 0, about, into, happen }) {
      const name = `${process?.party ?? 'net'} ${kind}`
      const number = (counts.get(name) ?? 0) + 1
      counts.set(name, number)
      const label = `${name} ${number}${about === undefined ? '' : ` ${about}`}`
      const effect = { label, name, kind, process, lane, due, into, isHeld: false, happen }
      pending.push(effect)
      return effect
    },
    drop,
    run,
    async finish(effect, outcome) {
      drop(effect)
      trace(`${effect.label}: ${outcome}`)
      await run(effect.into === undefined ? effect.process : effect.into(outcome), () => effect.happen(outcome))
    },
    kill(process) {
      process.alive = false
      for (const effect of pending.filter((one) => one.process === process)) drop(effect)
    },
    isReady({ due, lane, label }, now) {
      if (due > now) return false
      return lane === undefined || pending.find((other) => other.lane === lane)?.label === label
    },
    find(reference) {
      const [, name, place] = /^(.+) (\d+)$/.exec(reference) ?? []
      return pending.filter((effect) => effect.name === name)[Number(place)]
    },
    referenceTo(effect) {
      return `${effect.name} ${pending.filter(({ name }) => name === effect.name).indexOf(effect)}`
    },
  }
}
