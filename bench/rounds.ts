import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type VariantName, variants } from './catalogue.ts'
import type { Samples } from './measure.ts'

export interface RoundsPlan {
  readonly names: readonly VariantName[]
  readonly rounds: number
  /** As few operations as show that every variant still runs: their times mean nothing. */
  readonly quick: boolean
}

/** One variant over all rounds. */
export type Result =
  | { readonly measured: true; readonly backend: string; readonly rounds: readonly Samples[] }
  | { readonly measured: false; readonly missing: string }

export type Results = Partial<Readonly<Record<VariantName, Result>>>

/** Every variant in a process of its own, in the order given and then in the reverse of it, round after round. */
export function runRounds(
  { names, rounds, quick }: RoundsPlan,
  progress: (round: number, name: VariantName) => void,
): Results {
  const results: Partial<Record<VariantName, Result>> = {}
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      progress(round + 1, name)
      const before = results[name]
      const answer = runChild(name, quick)
      if ('missing' in answer) results[name] = { measured: false, missing: answer.missing }
      else {
        const earlier = before?.measured ? before.rounds : []
        results[name] = { measured: true, backend: answer.backend, rounds: [...earlier, answer] }
      }
    }
  }
  return results
}

function runChild(name: VariantName, quick: boolean): Samples | { readonly missing: string } {
  const { backend, count } = variants[name]
  const numbers = quick ? [4, 1, 2] : [count, 5, 7]
  const child = spawnSync(
    process.execPath,
    ['--expose-gc', join(import.meta.dirname, 'child.ts'), name, ...numbers.map(String)],
    {
      encoding: 'utf8',
      env: { ...process.env, LOCKSTEP_BACKEND: backend === 'portable' ? 'portable' : 'native' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 300_000,
    },
  )
  if (child.status !== 0) throw new Error(`${name} failed: ${child.error?.message ?? child.stderr}`)
  return JSON.parse(child.stdout) as Samples | { readonly missing: string }
}
