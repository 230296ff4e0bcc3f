import type { Action } from './actions.ts'
import { type History, replay, type Simulated, type Watch } from './simulate.ts'

/**
 * A history as short as can be found in which the same guarantee fails: takes away ever smaller parts of it, and keeps
 * what is left as long as it still fails. Every part of a history is one.
 */
export async function shrink(
  failed: Simulated,
  { secondsMax = 30, check }: Pick<Watch, 'check'> & { readonly secondsMax?: number } = {},
): Promise<Simulated> {
  let best = failed
  const until = performance.now() + secondsMax * 1000
  const attempt = async (actions: readonly Action[]): Promise<boolean> => {
    if (performance.now() > until) return false
    const lived = await replay({ ...best.history, actions }, { check })
    if (lived.violation?.guarantee !== failed.violation?.guarantee) return false
    best = lived
    return true
  }
  for (let size = Math.ceil(best.history.actions.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.history.actions.length; ) {
      const { actions } = best.history
      const left = [...actions.slice(0, from), ...actions.slice(from + size)]
      if (!(await attempt(left))) from += size
    }
  }
  for (let at = 0; at < best.history.actions.length; at++) {
    const { actions } = best.history
    const { trouble, ...calm } = actions[at]!
    if (trouble !== undefined) await attempt(actions.with(at, calm as Action))
    if (calm.run !== longest)
      await attempt(best.history.actions.with(at, { ...best.history.actions[at]!, run: longest }))
  }
  return best
}

/** Runs until nothing can happen any more. */
const longest = 1000

/** A history one line a step, as it is printed and read again. */
export function encodeHistory({ plan, actions }: History): string {
  return [plan, ...actions].map((line) => JSON.stringify(line)).join('\n')
}

export function parseHistory(text: string): History {
  const [plan, ...actions] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
  return { plan: plan as History['plan'], actions: actions as History['actions'] }
}
